/* conv_bwd_data/direct_runs_avx512_omp: gradient of the data at stride 1 by tiles of neighbouring pixels, rows and images dealt
 * to threads. direct_avx512_omp reads each pixel of a tile through an offset of its own, pointwise_avx512_omp packs panels
 * where it uses them; here weights are turned and packed once, and pixels are read where they lie. Layouts and blocking:
 * runs_fwd.tmpl.h over turned weights (turned_bwd_data.tmpl.h). Limited by the FMA ports; where diff_src is beyond the L2, by
 * its stores; in nchw by copies that turn the sums. Same bits for any team: a sum is made in one order whatever the tile. */
/* 28 sums, 2 vectors of weights and 1 pixel fit 32 registers; 16 loads feed 28 FMAs. */
#define TILE_PIXELS 14
#define TILE_VECTORS 2
#include "algorithms/conv/runs_fwd.tmpl.h"
#define FORWARD_FITS runs_fits
#define FORWARD_SCRATCH runs_scratch
#define FORWARD_RUN runs_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_runs_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = gradient_fits,
    .scratch_size = gradient_scratch,
    .run = gradient_run,
};
