/* The two sums of every channel, then the gradient of the whole tensor. One float32 accumulator a
 * sum, obvious loops. Layouts nchw and nhwc. Two trips through memory, and each sum waits for the
 * latency of one addition a value: it keeps its order and stays scalar under wider flags too. */
#include "kernel.h"

/* dx = scale (dy - dbeta / n - xhat dgamma / n) with xhat = (x - mean) rstd, scale = gamma rstd */
struct channel {
    float mean, rstd, scale, dgamma_n, dbeta_n;
};

static struct channel channel_of(const struct args *a, int64_t c, float count)
{
    float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
    return (struct channel){
        .mean = a->t[MEAN][c],
        .rstd = rstd,
        .scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
        .dgamma_n = a->t[DIFF_GAMMA][c] / count,
        .dbeta_n = a->t[DIFF_BETA][c] / count,
    };
}

static void bwd_nchw(const struct args *a, const float *restrict x, const float *restrict dy,
                     float *restrict dx, float *restrict dgamma, float *restrict dbeta)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    float count = (float)(p->mb * hw);
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0, sum_dot = 0, m = a->t[MEAN][c];
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                sum += dy[at];
                sum_dot += dy[at] * (x[at] - m);
            }
        }
        dbeta[c] = sum;
        dgamma[c] = sum_dot / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
    }
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            struct channel k = channel_of(a, c, count);
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                dx[at] = k.scale * (dy[at] - k.dbeta_n - (x[at] - k.mean) * k.rstd * k.dgamma_n);
            }
        }
    }
}

static void bwd_nhwc(const struct args *a, const float *restrict x, const float *restrict dy,
                     float *restrict dx, float *restrict dgamma, float *restrict dbeta,
                     struct channel *restrict channels)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict mean = a->t[MEAN];
    int64_t count = p->mb * p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++)
        dgamma[c] = dbeta[c] = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < p->ic; c++) {
            int64_t at = i * p->ic + c;
            dbeta[c] += dy[at];
            dgamma[c] += dy[at] * (x[at] - mean[c]);
        }
    }
    for (int64_t c = 0; c < p->ic; c++) {
        dgamma[c] /= __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
        channels[c] = channel_of(a, c, (float)count);
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < p->ic; c++) {
            struct channel k = channels[c];
            int64_t at = i * p->ic + c;
            dx[at] = k.scale * (dy[at] - k.dbeta_n - (x[at] - k.mean) * k.rstd * k.dgamma_n);
        }
    }
}

/* The constants of every channel, for nhwc. */
static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    return f.src == NHWC ? (size_t)p->bn.ic * sizeof(struct channel) : 0;
}

static void run(const struct args *a)
{
    if (a->formats.src == NCHW)
        bwd_nchw(a, a->t[SRC], a->t[DIFF_DST], a->t[DIFF_SRC], a->t[DIFF_GAMMA], a->t[DIFF_BETA]);
    else
        bwd_nhwc(a, a->t[SRC], a->t[DIFF_DST], a->t[DIFF_SRC], a->t[DIFF_GAMMA], a->t[DIFF_BETA],
                 a->scratch);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
