/* Copy with plain stores: AVX2, all threads. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_avx2_omp = {VARIANT_BUILD, STREAM};
