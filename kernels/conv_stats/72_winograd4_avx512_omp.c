/* 24 sums, 4 vectors of U and 1 broadcast fit 32 registers; 10 loads feed 24 FMAs. */
#define W4_ROWS 6
#define W4_VECTORS 4
#include "algorithms/winograd/winograd4_stats.tmpl.h"

const struct variant conv_stats_winograd4_avx512_omp = {VARIANT_BUILD, WINOGRAD4};
