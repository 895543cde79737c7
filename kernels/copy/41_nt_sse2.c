/* Copy with stores past the cache: SSE2, one thread. */
#define TRIAD 0
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_nt_sse2 = {VARIANT_BUILD, STREAM};
