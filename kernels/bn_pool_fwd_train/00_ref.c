/* bn_pool_fwd_train/ref: batch normalization of the batch's own statistics, max(0, y), then the maximum of each window
 * of 2x2, composed in float64 without rounding between. Layout nchw. Missing gamma is 1, missing beta 0. */
#include "ref.h"

int64_t bn_pool_ref_corner(const struct bn *p, int64_t at)
{
    const int64_t ow = p->iw / 2, windows = (p->ih / 2) * ow;
    return at / windows * p->ih * p->iw + at % windows / ow * 2 * p->iw + at % ow * 2;
}

struct bn_pool_ref_max bn_pool_ref_max(const struct args *a, int64_t at, double mean,
                                       double variance)
{
    const struct bn *p = &a->problem->bn;
    const int64_t c = at / ((p->ih / 2) * (p->iw / 2)) % p->ic;
    const float *window = a->t[SRC] + bn_pool_ref_corner(p, at);
    const double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
    struct bn_pool_ref_max best = {0, BN_POOL_NONE};
    for (int place = 0; place < 4; place++) {
        const double x = window[place / 2 * p->iw + place % 2],
                     y = bn_ref_apply(x, mean, variance, a->problem->eps, gamma, beta);
        if (y > best.y || y != y)
            best = (struct bn_pool_ref_max){y, place};
    }
    return best;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const int64_t windows = (p->ih / 2) * (p->iw / 2);
    for (int64_t c = 0; c < p->ic; c++) {
        const struct bn_ref_stats s = bn_ref_stats(p, a->t[SRC], c);
        a->t[MEAN][c] = (float)s.mean;
        a->t[VARIANCE][c] = (float)s.variance;
        for (int64_t i = 0; i < p->mb * windows; i++) {
            const int64_t at = (i / windows * p->ic + c) * windows + i % windows;
            const struct bn_pool_ref_max m = bn_pool_ref_max(a, at, s.mean, s.variance);
            a->t[DST][at] = (float)m.y;
        }
    }
}

const struct variant bn_pool_fwd_train_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
