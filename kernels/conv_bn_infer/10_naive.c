/* The seven loops of conv_fwd/naive, then a second pass over dst that normalizes. Float32, layouts
 * nchw and nhwc. Nothing is fused: dst is written, read and written again. speedup_naive of every row
 * refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    const struct strides d = naive_dst_strides(a);
    naive_run(a);
    for (int64_t oc = 0; oc < p->oc; oc++) {
        const float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][oc] + (float)a->problem->eps);
        const float gamma = a->t[GAMMA] ? a->t[GAMMA][oc] : 1,
                    beta = a->t[BETA] ? a->t[BETA][oc] : 0;
        for (int64_t n = 0; n < p->mb; n++) {
            for (int64_t oh = 0; oh < p->oh; oh++) {
                for (int64_t ow = 0; ow < p->ow; ow++) {
                    float *y = a->t[DST] + n * d.n + oc * d.c + oh * d.h + ow * d.w;
                    *y = gamma * (*y - a->t[MEAN][oc]) * rstd + beta;
                }
            }
        }
    }
}

const struct variant conv_bn_infer_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = run,
};
