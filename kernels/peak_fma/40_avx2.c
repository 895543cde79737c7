/* Two FMAs a cycle of 4 or 5 cycles each need 8 to 10 chains; twelve and two constants fit 16
 * registers. */
#define CHAINS 12
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_avx2 = {VARIANT_BUILD, PEAK_FMA(flops)};
