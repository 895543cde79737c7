/* As bn_bwd/twopass_neon_omp, with the mask of the ReLU computed again from src. */
#define RELU true
#define STREAM true
#define SCHEDULE BY_SIZE
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_relu_bwd_fused_neon_omp = {VARIANT_BUILD, BN_VARIANT};
