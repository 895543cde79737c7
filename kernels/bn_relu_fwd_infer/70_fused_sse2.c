/* As bn_fwd_infer/apply_sse2, with max(0, y) taken before y is written. */
#define RELU true
#define STREAM false
#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_relu_fwd_infer_fused_sse2 = {VARIANT_BUILD, BN_VARIANT};
