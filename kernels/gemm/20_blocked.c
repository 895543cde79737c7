/* Plain C in cache tiles at the base instruction set, one thread. */
#include "algorithms/gemm/blocked_gemm.tmpl.h"

const struct variant gemm_blocked = {VARIANT_BUILD, BLOCKED_GEMM};
