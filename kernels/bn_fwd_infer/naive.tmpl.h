/* One loop over the tensor with the channel's mean, scale and shift. Layouts nchw and nhwc.
 * One trip through memory; without a sum the compiler may make vectors under any flags.
 *
 * Not folded further into y = x scale + (beta - mean scale): that loses digits when mean >> std. */
#include "kernel.h"

static void infer_nchw(const struct bn *p, const float *restrict x, float *restrict y,
                       const float *restrict mean, const float *restrict scale, const float *beta)
{
    int64_t hw = p->ih * p->iw;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float m = mean[c], s = scale[c], shift = beta ? beta[c] : 0;
            for (int64_t i = 0; i < hw; i++) {
                int64_t at = (n * p->ic + c) * hw + i;
                y[at] = (x[at] - m) * s + shift;
            }
        }
    }
}

static void infer_nhwc(const struct bn *p, const float *restrict x, float *restrict y,
                       const float *restrict mean, const float *restrict scale, const float *beta)
{
    for (int64_t i = 0; i < p->mb * p->ih * p->iw; i++) {
        for (int64_t c = 0; c < p->ic; c++) {
            float xhat_gamma = (x[i * p->ic + c] - mean[c]) * scale[c];
            y[i * p->ic + c] = beta ? xhat_gamma + beta[c] : xhat_gamma;
        }
    }
}

/* The scale of every channel. */
static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    (void)h;
    return (size_t)p->bn.ic * sizeof(float);
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    float *scale = a->scratch;
    for (int64_t c = 0; c < p->ic; c++) {
        float gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1;
        scale[c] = gamma / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
    }
    (a->formats.src == NCHW ? infer_nchw : infer_nhwc)(p, a->t[SRC], a->t[DST], a->t[MEAN], scale,
                                                       a->t[BETA]);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
