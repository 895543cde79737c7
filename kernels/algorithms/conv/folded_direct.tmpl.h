/* Batch normalization folded into a direct convolution (direct_data.tmpl.h) by folded.tmpl.h. */
#include "algorithms/conv/direct_fwd.tmpl.h"

#define FOLDED_SCRATCH direct_scratch
#define FOLDED_RUN direct_run
#include "algorithms/conv/folded.tmpl.h"

#define FOLDED_DIRECT                                                                              \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .scratch_size = folded_scratch, .run = folded_run
