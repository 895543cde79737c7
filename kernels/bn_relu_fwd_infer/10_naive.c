/* The loops of the reference in float32. Layouts nchw and nhwc. One trip through memory, a value at a
 * time. Not folded into x scale + (beta - mean scale), which loses digits when mean >> std. */
#include "kernel.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const bool nchw = a->formats.src == NCHW;
    const int64_t hw = p->ih * p->iw, channel = nchw ? hw : 1, pixel = nchw ? 1 : p->ic;
    for (int64_t c = 0; c < p->ic; c++) {
        const float gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, mean = a->t[MEAN][c];
        const float scale = gamma / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps);
        const float shift = a->t[BETA] ? a->t[BETA][c] : 0;
        for (int64_t i = 0; i < p->mb * hw; i++) {
            const int64_t at = i / hw * p->ic * hw + c * channel + i % hw * pixel;
            const float y = (a->t[SRC][at] - mean) * scale + shift;
            a->t[DST][at] = y < 0 ? 0 : y;
        }
    }
}

const struct variant bn_relu_fwd_infer_naive = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
