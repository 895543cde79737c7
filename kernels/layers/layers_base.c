/* The layers for the base of the architecture, SSE2 or NEON. The word in the file's name selects the compiler's flags. */
#define LAYERS layers_base
#include "layers.tmpl.h"
