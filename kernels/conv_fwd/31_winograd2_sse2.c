/* conv_fwd/winograd2_sse2: Winograd's F(2x2,3x3) (Lavin and Gray 2015), SSE2; winograd2.tmpl.h has the
 * algorithm. From 30_im2col_sse2: 16 products for a 2x2 tile instead of 36, for additions before and after.
 * Layout nchw. Limited by the FMA ports at many channels, by the transforms at few. */
#include "algorithms/winograd/winograd2.tmpl.h"

const struct variant conv_fwd_winograd2_sse2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = WINOGRAD_F2,
    .thread_invariant = true,
    .fits = winograd2_fits,
    .scratch_size = winograd2_scratch,
    .flops = winograd2_flops,
    .run = winograd2_run,
};
