/* AVX2; threads share the tiles of all panels: none waits, but large tensors are read twice. */
#define RELU false
#define STREAM false
#define SCHEDULE BY_TILE
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_avx2_omp_tiles = {VARIANT_BUILD, BN_VARIANT};
