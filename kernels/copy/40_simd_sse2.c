/* Copy with plain stores: SSE2, one thread. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_sse2 = {VARIANT_BUILD, STREAM};
