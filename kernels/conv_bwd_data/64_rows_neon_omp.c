/* conv_bwd_data/rows_neon_omp: pixels of a row in the lanes, weights broadcast; strips of rows dealt to threads. For few
 * input channels, where direct_neon_omp leaves most lanes of ic empty. Rows of diff_dst are read where they lie and summed
 * unshifted for each (ic, kw). Layout nchw; blocking: rows_bwd_data.tmpl.h. Limited by the FMA ports where rows are
 * multiples of V. Same bits for any team: strips follow from the problem. */
/* At most 21 sums, 3 vectors of diff_dst and the weights a compiler loads ahead fit 32 registers. */
#define TILE_SUMS_1 21
#define TILE_SUMS_2 9
#define TILE_SUMS_3 6
#include "algorithms/conv/rows_bwd_data.tmpl.h"

const struct variant conv_bwd_data_rows_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .flops = rows_flops,
    .run = rows_run,
};
