/* Gradient of the data at stride 1, tiles of neighbouring pixels: runs_fwd.tmpl.h over turned weights. Weights are turned and
 * packed once, where pointwise.tmpl.h packs panels just where it uses them. */
#include "algorithms/conv/runs_fwd.tmpl.h"

#define FORWARD_FITS runs_fits
#define FORWARD_SCRATCH runs_scratch
#define FORWARD_RUN runs_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

#define RUNS_BWD_DATA                                                                              \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .fits = gradient_fits, .scratch_size = gradient_scratch,             \
    .run = gradient_run
