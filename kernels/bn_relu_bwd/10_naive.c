/* The loops of the reference in float32: two sums of a channel, then its gradient; the mask of the
 * ReLU is computed again from src. Layouts nchw and nhwc. Two trips through memory, and each sum waits
 * for the latency of one addition a value. */
#include "kernel.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict x = a->t[SRC], *restrict diff_dst = a->t[DIFF_DST];
    float *restrict dx = a->t[DIFF_SRC];
    bool nchw = a->formats.src == NCHW;
    int64_t hw = p->ih * p->iw, outer = nchw ? p->mb : 1, inner = nchw ? hw : p->mb * hw;
    int64_t image = p->ic * hw, channel = nchw ? hw : 1, pixel = nchw ? 1 : p->ic;
    for (int64_t c = 0; c < p->ic; c++) {
        float rstd = 1 / __builtin_sqrtf(a->t[VARIANCE][c] + (float)a->problem->eps),
              mean = a->t[MEAN][c];
        float scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
              beta = a->t[BETA] ? a->t[BETA][c] : 0;
        float sum = 0, dot = 0, count = (float)(outer * inner);
        for (int64_t n = 0; n < outer; n++) {
            for (int64_t i = 0; i < inner; i++) {
                int64_t at = n * image + c * channel + i * pixel;
                float dy = (x[at] - mean) * scale + beta > 0 ? diff_dst[at] : 0;
                sum += dy;
                dot += dy * (x[at] - mean);
            }
        }
        float dgamma = dot * rstd;
        for (int64_t n = 0; n < outer; n++) {
            for (int64_t i = 0; i < inner; i++) {
                int64_t at = n * image + c * channel + i * pixel;
                float dy = (x[at] - mean) * scale + beta > 0 ? diff_dst[at] : 0;
                dx[at] = scale * (dy - sum / count - (x[at] - mean) * rstd * dgamma / count);
            }
        }
        a->t[DIFF_GAMMA][c] = dgamma;
        a->t[DIFF_BETA][c] = sum;
    }
}

const struct variant bn_relu_bwd_naive = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
