/* The layers for SSE2, the base of x86-64. The word in the file's name selects the architecture. */
#define LAYERS layers_sse2
#include "layers.tmpl.h"
