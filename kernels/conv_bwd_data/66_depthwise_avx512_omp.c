/* conv_bwd_data/depthwise_avx512_omp: gradient of the data of a depthwise convolution; slices of images dealt to
 * threads. direct_avx512_omp has the channels of a group in the lanes: one of 16 where a group has one channel. Here
 * the lanes are pixels in nchw, channels in nhwc and nchw16c. Blocking: depthwise.tmpl.h. Limited by memory where
 * tensors are not cached, else by loads: one for each FMA, and the copy of the input. Same bits for any team: a sum
 * is made in the order of the taps. */
/* 8 sums and a vector of weights; more sums in flight than two ports of FMAs have latencies, and loads are the limit. */
#define TILE_VECTORS 8
#include <stdbool.h>

static const bool DEPTHWISE_GRADIENT = true;

#include "algorithms/depthwise/depthwise.tmpl.h"

const struct variant conv_bwd_data_depthwise_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = depthwise_fits,
    .scratch_size = depthwise_scratch,
    .run = depthwise_run,
};
