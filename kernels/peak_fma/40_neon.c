/* Four FMAs a cycle of 4 cycles each (the widest cores) need 16 chains; 32 registers hold them. */
#define CHAINS 16
#include "algorithms/memory/peak_fma.tmpl.h"

const struct variant peak_fma_neon = {VARIANT_BUILD, PEAK_FMA(flops)};
