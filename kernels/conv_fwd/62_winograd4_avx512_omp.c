/* conv_fwd/winograd4_avx512_omp: Winograd's F(4x4,3x3) (Lavin and Gray 2015), forward; winograd4_data.tmpl.h has the
 * algorithm. From 60_winograd2_avx512_omp: 36 products for a 4x4 tile instead of 64, lanes are channels, and all
 * three layouts. Blocks of whole rows of tiles are dealt to threads; the grid is fixed, so the bits do not depend on
 * their number. Limited by the FMA ports at many channels, by the transforms and the L2 they go through at few. */
/* 24 sums, 4 vectors of U and 1 broadcast fit 32 registers; 10 loads feed 24 FMAs. */
#define W4_ROWS 6
#define W4_VECTORS 4
#include "algorithms/winograd/winograd4_fwd.tmpl.h"

const struct variant conv_fwd_winograd4_avx512_omp = {
    VARIANT_BUILD,          .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4, .thread_invariant = true,
    .fits = w4_fits,        .scratch_size = w4_scratch,
    .flops = w4_flops,      .run = w4_run,
};
