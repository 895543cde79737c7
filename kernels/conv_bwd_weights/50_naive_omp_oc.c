/* The loops of naive with the output channels shared out to the threads. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_naive_omp_oc = {VARIANT_BUILD, NAIVE_CONV};
