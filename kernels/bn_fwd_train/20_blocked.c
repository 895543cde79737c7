/* bn_fwd_train/blocked: naive with the loops turned inside out: statistics and result of one
 * channel (nhwc: 16 channels) before the next, so that the second and third pass find it in the
 * cache where it fits. Plain C; limit: the latency of the additions, one accumulator a channel,
 * not memory any more. */
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
    float sum = 0, squares = 0, count = (float)(p->mb * hw);
    for (int64_t n = 0; n < p->mb; n++)
        for (int64_t i = 0; i < hw; i++)
            sum += a->t[SRC][(n * p->ic + c) * hw + i];
    float mean = sum / count;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            float d = a->t[SRC][(n * p->ic + c) * hw + i] - mean;
            squares += d * d;
        }
    }
    apply_nchw(a, c, finish(a, c, mean, squares / count));
}

static void channels_nhwc(const struct args *a, int64_t first, int64_t channels)
{
    const struct bn *p = &a->problem->bn;
    const float *x = a->t[SRC] + first;
    int64_t count = p->mb * p->ih * p->iw;
    float mean[LINE] = {0}, squares[LINE] = {0};
    struct constants k[LINE];
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < channels; c++)
            mean[c] += x[i * p->ic + c];
    for (int64_t c = 0; c < channels; c++)
        mean[c] /= (float)count;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            float d = x[i * p->ic + c] - mean[c];
            squares[c] += d * d;
        }
    }
    for (int64_t c = 0; c < channels; c++)
        k[c] = finish(a, first + c, mean[c], squares[c] / (float)count);
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

const struct variant bn_fwd_train_blocked = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
