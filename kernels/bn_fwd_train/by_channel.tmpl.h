/* BN forward in training in plain C, channel by channel: what blocked, welford and onepass share. A file that includes
 * this defines how the statistics of a channel (nchw) or of up to LINE channels (nhwc) come about. Each channel is
 * normalized right after its statistics, so that it is found in the cache where it fits. */
#include "kernel.h"

/* Channels of nhwc taken together: a cache line of each pixel. */
enum { LINE = 16 };

/* Mean and biased variance of channel c of a tensor in nchw. */
static void statistics_nchw(const struct args *a, int64_t c, float *mean, float *variance);

/* The same of so many channels from the first, at most LINE, of a tensor in nhwc: mean[channels], variance[channels]. */
static void statistics_nhwc(const struct args *a, int64_t first, int64_t channels, float *mean,
                            float *variance);

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
    float mean, variance;
    statistics_nchw(a, c, &mean, &variance);
    apply_nchw(a, c, finish(a, c, mean, variance));
}

static void channels_nhwc(const struct args *a, int64_t first, int64_t channels)
{
    float mean[LINE] = {0}, variance[LINE] = {0};
    struct constants k[LINE];
    statistics_nhwc(a, first, channels, mean, variance);
    for (int64_t c = 0; c < channels; c++)
        k[c] = finish(a, first + c, mean[c], variance[c]);
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
