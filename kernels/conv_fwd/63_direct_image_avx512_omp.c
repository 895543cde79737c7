/* 28 sums and a vector of weights fit 32 registers; 29 loads feed 28 FMAs. */
#define TILE_PIXELS 28
#define TILE_VECTORS 1
#include "algorithms/conv/runs_fwd.tmpl.h"

const struct variant conv_fwd_direct_image_avx512_omp = {VARIANT_BUILD, IMAGE_FWD};
