/* conv_fwd/direct_image_avx512_omp: direct convolution of images in nchw into nchw16c, as a first layer does it; rows and
 * images dealt to threads. direct_runs_avx512_omp loads each pixel for two vectors of outputs; here a tile is one vector wide,
 * and each FMA reads its pixel from memory: two thirds of the instructions, half of the weights in L1 at a time, and rows of
 * dst that are written from end to end. That pays most where a neighbour's thread shares the core. Layouts and
 * blocking: image_fwd.tmpl.h. Limited by the FMA ports; where a sum has few products and dst is beyond the L2, by its
 * stores. Same bits for any team: a sum is made in one order whatever the tile. */
/* 28 sums and a vector of weights fit 32 registers; 29 loads feed 28 FMAs. */
#define TILE_PIXELS 28
#include "algorithms/conv/image_fwd.tmpl.h"

const struct variant conv_fwd_direct_image_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .fits = image_fits,
    .scratch_size = image_scratch,
    .run = image_run,
};
