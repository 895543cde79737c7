/* conv_fwd/rows_avx512_omp: pixels of a row in the lanes, weights broadcast; strips of rows dealt to threads. For few
 * input channels, where direct_avx512_omp spends as long on packing and transposing as on products: here dst is written
 * from registers. Layout nchw; blocking: rows_fwd.tmpl.h. Limited by
 * stores of dst, one vector for ic kh kw products, and by loads across lines: with the 147 products of a 7x7 stem
 * direct_avx512_omp is faster. Same bits for any team: strips follow from the problem. */
/* 24 sums, 4 vectors of pixels and 1 weight fit 32 registers; 10 loads feed 24 FMAs, 4 of them across lines. */
#define TILE_OUTPUTS 6
#define TILE_VECTORS 4
#include "algorithms/conv/rows_fwd.tmpl.h"

const struct variant conv_fwd_rows_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .run = rows_run,
};
