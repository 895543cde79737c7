/* As bn_fwd_train/twopass_avx2_omp, with max(0, y) taken before y is written. */
#define RELU true
#define STREAM true
#define SCHEDULE BY_SIZE
#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_relu_fwd_train_fused_avx2_omp = {VARIANT_BUILD, BN_VARIANT};
