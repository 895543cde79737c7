/* The gradient of the data by its definition, float64, one value at a time. Layout nchw.
 *
 *   diff_src[n][ic][ih][iw] = sum over oc, kh, kw of diff_dst[n][oc][oh][ow] weights[oc][ic][kh][kw]
 *
 * over the oc of ic's group and those taps for which ih = oh sh - ph + kh (dh + 1) has a whole oh
 * inside the output, and likewise iw. */
#include "ref.h"

struct ref_sum conv_bwd_data_ref_at(const struct conv *p, const float *diff_dst,
                                    const float *weights, int64_t n, int64_t ic, int64_t ih,
                                    int64_t iw)
{
    int64_t icg = p->ic / p->g, ocg = p->oc / p->g, group = ic / icg;
    struct ref_sum s = {0};
    for (int64_t o = 0; o < ocg; o++) {
        for (int64_t kh = 0; kh < p->kh; kh++) {
            for (int64_t kw = 0; kw < p->kw; kw++) {
                int64_t y = ih + p->ph - kh * (p->dh + 1), x = iw + p->pw - kw * (p->dw + 1);
                if (y < 0 || x < 0 || y % p->sh || x % p->sw || y / p->sh >= p->oh ||
                    x / p->sw >= p->ow)
                    continue;
                int64_t oc = group * ocg + o;
                double d = diff_dst[((n * p->oc + oc) * p->oh + y / p->sh) * p->ow + x / p->sw];
                double w = weights[((oc * icg + ic % icg) * p->kh + kh) * p->kw + kw];
                s.value += d * w;
                s.abs += __builtin_fabs(d * w);
                s.sq += (d * w) * (d * w);
                s.n++;
            }
        }
    }
    return s;
}

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    float *diff_src = a->t[DIFF_SRC];
    for (int64_t n = 0; n < p->mb; n++)
        for (int64_t ic = 0; ic < p->ic; ic++)
            for (int64_t ih = 0; ih < p->ih; ih++)
                for (int64_t iw = 0; iw < p->iw; iw++)
                    *diff_src++ =
                        (float)conv_bwd_data_ref_at(p, a->t[DIFF_DST], a->t[WEIGHTS], n, ic, ih, iw)
                            .value;
}

const struct variant conv_bwd_data_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
