/* 10 sums, 2 vectors of U, 1 broadcast and 1 product fit 16 registers. */
#define W4_ROWS 5
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_sse2_omp = {VARIANT_BUILD, WINOGRAD4};
