/* The register tile of conv_fwd/direct_neon, whose file says why. */
#define TILE_PIXELS 7
#define TILE_VECTORS 3
#include "algorithms/conv/folded_direct.tmpl.h"

const struct variant conv_bn_infer_folded_direct_neon = {VARIANT_BUILD, FOLDED_DIRECT};
