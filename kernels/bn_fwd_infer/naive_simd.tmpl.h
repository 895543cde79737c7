/* The loops of naive.tmpl.h with omp simd: what the pragma gains where there is no sum to reorder. */
#include "kernel.h"

static void infer_nchw(const struct bn *p, const float *restrict x, float *restrict y,
                       const float *restrict mean, const float *restrict scale,
                       const float *restrict shift)
{
    int64_t hw = p->ih * p->iw;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float m = mean[c], s = scale[c], t = shift[c];
            const float *from = x + (n * p->ic + c) * hw;
            float *to = y + (n * p->ic + c) * hw;
#pragma omp simd
            for (int64_t i = 0; i < hw; i++)
                to[i] = (from[i] - m) * s + t;
        }
    }
}

static void infer_nhwc(const struct bn *p, const float *restrict x, float *restrict y,
                       const float *restrict mean, const float *restrict scale,
                       const float *restrict shift)
{
    int64_t channels = p->ic;
    for (int64_t i = 0; i < p->mb * p->ih * p->iw; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++)
            y[i * channels + c] = (x[i * channels + c] - mean[c]) * scale[c] + shift[c];
    }
}

/* Scale and shift of every channel. */
static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    (void)h;
    return 2 * (size_t)p->bn.ic * sizeof(float);
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    float *scale = a->scratch, *shift = scale + p->ic;
    for (int64_t c = 0; c < p->ic; c++) {
        float gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1;
        scale[c] = gamma / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
        shift[c] = a->t[BETA] ? a->t[BETA][c] : 0;
    }
    (a->formats.src == NCHW ? infer_nchw : infer_nhwc)(p, a->t[SRC], a->t[DST], a->t[MEAN], scale,
                                                       shift);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
