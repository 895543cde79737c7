/* The gradient of the data by matrix products of OpenBLAS: transposed weights times the gradient of
 * an image are columns, which are added up where they came from. Limited by these two passes. */
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
        float *diff_src = a->t[DIFF_SRC] + i * f->icg * p->ih * p->iw;
        openblas_product(true, false, f->taps, f->plane, f->ocg,
                         a->t[WEIGHTS] + group * f->ocg * f->taps,
                         a->t[DIFF_DST] + i * f->ocg * f->plane, 0, f->direct ? diff_src : columns);
        if (!f->direct)
            openblas_col2im(f, columns, diff_src);
    }
}

static void run(const struct args *a)
{
    openblas_images(a, images);
}

const struct variant conv_bwd_data_openblas_im2col = {
    VARIANT_BUILD,
    .peer = openblas_peer,
    .formats = {{NCHW, NCHW}},
    .algebra = SUM_OF_PRODUCTS,
    .scratch_size = scratch_size,
    .run = run,
};
