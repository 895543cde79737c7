/* Triad with plain stores: AVX-512, one thread. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_avx512 = {VARIANT_BUILD, STREAM};
