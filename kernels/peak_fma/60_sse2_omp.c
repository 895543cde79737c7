/* Fourteen chains and two constants fill the 16 registers; two multiplies and two adds a cycle of 3
 * to 4 cycles each need up to 14. */
#define CHAINS 14
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_sse2_omp = {VARIANT_BUILD, PEAK_FMA(flops)};
