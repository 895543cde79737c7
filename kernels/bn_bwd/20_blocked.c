/* One channel (nhwc: 16 channels) is finished before the next begins, so that its gradient finds in
 * the cache what its sums have read. Plain C. Limited by the latency of additions, one sum a
 * channel, and no longer by memory. */
#include "kernel.h"

/* Channels of nhwc taken together: a cache line of each pixel. */
enum { LINE = 16 };

/* dx = scale (dy - dbeta_n - xhat dgamma_n) with xhat = (x - mean) rstd */
struct constants {
    float mean, rstd, scale, dgamma_n, dbeta_n;
};

/* dot: sum dy (x - mean) */
static struct constants finish(const struct args *a, int64_t c, float dot, float sum)
{
    const struct bn *p = &a->problem->bn;
    float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
    float count = (float)(p->mb * p->ih * p->iw);
    a->t[DIFF_GAMMA][c] = dot * rstd;
    a->t[DIFF_BETA][c] = sum;
    return (struct constants){
        .mean = a->t[MEAN][c],
        .rstd = rstd,
        .scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
        .dgamma_n = dot * rstd / count,
        .dbeta_n = sum / count,
    };
}

static float gradient(float x, float dy, struct constants k)
{
    return k.scale * (dy - k.dbeta_n - (x - k.mean) * k.rstd * k.dgamma_n);
}

static void channel_nchw(const struct args *a, int64_t c)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float sum = 0, dot = 0, mean = a->t[MEAN][c];
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            int64_t at = (n * p->ic + c) * hw + i;
            sum += a->t[DIFF_DST][at];
            dot += a->t[DIFF_DST][at] * (a->t[SRC][at] - mean);
        }
    }
    struct constants k = finish(a, c, dot, sum);
    for (int64_t n = 0; n < p->mb; n++) {
        const float *restrict x = a->t[SRC] + (n * p->ic + c) * hw;
        const float *restrict dy = a->t[DIFF_DST] + (n * p->ic + c) * hw;
        float *restrict dx = a->t[DIFF_SRC] + (n * p->ic + c) * hw;
        for (int64_t i = 0; i < hw; i++)
            dx[i] = gradient(x[i], dy[i], k);
    }
}

static void channels_nhwc(const struct args *a, int64_t first, int64_t channels)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict x = a->t[SRC] + first, *restrict dy = a->t[DIFF_DST] + first;
    const float *mean = a->t[MEAN] + first;
    float *restrict dx = a->t[DIFF_SRC] + first;
    int64_t count = p->mb * p->ih * p->iw;
    float sum[LINE] = {0}, dot[LINE] = {0};
    struct constants k[LINE];
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            int64_t at = i * p->ic + c;
            sum[c] += dy[at];
            dot[c] += dy[at] * (x[at] - mean[c]);
        }
    }
    for (int64_t c = 0; c < channels; c++)
        k[c] = finish(a, first + c, dot[c], sum[c]);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < channels; c++) {
            int64_t at = i * p->ic + c;
            dx[at] = gradient(x[at], dy[at], k[c]);
        }
    }
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

const struct variant bn_bwd_blocked = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
