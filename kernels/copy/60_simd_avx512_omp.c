/* Copy with plain stores: AVX-512, all threads. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_avx512_omp = {VARIANT_BUILD, STREAM};
