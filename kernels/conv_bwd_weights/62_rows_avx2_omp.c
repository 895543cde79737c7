/* conv_bwd_weights/rows_avx2_omp: pixels of a row in the lanes, dot products of rows; chunks of rows dealt to threads. For
 * few input channels, where direct_avx2_omp spends as long on transposing diff_dst as on products: here it is read where
 * it lies. Layout nchw; blocking: rows_bwd_weights.tmpl.h. Limited by its sums, V floats a
 * weight, loaded and stored once a strip: where outputs fill vectors direct_avx2_omp can be faster, as on a 7x7 stem. Same
 * bits for any team: chunks follow from the problem. */
/* 12 sums, 3 vectors of diff_dst and 1 of src fit 16 registers; 7 loads feed 12 FMAs. */
#define TILE_TAPS 4
#define TILE_OUTPUTS 3
#include "rows_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_rows_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = rows_fits,
    .scratch_size = rows_scratch,
    .run = rows_run,
};
