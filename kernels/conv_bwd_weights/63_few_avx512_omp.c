/* conv_bwd_weights/few_avx512_omp: output channels in the lanes, diff_dst read where it lies; chunks of images dealt to
 * threads. For few input channels, where direct_avx512_omp spends as long on copies of diff_dst as on products. Layouts
 * nchw, nhwc, nchw16c; blocking: few_bwd_weights.tmpl.h. Limited by loads of diff_dst across lines in nhwc, by lines of src
 * that hold few inputs in nchw16c, in nchw by transposing diff_dst. Same bits for any team: chunks follow from the problem. */
/* 24 sums, 2 pixels of 2 vectors and 1 input fit 32 registers; 3 taps of 3 inputs are 18 of them: 16 loads for 36 FMAs.
 * 4 pixels need fewer loads, and are no faster where diff_dst comes from L2. */
#define TILE_SUMS 24
#define TILE_VECTORS 2
#define TILE_PIXELS 2
#include "algorithms/conv/few_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_few_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = few_fits,
    .scratch_size = few_scratch,
    .run = few_run,
};
