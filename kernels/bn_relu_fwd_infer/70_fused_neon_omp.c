/* As bn_fwd_infer/apply_neon_omp, with max(0, y) taken before y is written. */
#define RELU true
#define STREAM true
#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_relu_fwd_infer_fused_neon_omp = {VARIANT_BUILD, BN_VARIANT};
