/* The seven loops of conv_fwd/naive, then a walk over dst for its statistics. Float32, layouts nchw
 * and nhwc. Long float32 sums lose digits, so rows of the image (long rows in parts) are summed by
 * themselves and merged by Chan's formula (chan.h). Nothing is fused: dst is written, then read twice.
 * speedup_naive of every row refers to this file. */
#define SIMD_REDUCTION
#include "algorithms/conv/naive_conv_fwd.tmpl.h"

/* Values of a sum. */
enum { PART = 256 };

struct statistics {
    double mean, m2, n;
};

/* Merges the n <= PART values y[0], y[stride], ... */
static void take(struct statistics *s, const float *y, int64_t stride, int64_t n)
{
    float sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += y[i * stride];
    const float mean = sum / (float)n;
    for (int64_t i = 0; i < n; i++)
        squares += (y[i * stride] - mean) * (y[i * stride] - mean);
    const double delta = (double)mean - s->mean, share = (double)n / (s->n + (double)n);
    s->mean += delta * share;
    s->m2 += (double)squares + delta * delta * s->n * share;
    s->n += (double)n;
}

/* Mean and variance of one channel of dst. */
static void statistics(const struct conv *p, const float *channel, const struct strides *d,
                       float *mean, float *variance)
{
    struct statistics s = {0};
    for (int64_t row = 0; row < p->mb * p->oh; row++) {
        const float *y = channel + row / p->oh * d->n + row % p->oh * d->h;
        for (int64_t ow = 0; ow < p->ow; ow += PART)
            take(&s, y + ow * d->w, d->w, min_i64(PART, p->ow - ow));
    }
    *mean = (float)s.mean;
    *variance = (float)(s.m2 / s.n);
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
