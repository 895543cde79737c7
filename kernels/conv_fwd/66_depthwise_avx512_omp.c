/* conv_fwd/depthwise_avx512_omp: depthwise convolution; slices of images dealt to threads. direct_avx512_omp has the
 * channels of a group in the lanes: one of 16 where a group has one channel. Here the lanes are pixels in nchw,
 * channels in nhwc and nchw16c. Blocking: depthwise.tmpl.h. Limited by memory where tensors are not cached, else by
 * loads: one for each FMA, and the copy of the input. That is far from either bound: 3x3 on mb16ic64ih56 moves 7 GB/s
 * of compulsory bytes in nchw and nhwc and 12 in nchw16c, where reading in place would save the copy. Same bits for
 * any team: a sum is made in the order of the taps. */
/* 8 sums and a vector of weights; more sums in flight than two ports of FMAs have latencies, and loads are the limit. */
#define TILE_VECTORS 8
#include <stdbool.h>

static const bool DEPTHWISE_GRADIENT = false;

#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_fwd_depthwise_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = depthwise_fits,
    .scratch_size = depthwise_scratch,
    .run = depthwise_run,
};
