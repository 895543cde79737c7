/* Two FMAs a cycle of 4 cycles each need 8 chains; sixteen leave room for wider machines within 32
 * registers. */
#define CHAINS 16
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_avx512_omp = {VARIANT_BUILD, PEAK_FMA(flops)};
