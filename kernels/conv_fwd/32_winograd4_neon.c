/* 18 sums, 3 vectors of U and the broadcasts a compiler loads ahead fit 32 registers. */
#define W4_ROWS 6
#define W4_VECTORS 3
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_neon = {VARIANT_BUILD, WINOGRAD4};
