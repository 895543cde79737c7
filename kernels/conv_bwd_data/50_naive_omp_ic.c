/* The loops of naive with the input channels shared out to the threads. */
#define SIMD_LOOP
#include "algorithms/conv/naive_conv_bwd_data.tmpl.h"

const struct variant conv_bwd_data_naive_omp_ic = {VARIANT_BUILD, NAIVE_CONV};
