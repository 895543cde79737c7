/* Mean and squared differences in one pass by Welford's recurrence (Technometrics 4, 1962). Squares
 * are taken about the running mean, so that nothing cancels. One trip through memory less than naive.
 * Limited by the latency of a subtraction, a division and an addition for each value. */
#include "by_channel.tmpl.h"

static void statistics_nchw(const struct args *a, int64_t c, float *mean, float *variance)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float m = 0, m2 = 0, count = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            float x = a->t[SRC][(n * p->ic + c) * hw + i], before = x - m;
            count += 1;
            m += before / count;
            m2 += before * (x - m);
        }
    }
    *mean = m;
    *variance = m2 / count;
}

static void statistics_nhwc(const struct args *a, int64_t first, int64_t channels, float *mean,
                            float *variance)
{
    const struct bn *p = &a->problem->bn;
    float m[LINE] = {0}, m2[LINE] = {0}, count = 0;
    for (int64_t i = 0; i < p->mb * p->ih * p->iw; i++) {
        count += 1;
        for (int64_t c = 0; c < channels; c++) {
            float x = a->t[SRC][i * p->ic + first + c], before = x - m[c];
            m[c] += before / count;
            m2[c] += before * (x - m[c]);
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        mean[c] = m[c];
        variance[c] = m2[c] / count;
    }
}

const struct variant bn_fwd_train_welford = {
    VARIANT_BUILD,      .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = WELFORD, .thread_invariant = true,
    .run = run,
};
