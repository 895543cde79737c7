/* conv_bwd_weights/depthwise_avx2_omp: depthwise convolution, gradient of the weights; chunks of images and slices of
 * channels dealt to threads. direct_avx2_omp has the channels of a group in the lanes: one of 8 where a group has one
 * channel. Here the lanes are pixels in nchw, channels in nhwc and nchw16c. Blocking: depthwise_bwd_weights.tmpl.h.
 * Limited by loads: ten for 9 FMAs, and the copies. Same bits for any team: chunks follow from the problem. */
/* 9 sums of as many taps, one of the bias and a vector of diff_dst fit 16 registers; FMAs read src from memory. */
#define TILE_SUMS 12
#include "algorithms/depthwise/depthwise_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_depthwise_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = depthwise_fits,
    .scratch_size = depthwise_scratch,
    .run = depthwise_run,
};
