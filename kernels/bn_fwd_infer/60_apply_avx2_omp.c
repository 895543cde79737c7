/* AVX2, all threads: one pass over the tensor in the order of memory. */
#define RELU false
#define STREAM true
#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_fwd_infer_apply_avx2_omp = {VARIANT_BUILD, BN_VARIANT};
