/* The loops of naive under the flags of AVX2: what flags alone bring. */
#include "naive.tmpl.h"

const struct variant bn_bwd_naive_avx2 = {VARIANT_BUILD, NAIVE_BN};
