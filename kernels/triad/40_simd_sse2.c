/* Triad with plain stores: SSE2, one thread. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_sse2 = {VARIANT_BUILD, STREAM};
