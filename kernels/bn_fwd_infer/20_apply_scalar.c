/* One float at a time, one thread: one pass over the tensor in the order of memory. */
#define VEC_SCALAR
#define RELU false
#define STREAM false
#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_fwd_infer_apply_scalar = {VARIANT_BUILD, BN_VARIANT};
