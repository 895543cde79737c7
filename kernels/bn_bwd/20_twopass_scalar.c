/* One float at a time, one thread; a panel of channels at a time stays in the cache. */
#define VEC_SCALAR
#define RELU false
#define STREAM false
#define SCHEDULE BY_PANEL
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_scalar = {VARIANT_BUILD, BN_VARIANT};
