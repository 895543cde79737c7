/* One channel (nhwc: 16 channels) is finished before the next begins, so that the second and third
 * pass find it in the cache. Plain C. Limited by the latency of additions, one sum a channel, and no
 * longer by memory. */
#include "by_channel.tmpl.h"

static void statistics_nchw(const struct args *a, int64_t c, float *mean, float *variance)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float sum = 0, squares = 0, count = (float)(p->mb * hw);
    for (int64_t n = 0; n < p->mb; n++)
        for (int64_t i = 0; i < hw; i++)
            sum += a->t[SRC][(n * p->ic + c) * hw + i];
    *mean = sum / count;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            float d = a->t[SRC][(n * p->ic + c) * hw + i] - *mean;
            squares += d * d;
        }
    }
    *variance = squares / count;
}

static void statistics_nhwc(const struct args *a, int64_t first, int64_t channels, float *mean,
                            float *variance)
{
    const struct bn *p = &a->problem->bn;
    const float *x = a->t[SRC] + first;
    int64_t count = p->mb * p->ih * p->iw;
    float m[LINE] = {0}, squares[LINE] = {0};
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < channels; c++)
            m[c] += x[i * p->ic + c];
    for (int64_t c = 0; c < channels; c++)
        m[c] /= (float)count;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            float d = x[i * p->ic + c] - m[c];
            squares[c] += d * d;
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        mean[c] = m[c];
        variance[c] = squares[c] / (float)count;
    }
}

const struct variant bn_fwd_train_blocked = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
