/* y = gamma (x - mean) / sqrt(variance + eps) + beta with mean and variance given. Float64, layout
 * nchw. Missing gamma is 1, missing beta 0. */
#include "ref.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                a->t[DST][at] = (float)bn_ref_apply(a->t[SRC][at], a->t[MEAN][c], a->t[VARIANCE][c],
                                                    a->problem->eps, gamma, beta);
            }
        }
    }
}

const struct variant bn_fwd_infer_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
