/* The convolution by its definition, float64, one output at a time. Layout nchw.
 *
 *   dst[n][oc][oh][ow] = bias[oc] + sum over ic, kh, kw of
 *       src[n][ic][oh sh - ph + kh (dh + 1)][ow sw - pw + kw (dw + 1)] weights[oc][ic][kh][kw]
 *
 * without the taps outside the image; ic runs over the channels of oc's group. */
#include "ref.h"

struct ref_sum conv_fwd_ref_at(const struct conv *p, const float *src, const float *weights,
                               const float *bias, int64_t n, int64_t oc, int64_t oh, int64_t ow)
{
    int64_t icg = p->ic / p->g, group = oc / (p->oc / p->g);
    struct ref_sum s = {0};
    for (int64_t ic = 0; ic < icg; ic++) {
        for (int64_t kh = 0; kh < p->kh; kh++) {
            for (int64_t kw = 0; kw < p->kw; kw++) {
                int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
                int64_t iw = ow * p->sw - p->pw + kw * (p->dw + 1);
                if (ih < 0 || ih >= p->ih || iw < 0 || iw >= p->iw)
                    continue;
                double x = src[((n * p->ic + group * icg + ic) * p->ih + ih) * p->iw + iw];
                double w = weights[((oc * icg + ic) * p->kh + kh) * p->kw + kw];
                s.value += x * w;
                s.abs += __builtin_fabs(x * w);
                s.sq += (x * w) * (x * w);
                s.n++;
            }
        }
    }
    if (bias) {
        double b = bias[oc];
        s.value += b;
        s.abs += __builtin_fabs(b);
        s.sq += b * b;
        s.n++;
    }
    return s;
}

void conv_fwd_ref_plane(const struct conv *p, const float *src, const float *weights,
                        const float *bias, int64_t n, int64_t oc, double *plane)
{
    int64_t icg = p->ic / p->g, group = oc / (p->oc / p->g), pixels = p->oh * p->ow;
    for (int64_t i = 0; i < pixels; i++)
        plane[i] = 0;
    for (int64_t tap = 0; tap < icg * p->kh * p->kw; tap++) {
        int64_t ic = tap / (p->kh * p->kw), kh = tap / p->kw % p->kh, kw = tap % p->kw;
        const float *image = src + (n * p->ic + group * icg + ic) * p->ih * p->iw;
        double w = weights[oc * icg * p->kh * p->kw + tap];
        for (int64_t oh = 0; oh < p->oh; oh++) {
            int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
            for (int64_t ow = 0; ow < p->ow && ih >= 0 && ih < p->ih; ow++) {
                int64_t iw = ow * p->sw - p->pw + kw * (p->dw + 1);
                if (iw >= 0 && iw < p->iw)
                    plane[oh * p->ow + ow] += (double)image[ih * p->iw + iw] * w;
            }
        }
    }
    for (int64_t i = 0; i < pixels && bias; i++)
        plane[i] += (double)bias[oc];
}

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    float *dst = a->t[DST];
    for (int64_t n = 0; n < p->mb; n++)
        for (int64_t oc = 0; oc < p->oc; oc++)
            for (int64_t oh = 0; oh < p->oh; oh++)
                for (int64_t ow = 0; ow < p->ow; ow++)
                    *dst++ = (float)conv_fwd_ref_at(p, a->t[SRC], a->t[WEIGHTS], a->t[BIAS], n, oc,
                                                    oh, ow)
                                 .value;
}

const struct variant conv_fwd_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
