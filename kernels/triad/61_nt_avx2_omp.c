/* Triad with stores past the cache: AVX2, all threads. */
#define TRIAD 1
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_nt_avx2_omp = {VARIANT_BUILD, STREAM};
