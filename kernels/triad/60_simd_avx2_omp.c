/* Triad with plain stores: AVX2, all threads. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_avx2_omp = {VARIANT_BUILD, STREAM};
