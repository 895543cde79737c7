/* conv_bwd_data/direct_planes_sse2_omp: gradient of the data at stride 1 with pixels in the lanes and weights broadcast;
 * images and parts of them dealt to threads. Layout nchw; blocking: planes_fwd.tmpl.h over turned weights
 * (turned_bwd_data.tmpl.h). Kernels of 1x1 read diff_dst where it lies and write diff_src from registers: nothing is copied.
 * Limited by the FMA ports; of larger kernels by copying. Same bits for any team: a sum is made in one order whatever the
 * tile. */
/* 8 sums, 2 vectors of pixels, 1 weight and a product fit 16 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 2
#include "algorithms/conv/planes_fwd.tmpl.h"
#define FORWARD_SCRATCH planes_scratch
#define FORWARD_RUN planes_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = gradient_fits,
    .scratch_size = gradient_scratch,
    .run = gradient_run,
};
