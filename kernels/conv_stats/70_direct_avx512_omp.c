/* conv_stats/direct_avx512_omp: conv_fwd/direct_avx512_omp, which also gathers mean and variance of its results: a register
 * tile is taken while its results are in L1, in two passes, and tiles and units are merged by Chan's formula in the order
 * of the grid, so the bits do not depend on the number of threads. dst is not read again. Limited as the convolution is;
 * the statistics are 4 operations a value and a merge every TILE_PIXELS beside its 2 ic kh kw. */
/* 24 sums, 4 vectors of weights and 1 pixel fit 32 registers; 10 loads feed 24 FMAs. 6 pointers to pixels fit the
 * general registers, and 64 lanes lose little on 60 channels. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/direct_stats.tmpl.h"

const struct variant conv_stats_direct_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
