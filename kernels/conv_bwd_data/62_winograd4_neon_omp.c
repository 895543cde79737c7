/* 18 sums, 3 vectors of U and the broadcasts a compiler loads ahead fit 32 registers. */
#define W4_ROWS 6
#define W4_VECTORS 3
#include "algorithms/winograd/winograd4_bwd_data.tmpl.h"

const struct variant conv_bwd_data_winograd4_neon_omp = {VARIANT_BUILD, WINOGRAD4};
