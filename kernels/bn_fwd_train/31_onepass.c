/* bn_fwd_train/onepass: variance from the sum and the sum of squares, E[x^2] - E[x]^2, in one
 * pass: the fewest operations, and the digits of the variance are lost as the square of mean/std.
 * Limit: the latency of the additions. */
#include "kernel.h"

/* Channels of nhwc taken together: a cache line of each pixel. */
enum { LINE = 16 };

/* y = (x - mean) scale + shift */
struct constants {
    float mean, scale, shift;
};

static struct constants finish(const struct args *a, int64_t c, float mean, float variance)
{
    float rstd = 1 / __builtin_sqrtf(variance + (float)a->problem->eps);
    a->t[MEAN][c] = mean;
    a->t[VARIANCE][c] = variance;
    return (struct constants){
        .mean = mean,
        .scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
        .shift = a->t[BETA] ? a->t[BETA][c] : 0,
    };
}

static void apply_nchw(const struct args *a, int64_t c, struct constants k)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    for (int64_t n = 0; n < p->mb; n++) {
        const float *restrict x = a->t[SRC] + (n * p->ic + c) * hw;
        float *restrict y = a->t[DST] + (n * p->ic + c) * hw;
        for (int64_t i = 0; i < hw; i++)
            y[i] = (x[i] - k.mean) * k.scale + k.shift;
    }
}

static void apply_nhwc(const struct args *a, int64_t first, int64_t channels,
                       const struct constants *k)
{
    const struct bn *p = &a->problem->bn;
    for (int64_t i = 0; i < p->mb * p->ih * p->iw; i++) {
        const float *restrict x = a->t[SRC] + i * p->ic + first;
        float *restrict y = a->t[DST] + i * p->ic + first;
        for (int64_t c = 0; c < channels; c++)
            y[c] = (x[c] - k[c].mean) * k[c].scale + k[c].shift;
    }
}

/* Rounding can leave the difference of the two large numbers below zero. */
static float variance_of(float mean, float sum_squares, float count)
{
    float variance = sum_squares / count - mean * mean;
    return variance < 0 ? 0 : variance;
}

static void channel_nchw(const struct args *a, int64_t c)
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
    float mean = sum / count;
    apply_nchw(a, c, finish(a, c, mean, variance_of(mean, squares, count)));
}

static void channels_nhwc(const struct args *a, int64_t first, int64_t channels)
{
    const struct bn *p = &a->problem->bn;
    int64_t count = p->mb * p->ih * p->iw;
    float sum[LINE] = {0}, squares[LINE] = {0};
    struct constants k[LINE];
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            float x = a->t[SRC][i * p->ic + first + c];
            sum[c] += x;
            squares[c] += x * x;
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        float mean = sum[c] / (float)count;
        k[c] = finish(a, first + c, mean, variance_of(mean, squares[c], (float)count));
    }
    apply_nhwc(a, first, channels, k);
}

static void run(const struct args *a)
{
    int64_t channels = a->problem->bn.ic;
    if (a->formats.src == NCHW) {
        for (int64_t c = 0; c < channels; c++)
            channel_nchw(a, c);
    } else {
        for (int64_t c = 0; c < channels; c += LINE)
            channels_nhwc(a, c, min_i64(LINE, channels - c));
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
