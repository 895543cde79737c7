/* AVX2, all threads; the sizes of the tensor and of the caches decide on the schedule. */
#define RELU false
#define STREAM true
#define SCHEDULE BY_SIZE
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_avx2_omp = {VARIANT_BUILD, BN_VARIANT};
