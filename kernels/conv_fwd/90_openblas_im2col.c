/* The convolution by matrix products of OpenBLAS: weights times the columns of an image. A yardstick
 * for our im2col, which never makes all columns. Limited by writing and reading them. */
#include "peers/openblas.h"

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    const struct openblas_conv plan = openblas_plan(p, h->threads);
    return (size_t)(plan.team * openblas_columns(&plan)) * sizeof(float);
}

static void images(const struct args *a, const struct openblas_conv *f, int64_t first, int64_t last,
                   int thread)
{
    const struct conv *p = &f->p;
    float *columns = (float *)a->scratch + thread * openblas_columns(f);
    for (int64_t i = first * p->g; i < last * p->g; i++) {
        const int64_t group = i % p->g;
        const float *src = a->t[SRC] + i * f->icg * p->ih * p->iw;
        float *dst = a->t[DST] + i * f->ocg * f->plane;
        if (!f->direct)
            openblas_im2col(f, src, columns);
        for (int64_t oc = 0; oc < f->ocg && a->t[BIAS]; oc++)
            for (int64_t at = 0; at < f->plane; at++)
                dst[oc * f->plane + at] = a->t[BIAS][group * f->ocg + oc];
        openblas_product(false, false, f->ocg, f->plane, f->taps,
                         a->t[WEIGHTS] + group * f->ocg * f->taps, f->direct ? src : columns,
                         a->t[BIAS] ? 1 : 0, dst);
    }
}

static void run(const struct args *a)
{
    openblas_images(a, images);
}

const struct variant conv_fwd_openblas_im2col = {
    VARIANT_BUILD,
    .peer = openblas_peer,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .scratch_size = scratch_size,
    .run = run,
};
