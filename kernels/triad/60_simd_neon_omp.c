/* Triad with plain stores: NEON, all threads. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_neon_omp = {VARIANT_BUILD, STREAM};
