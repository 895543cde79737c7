/* conv_bwd_weights/few_avx2_omp: few_avx512_omp with 8 lanes. Layouts nchw, nhwc, nchw16c; blocking:
 * few_bwd_weights.tmpl.h. Limited by the FMA ports, in nchw also by transposing diff_dst. Same bits for any team. */
/* 12 sums, 2 pixels of 1 vector and 1 input fit 16 registers; 3 taps of 3 inputs are 9 of them: 14 loads for 18 FMAs. */
#define TILE_SUMS 12
#define TILE_VECTORS 1
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = few_fits,
    .scratch_size = few_scratch,
    .run = few_run,
};
