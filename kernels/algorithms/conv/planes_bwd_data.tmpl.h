/* Gradient of the data at stride 1, pixels in the lanes: planes_fwd.tmpl.h over turned weights. Kernels of 1x1 read diff_dst
 * where it lies and write diff_src from registers, so that nothing is copied. */
#include "algorithms/conv/planes_fwd.tmpl.h"

static const char *planes_fits(const struct problem *p, struct formats f)
{
    (void)p;
    (void)f;
    return NULL; /* any problem */
}

#define FORWARD_FITS planes_fits
#define FORWARD_SCRATCH planes_scratch
#define FORWARD_RUN planes_run
#include "algorithms/conv/turned_bwd_data.tmpl.h"

#define PLANES_BWD_DATA                                                                            \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .fits = gradient_fits, .scratch_size = gradient_scratch, .run = gradient_run
