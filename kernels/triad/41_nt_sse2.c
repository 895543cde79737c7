/* Triad with stores past the cache: SSE2, one thread. */
#define TRIAD 1
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_nt_sse2 = {VARIANT_BUILD, STREAM};
