/* conv_bwd_data/direct_scalar_omp: direct_scalar with its tiles dealt to threads. The grid follows from the
 * problem alone,
 * hence the same bits for any team. Limited by the FMA ports; with a stride, scattered stores, and by tiles
 * that do not
 * divide by the team. */
#define VEC_SCALAR
/* 8 sums: few enough for 16 registers with a pixel and a weight, many enough to hide the latency of an addition. */
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/conv/direct_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_scalar_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .flops = direct_flops,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
