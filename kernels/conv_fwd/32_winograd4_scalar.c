/* conv_fwd/winograd4_scalar: Winograd's F(4x4,3x3) (Lavin and Gray 2015), forward, for any machine;
 * winograd4_data.tmpl.h has the algorithm. From 31_winograd2_scalar: 36 products for a 4x4 tile instead of 64, for
 * more additions before and after. Lanes are channels, in all three layouts. Limited by the FMA ports at many
 * channels, by the transforms at few. */
/* 8 sums fit 16 registers even where a compiler makes vectors of them. */
#define VEC_SCALAR
#define W4_ROWS 4
#define W4_VECTORS 2
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_scalar = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
