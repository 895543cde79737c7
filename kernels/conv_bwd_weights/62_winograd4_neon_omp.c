/* conv_bwd_weights/winograd4_neon_omp: 32_winograd4_neon with its blocks of tiles dealt to the threads
 * (winograd4_bwd_weights.tmpl.h). The grid is fixed, so the bits do not depend on their number. Limited as
 * 32_winograd4_neon is, on every core. */
/* 18 sums, 3 vectors of D and the broadcasts a compiler loads ahead fit 32 registers. */
#define W4_ROWS 6
#define W4_VECTORS 3
#include "algorithms/winograd/winograd4_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_winograd4_neon_omp = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
