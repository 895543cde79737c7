/* As bn_fwd_train/twopass_sse2, with max(0, y) taken before y is written. */
#define RELU true
#define STREAM false
#define SCHEDULE BY_PANEL
#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_relu_fwd_train_fused_sse2 = {VARIANT_BUILD, BN_VARIANT};
