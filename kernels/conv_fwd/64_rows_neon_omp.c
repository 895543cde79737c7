/* conv_fwd/rows_neon_omp: pixels of a row in the lanes, weights broadcast; strips of rows dealt to threads. For few
 * input channels, where direct_neon_omp spends as long on packing and transposing as on products: here dst is written
 * from registers. Layout nchw; blocking: rows_fwd.tmpl.h. Limited by
 * stores of dst, one vector for ic kh kw products, and by loads across lines: with the 147 products of a 7x7 stem
 * direct_neon_omp is faster. Same bits for any team: strips follow from the problem. */
/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .run = rows_run,
};
