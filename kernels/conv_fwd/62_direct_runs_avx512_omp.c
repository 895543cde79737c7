/* conv_fwd/direct_runs_avx512_omp: draft */
/* 28 sums, 2 vectors of weights and 1 pixel fit 32 registers; 16 loads feed 28 FMAs. */
#define TILE_PIXELS 14
#define TILE_VECTORS 2
#include "runs_fwd.tmpl.h"

const struct variant conv_fwd_direct_runs_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = runs_fits,
    .scratch_size = runs_scratch,
    .run = runs_run,
};
