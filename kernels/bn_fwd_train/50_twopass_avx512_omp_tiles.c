/* AVX-512; threads share the tiles of all panels: none waits, but large tensors are read twice. */
#define RELU false
#define STREAM false
#define SCHEDULE BY_TILE
#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_avx512_omp_tiles = {VARIANT_BUILD, BN_VARIANT};
