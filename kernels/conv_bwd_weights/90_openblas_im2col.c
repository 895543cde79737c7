/* The gradient of the weights by matrix products of OpenBLAS: the gradient of an image times its
 * transposed columns, added up in each thread, then over the threads. Limited by making columns. */
#include "peers/openblas.h"

static int64_t weights_size(const struct openblas_conv *f)
{
    return div_up(f->p.oc * f->taps, 16) * 16;
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    const struct openblas_conv plan = openblas_plan(p, h->threads);
    return (size_t)(plan.team * (openblas_columns(&plan) + weights_size(&plan))) * sizeof(float);
}

static void images(const struct args *a, const struct openblas_conv *f, int64_t first, int64_t last,
                   int thread)
{
    const struct conv *p = &f->p;
    float *sums = (float *)a->scratch + thread * weights_size(f);
    float *columns = (float *)a->scratch + f->team * weights_size(f) + thread * openblas_columns(f);
    memset(sums, 0, (size_t)(p->oc * f->taps) * sizeof *sums);
    for (int64_t i = first * p->g; i < last * p->g; i++) {
        const float *src = a->t[SRC] + i * f->icg * p->ih * p->iw;
        if (!f->direct)
            openblas_im2col(f, src, columns);
        openblas_product(false, true, f->ocg, f->taps, f->plane,
                         a->t[DIFF_DST] + i * f->ocg * f->plane, f->direct ? src : columns, 1,
                         sums + i % p->g * f->ocg * f->taps);
    }
}

static void run(const struct args *a)
{
    const struct openblas_conv f = openblas_plan(a->problem, a->hints.threads);
    const struct conv *p = &f.p;
    const float *sums = a->scratch;
    openblas_images(a, images);
    for (int64_t i = 0; i < p->oc * f.taps; i++) {
        float sum = sums[i];
        for (int t = 1; t < f.team; t++)
            sum += sums[t * weights_size(&f) + i];
        a->t[DIFF_WEIGHTS][i] = sum;
    }
#pragma omp parallel for num_threads(a->hints.threads)
    for (int64_t oc = 0; oc < (a->t[DIFF_BIAS] ? p->oc : 0); oc++) {
        float sum = 0;
        for (int64_t n = 0; n < p->mb; n++) {
            float part = 0;
#pragma omp simd reduction(+ : part)
            for (int64_t at = 0; at < f.plane; at++)
                part += a->t[DIFF_DST][(n * p->oc + oc) * f.plane + at];
            sum += part;
        }
        a->t[DIFF_BIAS][oc] = sum;
    }
}

const struct variant conv_bwd_weights_openblas_im2col = {
    VARIANT_BUILD,
    .peer = openblas_peer,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .scratch_size = scratch_size,
    .run = run,
};
