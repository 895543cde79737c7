/* One float at a time, 6 x 2 of them in registers: the algorithm and its tails on any machine. */
#define VEC_SCALAR
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_scalar = {VARIANT_BUILD, GEMM_PACKED};
