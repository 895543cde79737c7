/* conv_fwd/depthwise_sse2_omp: depthwise convolution; slices of images dealt to threads. direct_sse2_omp has the
 * channels of a group in the lanes: one of 4 where a group has one channel. Here the lanes are pixels in nchw,
 * channels in nhwc and nchw16c. Blocking: depthwise.tmpl.h. Limited by memory where tensors are not cached, else by
 * loads: one for each FMA, and the copy of the input. Same bits for any team: a sum is made in the order of the taps. */
/* 8 sums, a vector of weights, inputs and products fit 16 registers. */
#define TILE_VECTORS 8
#include <stdbool.h>

static const bool DEPTHWISE_GRADIENT = false;

#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_fwd_depthwise_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = depthwise_fits,
    .scratch_size = depthwise_scratch,
    .run = depthwise_run,
};
