/* Copy with plain stores: NEON, all threads. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_neon_omp = {VARIANT_BUILD, STREAM};
