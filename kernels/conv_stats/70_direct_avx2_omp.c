/* conv_stats/direct_avx2_omp: conv_fwd/direct_avx2_omp, which also gathers mean and variance of its results: a register
 * tile is taken while its results are in L1, in two passes, and tiles and units are merged by Chan's formula in the order
 * of the grid, so the bits do not depend on the number of threads. dst is not read again. Limited as the convolution is;
 * the statistics are 4 operations a value and a merge every TILE_PIXELS beside its 2 ic kh kw. */
/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs, where the ports allow as many
 * loads as FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_stats.tmpl.h"

const struct variant conv_stats_direct_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
