/* The loops of naive under the flags of AVX-512: what flags alone bring. */
#include "naive.tmpl.h"

const struct variant bn_fwd_infer_naive_avx512 = {VARIANT_BUILD, NAIVE_BN};
