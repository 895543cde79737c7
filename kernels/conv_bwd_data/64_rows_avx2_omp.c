/* 12 sums, 3 vectors of diff_dst and 1 weight fit 16 registers. */
#define TILE_SUMS_1 12
#define TILE_SUMS_2 6
#define TILE_SUMS_3 4
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_avx2_omp = {VARIANT_BUILD, ROWS_BWD_DATA};
