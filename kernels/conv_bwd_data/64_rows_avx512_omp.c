/* At most 28 sums, 3 vectors of diff_dst and 1 weight fit 32 registers. */
#define TILE_SUMS_1 28
#define TILE_SUMS_2 14
#define TILE_SUMS_3 9
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_avx512_omp = {VARIANT_BUILD, ROWS_BWD_DATA};
