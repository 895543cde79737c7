/* conv_bwd_weights/rows_sse2_omp: pixels of a row in the lanes, dot products of rows; chunks of rows dealt to threads. For
 * few input channels, where direct_sse2_omp spends as long on transposing diff_dst as on products: here it is read where
 * it lies. Layout nchw; blocking: rows_bwd_weights.tmpl.h. Limited by its sums, V floats a
 * weight, loaded and stored once a strip: where outputs fill vectors direct_sse2_omp can be faster, as on a 7x7 stem. Same
 * bits for any team: chunks follow from the problem. */
/* 9 sums, 3 vectors of diff_dst, 1 of src and a product fit 16 registers. */
#define TILE_TAPS 3
#define TILE_OUTPUTS 3
#include "rows_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_rows_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .run = rows_run,
};
