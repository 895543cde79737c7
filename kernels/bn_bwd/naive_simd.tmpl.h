/* The loops of naive.tmpl.h with omp simd: reductions over the pixels (nchw), lanes over channels (nhwc).
 * The pragma lets the compiler reorder the sums, which is what keeps naive scalar. */
#include "kernel.h"

/* dx = scale dy + (x - mean) slope + offset, the constants of every channel in arrays over the channels. */
struct constants {
    float *restrict scale, *restrict slope, *restrict offset;
};

static void set_constants(const struct args *a, struct constants k)
{
    const struct bn *p = &a->problem->bn;
    float count = (float)(p->mb * p->ih * p->iw);
    for (int64_t c = 0; c < p->ic; c++) {
        float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
        a->t[DIFF_GAMMA][c] *= rstd; /* was sum dy (x - mean) */
        k.scale[c] = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd;
        k.slope[c] = -k.scale[c] * rstd * a->t[DIFF_GAMMA][c] / count;
        k.offset[c] = -k.scale[c] * a->t[DIFF_BETA][c] / count;
    }
}

static void bwd_nchw(const struct args *a, struct constants k)
{
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0, dot = 0, m = a->t[MEAN][c];
        for (int64_t n = 0; n < p->mb; n++) {
            const float *restrict x = a->t[SRC] + (n * p->ic + c) * hw;
            const float *restrict dy = a->t[DIFF_DST] + (n * p->ic + c) * hw;
#pragma omp simd reduction(+ : sum, dot)
            for (int64_t i = 0; i < hw; i++) {
                sum += dy[i];
                dot += dy[i] * (x[i] - m);
            }
        }
        a->t[DIFF_BETA][c] = sum;
        a->t[DIFF_GAMMA][c] = dot;
    }
    set_constants(a, k);
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t c = 0; c < p->ic; c++) {
            const float *restrict x = a->t[SRC] + (n * p->ic + c) * hw;
            const float *restrict dy = a->t[DIFF_DST] + (n * p->ic + c) * hw;
            float *restrict dx = a->t[DIFF_SRC] + (n * p->ic + c) * hw;
            float m = a->t[MEAN][c], scale = k.scale[c], slope = k.slope[c], offset = k.offset[c];
#pragma omp simd
            for (int64_t i = 0; i < hw; i++)
                dx[i] = scale * dy[i] + ((x[i] - m) * slope + offset);
        }
    }
}

static void bwd_nhwc(const struct args *a, struct constants k)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict x = a->t[SRC], *restrict dy = a->t[DIFF_DST], *restrict mean = a->t[MEAN];
    float *restrict dx = a->t[DIFF_SRC], *restrict sum = a->t[DIFF_BETA],
                    *restrict dot = a->t[DIFF_GAMMA];
    int64_t channels = p->ic, count = p->mb * p->ih * p->iw;
    for (int64_t c = 0; c < channels; c++)
        sum[c] = dot[c] = 0;
    for (int64_t i = 0; i < count; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++) {
            sum[c] += dy[i * channels + c];
            dot[c] += dy[i * channels + c] * (x[i * channels + c] - mean[c]);
        }
    }
    set_constants(a, k);
    for (int64_t i = 0; i < count; i++) {
#pragma omp simd
        for (int64_t c = 0; c < channels; c++) {
            int64_t at = i * channels + c;
            dx[at] = k.scale[c] * dy[at] + ((x[at] - mean[c]) * k.slope[c] + k.offset[c]);
        }
    }
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    (void)h;
    return 3 * (size_t)p->bn.ic * sizeof(float);
}

static void run(const struct args *a)
{
    float *scratch = a->scratch;
    int64_t channels = a->problem->bn.ic;
    struct constants k = {scratch, scratch + channels, scratch + 2 * channels};
    (a->formats.src == NCHW ? bwd_nchw : bwd_nhwc)(a, k);
}

#define NAIVE_BN                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = TWO_PASS, .thread_invariant = true,        \
    .scratch_size = scratch_size, .run = run
