/* Gradients of training-mode batch normalization, float64. Layout nchw.
 *
 *   xhat = (x - mean) / sqrt(variance + eps);  dbeta = sum dy;  dgamma = sum dy xhat
 *   dx = gamma / sqrt(variance + eps) (dy - dbeta / n - xhat dgamma / n)
 *
 * Mean and variance are those of the forward pass. Missing gamma is 1. */
#include "ref.h"

struct bn_ref_grad bn_ref_grad(const struct bn *p, double eps, const float *src,
                               const float *diff_dst, double mean, double variance, double gamma,
                               double beta, bool relu, int64_t c)
{
    int64_t hw = p->ih * p->iw;
    double rstd = 1 / __builtin_sqrt(variance + eps);
    struct bn_ref_grad g = {.n = p->mb * hw};
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            int64_t at = (n * p->ic + c) * hw + i;
            double xhat = ((double)src[at] - mean) * rstd, dy = diff_dst[at];
            if (relu && !(gamma * xhat + beta > 0))
                dy = 0;
            g.dbeta += dy;
            g.dgamma += dy * xhat;
            g.dbeta_abs += __builtin_fabs(dy);
            g.dgamma_abs += __builtin_fabs(dy * xhat);
        }
    }
    return g;
}

double bn_ref_dx(double x, double dy, double mean, double variance, double eps, double gamma,
                 double dgamma, double dbeta, int64_t n)
{
    double rstd = 1 / __builtin_sqrt(variance + eps), xhat = (x - mean) * rstd;
    return gamma * rstd * (dy - dbeta / (double)n - xhat * dgamma / (double)n);
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    double eps = a->problem->eps;
    int64_t hw = p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++) {
        double mean = a->t[MEAN][c], variance = a->t[VARIANCE][c],
               gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1;
        struct bn_ref_grad g =
            bn_ref_grad(p, eps, a->t[SRC], a->t[DIFF_DST], mean, variance, gamma, 0, false, c);
        a->t[DIFF_GAMMA][c] = (float)g.dgamma;
        a->t[DIFF_BETA][c] = (float)g.dbeta;
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                a->t[DIFF_SRC][at] = (float)bn_ref_dx(a->t[SRC][at], a->t[DIFF_DST][at], mean,
                                                      variance, eps, gamma, g.dgamma, g.dbeta, g.n);
            }
        }
    }
}

const struct variant bn_bwd_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
