/* At most 11 sums, 3 vectors of diff_dst, 1 weight and a product fit 16 registers. */
#define TILE_SUMS_1 11
#define TILE_SUMS_2 5
#define TILE_SUMS_3 3
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_sse2_omp = {VARIANT_BUILD, ROWS_BWD_DATA};
