/* The reference's loops in float32: the statistics if STATISTICS, then normalization and maximum window by window. */
#include "kernel.h"

static float channel_sum(const struct bn *p, const float *x, int64_t c, float from, bool squares)
{
    const int64_t hw = p->ih * p->iw;
    float sum = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            const float d = x[(n * p->ic + c) * hw + i] - from;
            sum += squares ? d * d : d;
        }
    }
    return sum;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const int64_t oh = p->ih / 2, ow = p->iw / 2;
    const float *x = a->t[SRC], count = (float)(p->mb * p->ih * p->iw);
    for (int64_t c = 0; c < p->ic; c++) {
        if (STATISTICS) {
            a->t[MEAN][c] = channel_sum(p, x, c, 0, false) / count;
            a->t[VARIANCE][c] = channel_sum(p, x, c, a->t[MEAN][c], true) / count;
        }
        const float mean = a->t[MEAN][c],
                    rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps),
                    scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
                    shift = a->t[BETA] ? a->t[BETA][c] : 0;
        for (int64_t i = 0; i < p->mb * oh * ow; i++) {
            const int64_t plane = i / (oh * ow) * p->ic + c, row = i / ow % oh, column = i % ow;
            float best = 0;
            for (int k = 0; k < 4; k++) {
                const float y =
                    (x[(plane * p->ih + 2 * row + k / 2) * p->iw + 2 * column + k % 2] - mean) *
                        scale +
                    shift;
                best = y > best || y != y ? y : best;
            }
            a->t[DST][(plane * oh + row) * ow + column] = best;
        }
    }
}
