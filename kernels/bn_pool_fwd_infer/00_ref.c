/* bn_pool_fwd_infer/ref: batch normalization by given statistics, max(0, y), then the maximum of each window of 2x2,
 * composed in float64 without rounding between. Layout nchw. Missing gamma is 1, missing beta 0. */
#include "ref.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const int64_t windows = (p->ih / 2) * (p->iw / 2);
    for (int64_t at = 0; at < p->mb * p->ic * windows; at++) {
        const int64_t c = at / windows % p->ic;
        a->t[DST][at] = (float)bn_pool_ref_max(a, at, a->t[MEAN][c], a->t[VARIANCE][c]).y;
    }
}

const struct variant bn_pool_fwd_infer_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
