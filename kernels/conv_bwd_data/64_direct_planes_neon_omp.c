/* conv_bwd_data/direct_planes_neon_omp: gradient of the data at stride 1 with pixels in the lanes and weights broadcast;
 * images and parts of them dealt to threads. Layout nchw; blocking: planes_fwd.tmpl.h over turned weights
 * (turned_bwd_data.tmpl.h). Kernels of 1x1 read diff_dst where it lies and write diff_src from registers: nothing is copied.
 * Limited by the FMA ports; of larger kernels by copying. Same bits for any team: a sum is made in one order whatever the
 * tile. */
/* 16 sums, 4 vectors of pixels and the weights a compiler loads ahead fit 32 registers. */
#define TILE_OUTPUTS 4
#define TILE_VECTORS 4
#include "algorithms/conv/planes_fwd.tmpl.h"
#define FORWARD_SCRATCH planes_scratch
#define FORWARD_RUN planes_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_planes_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = gradient_fits,
    .scratch_size = gradient_scratch,
    .run = gradient_run,
};
