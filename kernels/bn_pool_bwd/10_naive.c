/* bn_pool_bwd/naive: the reference's loops in float32: the two sums of a channel over its windows, then its gradient,
 * value by value. The maxima are found again for each value. Layout nchw. */
#include "kernel.h"

struct affine {
    float mean, scale, shift;
};

/* The gradient that reaches value i of a plane: that of its window, if the value is the largest and above 0. */
static float reaches(const struct bn *p, const struct affine *y, const float *x,
                     const float *diff_dst, int64_t i)
{
    const int64_t row = i / p->iw, column = i % p->iw, ow = p->iw / 2;
    if (row / 2 >= p->ih / 2 || column / 2 >= ow)
        return 0;
    const float *window = x + row / 2 * 2 * p->iw + column / 2 * 2;
    float best = 0;
    int64_t place = -1;
    for (int64_t k = 0; k < 4; k++) {
        const float value = (window[k / 2 * p->iw + k % 2] - y->mean) * y->scale + y->shift;
        place = value > best ? k : place;
        best = value > best ? value : best;
    }
    return place == row % 2 * 2 + column % 2 ? diff_dst[row / 2 * ow + column / 2] : 0;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const int64_t hw = p->ih * p->iw, windows = (p->ih / 2) * (p->iw / 2);
    const float count = (float)(p->mb * hw);
    for (int64_t c = 0; c < p->ic; c++) {
        const float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
        const struct affine y = {a->t[MEAN][c], a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
                                 a->t[BETA] ? a->t[BETA][c] : 0};
        float sum = 0, dot = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < p->mb * hw; i++) {
                const int64_t plane = i / hw * p->ic + c;
                const float *x = a->t[SRC] + plane * hw;
                const float dy = reaches(p, &y, x, a->t[DIFF_DST] + plane * windows, i % hw),
                            d = x[i % hw] - y.mean;
                if (pass == 0) {
                    sum += dy;
                    dot += dy * d;
                } else {
                    a->t[DIFF_SRC][plane * hw + i % hw] =
                        y.scale * (dy - sum / count - d * rstd * (dot * rstd) / count);
                }
            }
        }
        a->t[DIFF_GAMMA][c] = dot * rstd;
        a->t[DIFF_BETA][c] = sum;
    }
}

const struct variant bn_pool_bwd_naive = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
