/* conv_bwd_weights/winograd4_neon: Winograd's F(4x4,3x3) (Lavin and Gray 2015), gradient of the weights, for NEON;
 * winograd4_bwd_weights.tmpl.h has the algorithm. From 30_im2col_neon: 36 products for a 4x4 tile instead of 144,
 * for more additions before and after. Lanes are channels, in all three layouts. Limited by the FMA ports at many
 * channels, by the transforms at few. */
/* 18 sums, 3 vectors of D and the broadcasts a compiler loads ahead fit 32 registers. */
#define W4_ROWS 6
#define W4_VECTORS 3
#include "algorithms/winograd/winograd4_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_winograd4_neon = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
