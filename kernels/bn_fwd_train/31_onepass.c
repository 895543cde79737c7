/* Variance as E[x^2] - E[x]^2 in one pass: the fewest operations, but it loses digits by the square
 * of mean/std. Limited by the latency of the additions. */
#include "by_channel.tmpl.h"

/* Rounding can leave the difference of the two large numbers below zero. */
static float variance_of(float mean, float sum_squares, float count)
{
    float variance = sum_squares / count - mean * mean;
    return variance < 0 ? 0 : variance;
}

static void statistics_nchw(const struct args *a, int64_t c, float *mean, float *variance)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float sum = 0, squares = 0, count = (float)(p->mb * hw);
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            float x = a->t[SRC][(n * p->ic + c) * hw + i];
            sum += x;
            squares += x * x;
        }
    }
    *mean = sum / count;
    *variance = variance_of(*mean, squares, count);
}

static void statistics_nhwc(const struct args *a, int64_t first, int64_t channels, float *mean,
                            float *variance)
{
    const struct bn *p = &a->problem->bn;
    const float *x = a->t[SRC] + first;
    int64_t count = p->mb * p->ih * p->iw;
    float sum[LINE] = {0}, squares[LINE] = {0};
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            sum[c] += x[i * p->ic + c];
            squares[c] += x[i * p->ic + c] * x[i * p->ic + c];
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        mean[c] = sum[c] / (float)count;
        variance[c] = variance_of(mean[c], squares[c], (float)count);
    }
}

const struct variant bn_fwd_train_onepass = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = ONE_PASS,
    .max_mean_over_std = 30,
    .thread_invariant = true,
    .run = run,
};
