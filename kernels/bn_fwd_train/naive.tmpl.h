/* The texts' two passes: mean of every channel, then variance, then the whole tensor normalised.
 * One float32 accumulator a sum, obvious loops. Layouts nchw and nhwc. Three trips through memory,
 * and each sum waits for the latency of one addition a value: it keeps its order and stays scalar
 * under wider flags too. */
#include "kernel.h"

static void train_nchw(const struct bn *p, double eps, const float *restrict x, const float *gamma,
                       const float *beta, float *restrict y, float *restrict mean,
                       float *restrict variance)
{
    int64_t hw = p->ih * p->iw, count = p->mb * hw;
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0;
        for (int64_t n = 0; n < p->mb; n++)
            for (int64_t i = 0; i < hw; i++)
                sum += x[(n * p->ic + c) * hw + i];
        mean[c] = sum / (float)count;
    }
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0;
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t i = 0; i < hw; i++) {
                float d = x[(n * p->ic + c) * hw + i] - mean[c];
                sum += d * d;
            }
        }
        variance[c] = sum / (float)count;
    }
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float rstd = 1 / __builtin_sqrtf(variance[c] + (float)eps), m = mean[c];
            float scale = gamma ? gamma[c] * rstd : rstd, shift = beta ? beta[c] : 0;
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                y[at] = (x[at] - m) * scale + shift;
            }
        }
    }
}

static void train_nhwc(const struct bn *p, double eps, const float *restrict x, const float *gamma,
                       const float *beta, float *restrict y, float *restrict mean,
                       float *restrict variance, float *restrict scale)
{
    int64_t count = p->mb * p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++)
        mean[c] = variance[c] = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < p->ic; c++)
            mean[c] += x[i * p->ic + c];
    for (int64_t c = 0; c < p->ic; c++)
        mean[c] /= (float)count;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float d = x[i * p->ic + c] - mean[c];
            variance[c] += d * d;
        }
    }
    for (int64_t c = 0; c < p->ic; c++) {
        variance[c] /= (float)count;
        scale[c] = (gamma ? gamma[c] : 1) / __builtin_sqrtf(variance[c] + (float)eps);
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float xhat_gamma = (x[i * p->ic + c] - mean[c]) * scale[c];
            y[i * p->ic + c] = beta ? xhat_gamma + beta[c] : xhat_gamma;
        }
    }
}

/* The scale of every channel, for nhwc. */
static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    return f.src == NHWC ? (size_t)p->bn.ic * sizeof(float) : 0;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    if (a->formats.src == NCHW)
        train_nchw(p, a->problem->eps, a->t[SRC], a->t[GAMMA], a->t[BETA], a->t[DST], a->t[MEAN],
                   a->t[VARIANCE]);
    else
        train_nhwc(p, a->problem->eps, a->t[SRC], a->t[GAMMA], a->t[BETA], a->t[DST], a->t[MEAN],
                   a->t[VARIANCE], a->scratch);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
