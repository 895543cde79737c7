/* The images are shared out to the threads: unbalanced where there are few. */
enum { SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_fwd.tmpl.h"

const struct variant conv_fwd_blocked_omp_batch = {VARIANT_BUILD, BLOCKED_CONV_FWD};
