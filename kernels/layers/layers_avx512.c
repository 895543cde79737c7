/* The layers for AVX-512. The word in the file's name selects the compiler's flags. */
#define LAYERS layers_avx512
#include "layers.tmpl.h"
