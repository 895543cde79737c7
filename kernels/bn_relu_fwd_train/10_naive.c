/* The loops of the reference in float32: mean, variance, then a pass that normalizes and takes
 * max(0, y). Layouts nchw and nhwc. Three trips through memory, and each sum waits for the latency of
 * one addition a value. */
#include "kernel.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict x = a->t[SRC];
    float *restrict y = a->t[DST];
    bool nchw = a->formats.src == NCHW;
    int64_t hw = p->ih * p->iw, outer = nchw ? p->mb : 1, inner = nchw ? hw : p->mb * hw;
    int64_t image = p->ic * hw, channel = nchw ? hw : 1, pixel = nchw ? 1 : p->ic;
    for (int64_t c = 0; c < p->ic; c++) {
        float sum = 0, squares = 0, count = (float)(outer * inner);
        for (int64_t n = 0; n < outer; n++)
            for (int64_t i = 0; i < inner; i++)
                sum += x[n * image + c * channel + i * pixel];
        float mean = sum / count;
        for (int64_t n = 0; n < outer; n++) {
            for (int64_t i = 0; i < inner; i++) {
                float d = x[n * image + c * channel + i * pixel] - mean;
                squares += d * d;
            }
        }
        float variance = squares / count,
              rstd = 1 / __builtin_sqrtf(variance + (float)a->problem->eps);
        float scale = a->t[GAMMA] ? a->t[GAMMA][c] * rstd : rstd,
              shift = a->t[BETA] ? a->t[BETA][c] : 0;
        for (int64_t n = 0; n < outer; n++) {
            for (int64_t i = 0; i < inner; i++) {
                int64_t at = n * image + c * channel + i * pixel;
                float z = (x[at] - mean) * scale + shift;
                y[at] = z < 0 ? 0 : z;
            }
        }
        a->t[MEAN][c] = mean;
        a->t[VARIANCE][c] = variance;
    }
}

const struct variant bn_relu_fwd_train_naive = {
    VARIANT_BUILD,       .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS, .thread_invariant = true,
    .run = run,
};
