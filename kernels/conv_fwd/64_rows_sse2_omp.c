/* conv_fwd/rows_sse2_omp: pixels of a row in the lanes, weights broadcast; strips of rows dealt to threads. For few
 * input channels, where direct_sse2_omp spends as long on packing and transposing as on products: here dst is written
 * from registers. Layout nchw; blocking: rows_fwd.tmpl.h. Limited by
 * stores of dst, one vector for ic kh kw products, and by loads across lines: with the 147 products of a 7x7 stem
 * direct_sse2_omp is faster. Same bits for any team: strips follow from the problem. */
/* 8 sums, 2 vectors of pixels, 1 weight and a product fit 16 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 2
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .run = rows_run,
};
