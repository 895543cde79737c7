/* bn_pool_bwd/ref: the gradient goes to the maximum of each window, if that is above 0, and from there through batch
 * normalization as in bn_bwd/ref. Float64, layout nchw. Missing gamma is 1, missing beta 0. */
#include "ref.h"

void bn_pool_ref_spread(const struct args *a, float *spread)
{
    const struct bn *p = &a->problem->bn;
    const int64_t windows = (p->ih / 2) * (p->iw / 2);
    for (int64_t i = 0; i < p->mb * p->ic * p->ih * p->iw; i++)
        spread[i] = 0;
    for (int64_t at = 0; at < p->mb * p->ic * windows; at++) {
        const int64_t c = at / windows % p->ic;
        const int place = bn_pool_ref_max(a, at, a->t[MEAN][c], a->t[VARIANCE][c]).place;
        if (place != BN_POOL_NONE)
            spread[bn_pool_ref_corner(p, at) + place / 2 * p->iw + place % 2] = a->t[DIFF_DST][at];
    }
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f, (void)h;
    return (size_t)(p->bn.mb * p->bn.ic * p->bn.ih * p->bn.iw) * sizeof(float);
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const double eps = a->problem->eps;
    const int64_t hw = p->ih * p->iw;
    float *dy = a->scratch;
    bn_pool_ref_spread(a, dy);
    for (int64_t c = 0; c < p->ic; c++) {
        const double mean = a->t[MEAN][c], variance = a->t[VARIANCE][c],
                     gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1;
        const struct bn_ref_grad g =
            bn_ref_grad(p, eps, a->t[SRC], dy, mean, variance, gamma, 0, false, c);
        a->t[DIFF_GAMMA][c] = (float)g.dgamma;
        a->t[DIFF_BETA][c] = (float)g.dbeta;
        for (int64_t i = 0; i < p->mb * hw; i++) {
            const int64_t at = (i / hw * p->ic + c) * hw + i % hw;
            a->t[DIFF_SRC][at] = (float)bn_ref_dx(a->t[SRC][at], dy[at], mean, variance, eps, gamma,
                                                  g.dgamma, g.dbeta, g.n);
        }
    }
}

const struct variant bn_pool_bwd_ref = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
