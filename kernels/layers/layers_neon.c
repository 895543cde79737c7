/* The layers for NEON. The word in the file's name selects the architecture. */
#define LAYERS layers_neon
#include "layers.tmpl.h"
