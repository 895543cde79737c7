/* A convolution, then batch normalization with given statistics, in float64 without rounding
 * between, one output at a time. Layout nchw. Gamma, beta and bias may be missing.
 *
 *   dst = gamma (conv(src) + bias - mean) / sqrt(variance + eps) + beta */
#include "ref.h"

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    const float *gamma = a->t[GAMMA], *beta = a->t[BETA];
    float *dst = a->t[DST];
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t oc = 0; oc < p->oc; oc++) {
            for (int64_t oh = 0; oh < p->oh; oh++) {
                for (int64_t ow = 0; ow < p->ow; ow++) {
                    double x =
                        conv_fwd_ref_at(p, a->t[SRC], a->t[WEIGHTS], a->t[BIAS], n, oc, oh, ow)
                            .value;
                    *dst++ =
                        (float)bn_ref_apply(x, a->t[MEAN][oc], a->t[VARIANCE][oc], a->problem->eps,
                                            gamma ? gamma[oc] : 1, beta ? beta[oc] : 0);
                }
            }
        }
    }
}

const struct variant conv_bn_infer_ref = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
