/* The layers for AVX2 and FMA. The word in the file's name selects the compiler's flags. */
#define LAYERS layers_avx2
#include "layers.tmpl.h"
