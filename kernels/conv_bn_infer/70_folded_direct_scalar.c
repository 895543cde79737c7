/* The register tile of conv_fwd/direct_scalar, whose file says why. */
#define VEC_SCALAR
#define TILE_PIXELS 4
#define TILE_VECTORS 2
#include "algorithms/conv/folded_direct.tmpl.h"

const struct variant conv_bn_infer_folded_direct_scalar = {VARIANT_BUILD, FOLDED_DIRECT};
