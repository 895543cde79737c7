/* The register tile of conv_fwd/direct_neon_omp, whose file says why. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/folded_direct.tmpl.h"

const struct variant conv_bn_infer_folded_direct_neon_omp = {VARIANT_BUILD, FOLDED_DIRECT};
