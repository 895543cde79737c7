/* AVX-512; threads share the panels of channels: no barrier, but some wait where panels are few. */
#define RELU false
#define STREAM false
#define SCHEDULE BY_PANEL
#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_avx512_omp_channels = {VARIANT_BUILD, BN_VARIANT};
