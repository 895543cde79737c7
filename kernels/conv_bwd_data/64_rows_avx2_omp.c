/* conv_bwd_data/rows_avx2_omp: pixels of a row in the lanes, weights broadcast; strips of rows dealt to threads. For few
 * input channels, where direct_avx2_omp leaves most lanes of ic empty. Rows of diff_dst are read where they lie and summed
 * unshifted for each (ic, kw). Layout nchw; blocking: rows_bwd_data.tmpl.h. Limited by the FMA ports where rows are
 * multiples of V. Same bits for any team: strips follow from the problem. */
/* 12 sums, 3 vectors of diff_dst and 1 weight fit 16 registers. */
#define TILE_SUMS_1 12
#define TILE_SUMS_2 6
#define TILE_SUMS_3 4
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .flops = rows_flops,
    .run = rows_run,
};
