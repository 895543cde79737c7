/* conv_bwd_data/direct_runs_neon_omp: direct_runs_avx512_omp at 4 lanes. Limited by the FMA ports. */
/* 28 sums, 2 vectors of weights and 1 pixel fit 32 registers; 16 loads feed 28 FMAs. */
#define TILE_PIXELS 14
#define TILE_VECTORS 2
#include "algorithms/conv/runs_fwd.tmpl.h"
#define FORWARD_FITS runs_fits
#define FORWARD_SCRATCH runs_scratch
#define FORWARD_RUN runs_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_runs_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = gradient_fits,
    .scratch_size = gradient_scratch,
    .run = gradient_run,
};
