/* Batch normalization folded into a convolution by im2col (im2col_fwd.tmpl.h) by folded.tmpl.h. */
#include "algorithms/conv/im2col_fwd.tmpl.h"

#define FOLDED_SCRATCH im2col_fwd_scratch
#define FOLDED_RUN im2col_fwd_run
#include "algorithms/conv/folded.tmpl.h"

#define FOLDED_IM2COL                                                                              \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = folded_scratch, .run = folded_run
