/* conv_bwd_data/direct_neon_omp: direct_neon with its tiles dealt to threads. The grid follows from the
 * problem alone,
 * hence the same bits for any team. Limited by the FMA ports; with a stride, scattered stores, and by tiles
 * that do not
 * divide by the team. */
/* 21 sums, 3 vectors of weights and the pixels a compiler loads ahead fit 32 registers; 24 sums spill. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
