/* conv_bwd_weights/few_neon_omp: few_avx512_omp with 4 lanes. Layouts nchw, nhwc, nchw16c; blocking:
 * few_bwd_weights.tmpl.h. Limited by the FMA ports, in nchw also by transposing diff_dst. Same bits for any team. */
/* 18 sums, 3 taps of 3 inputs, 2 pixels of 2 vectors and 1 input leave what compilers load ahead; 24 sums spill. */
#define TILE_SUMS 18
#define TILE_VECTORS 2
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = few_fits,
    .scratch_size = few_scratch,
    .run = few_run,
};
