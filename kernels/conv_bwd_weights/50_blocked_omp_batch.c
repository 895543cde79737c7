/* The images are shared out to the threads: unbalanced where there are few. Enough parts to load
 * the cores of a desktop evenly; each costs a copy of the weights in scratch. */
enum { CHUNKS = 16, SPLIT_CHANNELS = 0 };
#include "algorithms/conv/blocked_conv_bwd_weights.tmpl.h"

const struct variant conv_bwd_weights_blocked_omp_batch = {VARIANT_BUILD, BLOCKED_CONV_BWD_WEIGHTS};
