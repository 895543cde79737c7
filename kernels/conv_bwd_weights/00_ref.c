/* The gradient of the weights by its definition, float64, one value at a time. Layout nchw.
 *
 *   diff_weights[oc][ic][kh][kw] = sum over n, oh, ow of
 *       src[n][ic][oh sh - ph + kh (dh + 1)][ow sw - pw + kw (dw + 1)] diff_dst[n][oc][oh][ow]
 *   diff_bias[oc] = sum over n, oh, ow of diff_dst[n][oc][oh][ow] */
#include "ref.h"

struct ref_sum conv_bwd_weights_ref_at(const struct conv *p, const float *src,
                                       const float *diff_dst, int64_t oc, int64_t ic, int64_t kh,
                                       int64_t kw)
{
    int64_t icg = p->ic / p->g, group = oc / (p->oc / p->g);
    struct ref_sum s = {0};
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t oh = 0; oh < p->oh; oh++) {
            for (int64_t ow = 0; ow < p->ow; ow++) {
                int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
                int64_t iw = ow * p->sw - p->pw + kw * (p->dw + 1);
                if (ih < 0 || ih >= p->ih || iw < 0 || iw >= p->iw)
                    continue;
                double x = src[((n * p->ic + group * icg + ic) * p->ih + ih) * p->iw + iw];
                double d = diff_dst[((n * p->oc + oc) * p->oh + oh) * p->ow + ow];
                s.value += x * d;
                s.abs += __builtin_fabs(x * d);
                s.sq += (x * d) * (x * d);
                s.n++;
            }
        }
    }
    return s;
}

struct ref_sum conv_bwd_bias_ref_at(const struct conv *p, const float *diff_dst, int64_t oc)
{
    struct ref_sum s = {0};
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < p->oh * p->ow; i++) {
            double d = diff_dst[(n * p->oc + oc) * p->oh * p->ow + i];
            s.value += d;
            s.abs += __builtin_fabs(d);
            s.sq += d * d;
            s.n++;
        }
    }
    return s;
}

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    float *diff_weights = a->t[DIFF_WEIGHTS];
    for (int64_t oc = 0; oc < p->oc; oc++)
        for (int64_t ic = 0; ic < p->ic / p->g; ic++)
            for (int64_t kh = 0; kh < p->kh; kh++)
                for (int64_t kw = 0; kw < p->kw; kw++)
                    *diff_weights++ =
                        (float)conv_bwd_weights_ref_at(p, a->t[SRC], a->t[DIFF_DST], oc, ic, kh, kw)
                            .value;
    if (a->t[DIFF_BIAS])
        for (int64_t oc = 0; oc < p->oc; oc++)
            a->t[DIFF_BIAS][oc] = (float)conv_bwd_bias_ref_at(p, a->t[DIFF_DST], oc).value;
}

const struct variant conv_bwd_weights_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
