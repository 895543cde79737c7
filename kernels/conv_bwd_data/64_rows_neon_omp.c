/* At most 21 sums, 3 vectors of diff_dst and the weights a compiler loads ahead fit 32
 * registers. */
#define TILE_SUMS_1 21
#define TILE_SUMS_2 9
#define TILE_SUMS_3 6
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_neon_omp = {VARIANT_BUILD, ROWS_BWD_DATA};
