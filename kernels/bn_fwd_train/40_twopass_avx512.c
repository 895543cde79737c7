/* AVX-512, one thread; a panel of channels at a time stays in the cache. */
#define RELU false
#define STREAM false
#define SCHEDULE BY_PANEL
#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_avx512 = {VARIANT_BUILD, BN_VARIANT};
