/* One float at a time, one thread, to test the edges of the algorithm anywhere. */
#define VEC_SCALAR
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_scalar = {VARIANT_BUILD, GEMM_SMALL};
