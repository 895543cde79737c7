/* conv_stats/naive: the seven loops of conv_fwd/naive, then a walk over dst for the statistics, float32. Layouts nchw and
 * nhwc. From 00_ref: float32, and because long sums of it lose digits, statistics row by row of the image, merged by
 * Chan's formula (chan.h). Nothing is fused: dst is written, then read twice, beside what limits conv_fwd/naive.
 * `speedup_naive` of every row refers to this file. */
#define SIMD_REDUCTION
#include "naive_conv_fwd.tmpl.h"

/* Mean and variance of one channel of dst. */
static void statistics(const struct conv *p, const float *channel, const struct strides *d,
                       float *mean, float *variance)
{
    const double n = (double)p->ow;
    double m = 0, m2 = 0, before = 0;
    for (int64_t row = 0; row < p->mb * p->oh; row++) {
        const float *y = channel + row / p->oh * d->n + row % p->oh * d->h;
        float sum = 0, squares = 0;
        for (int64_t ow = 0; ow < p->ow; ow++)
            sum += y[ow * d->w];
        const float row_mean = sum / (float)p->ow;
        for (int64_t ow = 0; ow < p->ow; ow++)
            squares += (y[ow * d->w] - row_mean) * (y[ow * d->w] - row_mean);
        const double delta = (double)row_mean - m, share = n / (before + n);
        m += delta * share;
        m2 += (double)squares + delta * delta * before * share;
        before += n;
    }
    *mean = (float)m;
    *variance = (float)(m2 / before);
}

static void run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    const struct strides d = naive_dst_strides(a);
    naive_run(a);
    for (int64_t oc = 0; oc < p->oc; oc++)
        statistics(p, a->t[DST] + oc * d.c, &d, &a->t[MEAN][oc], &a->t[VARIANCE][oc]);
}

const struct variant conv_stats_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = run,
};
