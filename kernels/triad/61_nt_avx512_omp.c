/* Triad with stores past the cache: AVX-512, all threads. */
#define TRIAD 1
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_nt_avx512_omp = {VARIANT_BUILD, STREAM};
