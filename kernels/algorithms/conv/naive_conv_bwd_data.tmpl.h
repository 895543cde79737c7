/* diff_src[n][ic][ih][iw] = sum over oc, kh, kw of diff_dst[n][oc][oh][ow] weights[oc][ic][kh][kw]
 * as the transpose of the forward pass: each output gradient is added to the pixels its output was
 * made from, and each addition waits for the store of the one before to the same pixel. (Gathering
 * instead would need a division per tap to find out which outputs read a pixel.) One tile of the grid
 * is one input channel. See naive_conv.tmpl.h; SIMD_LOOP is this pass's SIMD_REDUCTION: here the taps
 * of a row go to different pixels, so there is no sum. */
#include "algorithms/conv/naive_conv.tmpl.h"

static inline void naive_clear(const struct conv *p, float *restrict diff_src, struct strides s)
{
    for (int64_t ih = 0; ih < p->ih; ih++)
        for (int64_t iw = 0; iw < p->iw; iw++)
            diff_src[ih * s.h + iw * s.w] = 0;
}

static void naive_channels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const struct strides s = naive_src_strides(a), d = naive_dst_strides(a);
    const int64_t icg = p->ic / p->g, ocg = p->oc / p->g, step_h = p->dh + 1, step_w = p->dw + 1;
    const float *restrict diff_dst = a->t[DIFF_DST], *restrict weights = a->t[WEIGHTS];
    float *restrict diff_src = a->t[DIFF_SRC];

    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t ic = first; ic < last; ic++) {
            float *restrict plane = diff_src + n * s.n + ic * s.c;
            naive_clear(p, plane, s);
            for (int64_t oc = ic / icg * ocg; oc < (ic / icg + 1) * ocg; oc++) {
                for (int64_t oh = 0; oh < p->oh; oh++) {
                    for (int64_t ow = 0; ow < p->ow; ow++) {
                        const int64_t top = oh * p->sh - p->ph, left = ow * p->sw - p->pw;
                        const int64_t kw_first = taps_first(left, step_w);
                        const int64_t kw_last = taps_last(left, step_w, p->iw, p->kw);
                        const float dy = diff_dst[n * d.n + oc * d.c + oh * d.h + ow * d.w];
                        for (int64_t kh = 0; kh < p->kh; kh++) {
                            const int64_t ih = top + kh * step_h;
                            if (ih < 0 || ih >= p->ih)
                                continue;
                            const float *restrict w =
                                weights + ((oc * icg + ic % icg) * p->kh + kh) * p->kw;
                            float *restrict x = plane + ih * s.h;
                            SIMD_LOOP
                            for (int64_t kw = kw_first; kw < kw_last; kw++)
                                x[(left + kw * step_w) * s.w] += dy * w[kw];
                        }
                    }
                }
            }
        }
    }
}

static void naive_run(const struct args *a)
{
    run_tiles(a, a->problem->conv.ic, naive_channels);
}
