/* A convolution and the statistics of its results, in float64 without rounding between, one channel
 * at a time. Layout nchw. The bias may be missing.
 *
 *   dst = conv(src) + bias;  mean = 1/n sum dst;  variance = 1/n sum (dst - mean)^2
 *
 * for each output channel, over its n = mb oh ow values. */
#include "ref.h"

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    (void)h;
    return (size_t)(p->conv.mb * p->conv.oh * p->conv.ow) * sizeof(double);
}

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    const int64_t plane = p->oh * p->ow, n = p->mb * plane;
    double *y = a->scratch;
    for (int64_t oc = 0; oc < p->oc; oc++) {
        double sum = 0, m2 = 0;
        for (int64_t image = 0; image < p->mb; image++)
            conv_fwd_ref_plane(p, a->t[SRC], a->t[WEIGHTS], a->t[BIAS], image, oc,
                               y + image * plane);
        for (int64_t i = 0; i < n; i++) {
            a->t[DST][(i / plane * p->oc + oc) * plane + i % plane] = (float)y[i];
            sum += y[i];
        }
        const double mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++)
            m2 += (y[i] - mean) * (y[i] - mean);
        a->t[MEAN][oc] = (float)mean;
        a->t[VARIANCE][oc] = (float)(m2 / (double)n);
    }
}

const struct variant conv_stats_ref = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
