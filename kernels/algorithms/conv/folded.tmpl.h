/* dst = gamma (conv(src) + bias - mean) / sqrt(variance + eps) + beta, as one convolution: with
 *     scale[oc] = gamma[oc] / sqrt(variance[oc] + eps)
 * the weights become weights * scale and the bias (bias - mean) * scale + beta, so that batch normalization costs one
 * pass over the weights and none over dst. The scales are computed in double, one per channel.
 *
 * Limited as the convolution is; by folding where an image is smaller than the weights.
 *
 * A file includes a conv_fwd core first and defines FOLDED_SCRATCH and FOLDED_RUN, the core's scratch_size and run.
 * Scratch: folded weights, folded bias, then the core's. */
#include "kernel.h"
#include "shared/partition.h"

static inline int64_t folded_weights(const struct conv *p)
{
    return div_up(p->oc * (p->ic / p->g) * p->kh * p->kw, 16) * 16;
}

static inline int64_t folded_bias(const struct conv *p)
{
    return div_up(p->oc, 16) * 16;
}

static size_t folded_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    return (size_t)(folded_weights(&p->conv) + folded_bias(&p->conv)) * sizeof(float) +
           FOLDED_SCRATCH(p, f, h);
}

/* One tile is one output channel. */
static void folded_fold(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const int64_t taps = p->ic / p->g * p->kh * p->kw;
    const float *gamma = a->t[GAMMA], *beta = a->t[BETA], *bias = a->t[BIAS];
    float *folded = a->scratch, *shift = folded + folded_weights(p);
    for (int64_t oc = first; oc < last; oc++) {
        const double rstd = 1 / __builtin_sqrt((double)a->t[VARIANCE][oc] + a->problem->eps);
        const double scale = gamma ? gamma[oc] * rstd : rstd;
        const float *restrict in = a->t[WEIGHTS] + oc * taps;
        float *restrict out = folded + oc * taps;
        for (int64_t i = 0; i < taps; i++)
            out[i] = in[i] * (float)scale;
        shift[oc] = (float)(((bias ? (double)bias[oc] : 0) - (double)a->t[MEAN][oc]) * scale +
                            (beta ? (double)beta[oc] : 0));
    }
}

static void folded_run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    run_tiles(a, p->oc, folded_fold);
    struct args core = *a;
    core.t[WEIGHTS] = a->scratch;
    core.t[BIAS] = core.t[WEIGHTS] + folded_weights(p);
    core.scratch = core.t[BIAS] + folded_bias(p);
    FOLDED_RUN(&core);
}
