/* The loops of naive with omp simd, at the base instruction set. */
#include "naive_simd.tmpl.h"

const struct variant bn_fwd_infer_naive_simd = {VARIANT_BUILD, NAIVE_BN};
