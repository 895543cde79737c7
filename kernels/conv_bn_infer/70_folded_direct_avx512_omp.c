/* The register tile of conv_fwd/direct_avx512_omp, whose file says why. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/folded_direct.tmpl.h"

const struct variant conv_bn_infer_folded_direct_avx512_omp = {VARIANT_BUILD, FOLDED_DIRECT};
