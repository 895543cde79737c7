/* 12 sums, 2 vectors of D and 1 broadcast fit 16 registers; 8 loads feed 12 FMAs. */
#define W4_ROWS 6
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_winograd4_avx2_omp = {VARIANT_BUILD, WINOGRAD4};
