/* The loops of naive.tmpl.h with omp simd: reductions over the pixels (nchw), lanes over channels (nhwc).
 * The pragma lets the compiler reorder the sums, which is what keeps naive scalar. */
#include "kernel.h"

static void train_nchw(const struct bn *p, double eps, const float *restrict x, const float *gamma,
                       const float *beta, float *restrict y, float *restrict mean,
                       float *restrict variance)
{
    int64_t hw = p->ih * p->iw, count = p->mb * hw;
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0;
        for (int64_t n = 0; n < p->mb; n++) {
            const float *image = x + (n * p->ic + c) * hw;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < hw; i++)
                sum += image[i];
        }
        mean[c] = sum / (float)count;
    }
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0, m = mean[c];
        for (int64_t n = 0; n < p->mb; n++) {
            const float *image = x + (n * p->ic + c) * hw;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < hw; i++)
                sum += (image[i] - m) * (image[i] - m);
        }
        variance[c] = sum / (float)count;
    }
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float rstd = 1 / __builtin_sqrtf(variance[c] + (float)eps), m = mean[c];
            float scale = gamma ? gamma[c] * rstd : rstd, shift = beta ? beta[c] : 0;
            const float *from = x + (n * p->ic + c) * hw;
            float *to = y + (n * p->ic + c) * hw;
#pragma omp simd
            for (int64_t i = 0; i < hw; i++)
                to[i] = (from[i] - m) * scale + shift;
        }
    }
}

static void train_nhwc(const struct bn *p, double eps, const float *restrict x, const float *gamma,
                       const float *beta, float *restrict y, float *restrict mean,
                       float *restrict variance, float *restrict scale, float *restrict shift)
{
    int64_t channels = p->ic, count = p->mb * p->ih * p->iw;
    for (int64_t c = 0; c < channels; c++)
        mean[c] = variance[c] = 0;
    for (int64_t i = 0; i < count; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            mean[c] += x[i * channels + c];
    }
    for (int64_t c = 0; c < channels; c++)
        mean[c] /= (float)count;
    for (int64_t i = 0; i < count; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            variance[c] += (x[i * channels + c] - mean[c]) * (x[i * channels + c] - mean[c]);
    }
    for (int64_t c = 0; c < channels; c++) {
        variance[c] /= (float)count;
        scale[c] = (gamma ? gamma[c] : 1) / __builtin_sqrtf(variance[c] + (float)eps);
        shift[c] = beta ? beta[c] : 0;
    }
    for (int64_t i = 0; i < count; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            y[i * channels + c] = (x[i * channels + c] - mean[c]) * scale[c] + shift[c];
    }
}

/* Scale and shift of every channel, for nhwc. */
static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    return f.src == NHWC ? 2 * (size_t)p->bn.ic * sizeof(float) : 0;
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    float *scale = a->scratch;
    if (a->formats.src == NCHW)
        train_nchw(p, a->problem->eps, a->t[SRC], a->t[GAMMA], a->t[BETA], a->t[DST], a->t[MEAN],
                   a->t[VARIANCE]);
    else
        train_nhwc(p, a->problem->eps, a->t[SRC], a->t[GAMMA], a->t[BETA], a->t[DST], a->t[MEAN],
                   a->t[VARIANCE], scale, scale + p->ic);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
