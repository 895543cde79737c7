/* NEON, one thread: 6 x 16 floats of C or 6 x 4 sums of 4 in registers. */
#include "algorithms/gemm/gemm_small.tmpl.h"

const struct variant gemm_small_neon = {VARIANT_BUILD, GEMM_SMALL};
