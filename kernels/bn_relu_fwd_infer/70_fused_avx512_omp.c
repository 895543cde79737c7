/* As bn_fwd_infer/apply_avx512_omp, with max(0, y) taken before y is written. */
#define RELU true
#define STREAM true
#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_relu_fwd_infer_fused_avx512_omp = {VARIANT_BUILD, BN_VARIANT};
