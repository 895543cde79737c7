/* conv_fwd/direct_runs_avx512_omp: direct convolution whose tile is a run of neighbouring pixels of a row of dst; rows
 * and images dealt to threads. direct_avx512_omp reads each pixel of a tile through an offset of its own: 6 pixels fit,
 * and where a sum has few products its tiles end before they are worth their beginning. Here neighbours are one
 * distance apart, 14 pixels fit, and a call makes all tiles of a row. Layouts and blocking: runs_fwd.tmpl.h. Limited by
 * the FMA ports; where dst is beyond the L2, by its stores; in nchw by copies that turn the sums. Same bits for any
 * team: a sum is made in one order whatever the tile. */
/* 28 sums, 2 vectors of weights and 1 pixel fit 32 registers; 16 loads feed 28 FMAs. */
#define TILE_PIXELS 14
#define TILE_VECTORS 2
#include "algorithms/conv/runs_fwd.tmpl.h"

const struct variant conv_fwd_direct_runs_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = runs_fits,
    .scratch_size = runs_scratch,
    .run = runs_run,
};
