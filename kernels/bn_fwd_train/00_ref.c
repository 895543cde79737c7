/* The definition of batch normalization in training, float64, two passes. Layout nchw.
 *
 *   mean = 1/n sum x;  variance = 1/n sum (x - mean)^2
 *   y = gamma (x - mean) / sqrt(variance + eps) + beta
 *
 * for each channel, over its n = mb ih iw values. Missing gamma is 1, missing beta 0. */
#include "ref.h"

struct bn_ref_stats bn_ref_stats(const struct bn *p, const float *src, int64_t c)
{
    int64_t hw = p->ih * p->iw;
    struct bn_ref_stats s = {.n = p->mb * hw};
    double sum = 0, sum_abs = 0, m2 = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            double x = src[(n * p->ic + c) * hw + i];
            sum += x;
            sum_abs += __builtin_fabs(x);
            if (__builtin_fabs(x) > s.max_abs)
                s.max_abs = __builtin_fabs(x);
        }
    }
    s.mean = sum / (double)s.n;
    s.mean_abs = sum_abs / (double)s.n;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            double d = (double)src[(n * p->ic + c) * hw + i] - s.mean;
            m2 += d * d;
        }
    }
    s.variance = m2 / (double)s.n;
    return s;
}

double bn_ref_apply(double x, double mean, double variance, double eps, double gamma, double beta)
{
    return gamma * (x - mean) / __builtin_sqrt(variance + eps) + beta;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++) {
        struct bn_ref_stats s = bn_ref_stats(p, a->t[SRC], c);
        double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
        a->t[MEAN][c] = (float)s.mean;
        a->t[VARIANCE][c] = (float)s.variance;
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                a->t[DST][at] = (float)bn_ref_apply(a->t[SRC][at], s.mean, s.variance,
                                                    a->problem->eps, gamma, beta);
            }
        }
    }
}

const struct variant bn_fwd_train_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
