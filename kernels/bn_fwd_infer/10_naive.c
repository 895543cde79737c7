/* The loops of the reference in float32, at the base instruction set. */
#include "naive.tmpl.h"

const struct variant bn_fwd_infer_naive = {VARIANT_BUILD, NAIVE_BN};
