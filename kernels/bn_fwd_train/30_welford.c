/* bn_fwd_train/welford: mean and squared differences in one pass, by Welford's recurrence
 * (Technometrics 4, 1962): exact about the running mean, so it never cancels, but each value waits
 * for a division and the one before it. One trip through memory less than naive. Limit: the
 * latency of subtract, divide and add. */
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

static void channel_nchw(const struct args *a, int64_t c)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float mean = 0, m2 = 0, count = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            float x = a->t[SRC][(n * p->ic + c) * hw + i], before = x - mean;
            count += 1;
            mean += before / count;
            m2 += before * (x - mean);
        }
    }
    apply_nchw(a, c, finish(a, c, mean, m2 / count));
}

static void channels_nhwc(const struct args *a, int64_t first, int64_t channels)
{
    const struct bn *p = &a->problem->bn;
    float mean[LINE] = {0}, m2[LINE] = {0}, count = 0;
    struct constants k[LINE];
    for (int64_t i = 0; i < p->mb * p->ih * p->iw; i++) {
        count += 1;
        for (int64_t c = 0; c < channels; c++) {
            float x = a->t[SRC][i * p->ic + first + c], before = x - mean[c];
            mean[c] += before / count;
            m2[c] += before * (x - mean[c]);
        }
    }
    for (int64_t c = 0; c < channels; c++)
        k[c] = finish(a, first + c, mean[c], m2[c] / count);
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

const struct variant bn_fwd_train_welford = {
    VARIANT_BUILD,      .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = WELFORD, .thread_invariant = true,
    .run = run,
};
