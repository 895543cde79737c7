/* diff_weights[oc][ic][kh][kw] = sum over n, oh, ow of
 *     src[n][ic][oh sh - ph + kh (dh + 1)][ow sw - pw + kw (dw + 1)] diff_dst[n][oc][oh][ow]
 * diff_bias[oc] = sum over n, oh, ow of diff_dst[n][oc][oh][ow]
 * One tile of the grid is one output channel. See naive_conv.tmpl.h. */
#include "algorithms/conv/naive_conv.tmpl.h"

static inline float naive_bias(const struct conv *p, const float *restrict diff_dst,
                               struct strides d, int64_t oc)
{
    float sum = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t oh = 0; oh < p->oh; oh++) {
            const float *dy = diff_dst + n * d.n + oc * d.c + oh * d.h;
            SIMD_REDUCTION
            for (int64_t ow = 0; ow < p->ow; ow++)
                sum += dy[ow * d.w];
        }
    }
    return sum;
}

static void naive_channels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const struct strides s = naive_src_strides(a), d = naive_dst_strides(a);
    const int64_t icg = p->ic / p->g, ocg = p->oc / p->g, step_h = p->dh + 1, step_w = p->dw + 1;
    const float *restrict src = a->t[SRC], *restrict diff_dst = a->t[DIFF_DST];
    float *restrict diff_weights = a->t[DIFF_WEIGHTS];

    for (int64_t oc = first; oc < last; oc++) {
        for (int64_t ic = 0; ic < icg; ic++) {
            for (int64_t kh = 0; kh < p->kh; kh++) {
                for (int64_t kw = 0; kw < p->kw; kw++) {
                    const int64_t left = kw * step_w - p->pw;
                    const int64_t ow_first = taps_first(left, p->sw);
                    const int64_t ow_last = taps_last(left, p->sw, p->iw, p->ow);
                    float sum = 0;
                    for (int64_t n = 0; n < p->mb; n++) {
                        for (int64_t oh = 0; oh < p->oh; oh++) {
                            const int64_t ih = oh * p->sh - p->ph + kh * step_h;
                            if (ih < 0 || ih >= p->ih)
                                continue;
                            const float *x = src + n * s.n + (oc / ocg * icg + ic) * s.c + ih * s.h;
                            const float *dy = diff_dst + n * d.n + oc * d.c + oh * d.h;
                            SIMD_REDUCTION
                            for (int64_t ow = ow_first; ow < ow_last; ow++)
                                sum += x[(left + ow * p->sw) * s.w] * dy[ow * d.w];
                        }
                    }
                    diff_weights[((oc * icg + ic) * p->kh + kh) * p->kw + kw] = sum;
                }
            }
        }
        if (a->t[DIFF_BIAS])
            a->t[DIFF_BIAS][oc] = naive_bias(p, diff_dst, d, oc);
    }
}

static void naive_run(const struct args *a)
{
    run_tiles(a, a->problem->conv.oc, naive_channels);
}
