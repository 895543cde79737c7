/* Copy with plain stores: NEON, one thread. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_neon = {VARIANT_BUILD, STREAM};
