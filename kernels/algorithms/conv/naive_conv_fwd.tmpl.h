/* dst[n][oc][oh][ow] = bias[oc] + sum over ic, kh, kw of
 *     src[n][ic][oh sh - ph + kh (dh + 1)][ow sw - pw + kw (dw + 1)] weights[oc][ic][kh][kw]
 * One tile of the grid is one output channel. See naive_conv.tmpl.h. */
#include "algorithms/conv/naive_conv.tmpl.h"

static void naive_channels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const struct strides s = naive_src_strides(a), d = naive_dst_strides(a);
    const int64_t icg = p->ic / p->g, ocg = p->oc / p->g, step_h = p->dh + 1, step_w = p->dw + 1;
    const float *restrict src = a->t[SRC], *restrict weights = a->t[WEIGHTS],
                          *restrict bias = a->t[BIAS];
    float *restrict dst = a->t[DST];

    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t oc = first; oc < last; oc++) {
            for (int64_t oh = 0; oh < p->oh; oh++) {
                for (int64_t ow = 0; ow < p->ow; ow++) {
                    const int64_t top = oh * p->sh - p->ph, left = ow * p->sw - p->pw;
                    const int64_t kw_first = taps_first(left, step_w);
                    const int64_t kw_last = taps_last(left, step_w, p->iw, p->kw);
                    float sum = bias ? bias[oc] : 0;
                    for (int64_t ic = 0; ic < icg; ic++) {
                        for (int64_t kh = 0; kh < p->kh; kh++) {
                            const int64_t ih = top + kh * step_h;
                            if (ih < 0 || ih >= p->ih)
                                continue;
                            const float *x = src + n * s.n + (oc / ocg * icg + ic) * s.c + ih * s.h;
                            const float *w = weights + ((oc * icg + ic) * p->kh + kh) * p->kw;
                            SIMD_REDUCTION
                            for (int64_t kw = kw_first; kw < kw_last; kw++)
                                sum += x[(left + kw * step_w) * s.w] * w[kw];
                        }
                    }
                    dst[n * d.n + oc * d.c + oh * d.h + ow * d.w] = sum;
                }
            }
        }
    }
}

static void naive_run(const struct args *a)
{
    run_tiles(a, a->problem->conv.oc, naive_channels);
}
