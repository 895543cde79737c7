/* Gradients of max(0, batch normalization), float64. Layout nchw. As bn_bwd/ref, but dy counts only
 * where gamma xhat + beta > 0. Missing gamma is 1, missing beta 0. */
#include "ref.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    double eps = a->problem->eps;
    int64_t hw = p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++) {
        double mean = a->t[MEAN][c], variance = a->t[VARIANCE][c];
        double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
        struct bn_ref_grad g =
            bn_ref_grad(p, eps, a->t[SRC], a->t[DIFF_DST], mean, variance, gamma, beta, true, c);
        a->t[DIFF_GAMMA][c] = (float)g.dgamma;
        a->t[DIFF_BETA][c] = (float)g.dbeta;
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                double x = a->t[SRC][at];
                bool passes = gamma * (x - mean) / __builtin_sqrt(variance + eps) + beta > 0;
                double dy = passes ? a->t[DIFF_DST][at] : 0;
                a->t[DIFF_SRC][at] =
                    (float)bn_ref_dx(x, dy, mean, variance, eps, gamma, g.dgamma, g.dbeta, g.n);
            }
        }
    }
}

const struct variant bn_relu_bwd_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
