/* conv_bwd_weights/direct_avx2_omp: direct_avx2 with its tiles dealt to threads. The grid follows from the
 * problem alone,
 * hence the same bits for any team. Limited by the FMA ports; for small images, packing, and by tiles that
 * do not
 * divide by the team. */
/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs, where the ports allow as many
 * loads as FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
