/* Triad with plain stores: NEON, one thread. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_neon = {VARIANT_BUILD, STREAM};
