/* The loops of naive with omp simd, under the flags of AVX2. */
#include "naive_simd.tmpl.h"

const struct variant bn_fwd_train_naive_simd_avx2 = {VARIANT_BUILD, NAIVE_BN};
