/* conv_bwd_weights/direct_avx2. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "direct_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_direct_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = direct_scratch,
    .run = direct_run,
};
