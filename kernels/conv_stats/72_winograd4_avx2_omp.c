/* conv_stats/winograd4_avx2_omp: conv_fwd/winograd4_avx2_omp, which also gathers mean and variance of its results: a tile
 * of 4x4 pixels is taken while it is in registers, in two passes, and tiles and blocks are merged by Chan's formula in
 * the order of the grid, so the bits do not depend on the number of threads. dst is not read again. Limited as the
 * convolution is; the statistics are 4 operations a value beside its 72 ic / 16. */
/* 12 sums, 2 vectors of U and 1 broadcast fit 16 registers; 8 loads feed 12 FMAs. */
#define W4_ROWS 6
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_stats.tmpl.h"

const struct variant conv_stats_winograd4_avx2_omp = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
