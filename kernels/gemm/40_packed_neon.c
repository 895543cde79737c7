/* NEON, one thread: 14 x 8 floats of C in registers. */
#include "algorithms/gemm/gemm_packed.tmpl.h"

const struct variant gemm_packed_neon = {VARIANT_BUILD, GEMM_PACKED};
