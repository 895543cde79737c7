/* As bn_bwd/twopass_avx512, with the mask of the ReLU computed again from src. */
#define RELU true
#define STREAM false
#define SCHEDULE BY_PANEL
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_relu_bwd_fused_avx512 = {VARIANT_BUILD, BN_VARIANT};
