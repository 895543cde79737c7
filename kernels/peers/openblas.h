/* OpenBLAS as a peer: convolutions as its matrix products over columns, image by image, as frameworks without a library
 * of convolutions do them (Chellapilla, Puri and Simard 2006; Caffe). Images are split over the team and each thread
 * multiplies alone; the whole team multiplies a single image. Layout nchw. A 1x1 kernel needs no columns.
 *
 * Only the OpenMP build is used: it shares the threads of the other kernels. */
#ifndef BATCHMARK_OPENBLAS_H
#define BATCHMARK_OPENBLAS_H

#include "kernel.h"

#include <cblas.h>
#include <omp.h>
#include <string.h>

static const char *openblas_peer(void)
{
    /* "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": what follows the version stays out. */
    static char text[32];
    const char *config = openblas_get_config();
    size_t length = strcspn(config, " ");
    length += config[length] == ' ' ? 1 + strcspn(config + length + 1, " ") : 0;
    length = length < sizeof text ? length : sizeof text - 1;
    memcpy(text, config, length);
    text[length] = '\0';
    return text;
}

/* A convolution in the terms of its products. */
struct openblas_conv {
    struct conv p;
    int64_t icg, ocg, taps, plane;
    bool direct; /* the image is its own column matrix */
    int team;
};

static inline struct openblas_conv openblas_plan(const struct problem *problem, int threads)
{
    struct openblas_conv f = {.p = problem->conv};
    const struct conv *p = &f.p;
    f.icg = p->ic / p->g;
    f.ocg = p->oc / p->g;
    f.taps = f.icg * p->kh * p->kw;
    f.plane = p->oh * p->ow;
    f.direct = p->kh == 1 && p->kw == 1 && p->sh == 1 && p->sw == 1 && p->ph == 0 && p->pw == 0 &&
               p->oh == p->ih && p->ow == p->iw;
    f.team = (int)min_i64(threads, p->mb);
    return f;
}

/* Columns for each thread, rounded to cache lines. */
static inline int64_t openblas_columns(const struct openblas_conv *f)
{
    return f->direct ? 0 : div_up(f->taps * f->plane, 16) * 16;
}

/* Do columns lo <= x < hi of an output row lie on the image for this tap? */
static inline void openblas_span(const struct conv *p, int64_t shift, int64_t *lo, int64_t *hi)
{
    *lo = 0;
    *hi = p->ow;
    while (*lo < *hi && *lo * p->sw + shift < 0)
        ++*lo;
    while (*hi > *lo && (*hi - 1) * p->sw + shift >= p->iw)
        --*hi;
}

/* The column matrix [taps][plane] of one group of one image. */
static inline void openblas_im2col(const struct openblas_conv *f, const float *restrict src,
                                   float *restrict columns)
{
    const struct conv *p = &f->p;
    for (int64_t tap = 0; tap < f->taps; tap++) {
        const int64_t kw = tap % p->kw, kh = tap / p->kw % p->kh, ic = tap / (p->kw * p->kh);
        const int64_t shift = kw * (p->dw + 1) - p->pw;
        int64_t lo, hi;
        openblas_span(p, shift, &lo, &hi);
        for (int64_t oh = 0; oh < p->oh; oh++) {
            const int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
            float *row = columns + tap * f->plane + oh * p->ow;
            const float *from = src + (ic * p->ih + ih) * p->iw + shift;
            if (ih < 0 || ih >= p->ih || lo == hi) {
                memset(row, 0, (size_t)p->ow * sizeof *row);
                continue;
            }
            for (int64_t ow = 0; ow < lo; ow++)
                row[ow] = 0;
            if (p->sw == 1)
                memcpy(row + lo, from + lo, (size_t)(hi - lo) * sizeof *row);
            else
                for (int64_t ow = lo; ow < hi; ow++)
                    row[ow] = from[ow * p->sw];
            for (int64_t ow = hi; ow < p->ow; ow++)
                row[ow] = 0;
        }
    }
}

/* The reverse: adds every column to the pixel it came from. */
static inline void openblas_col2im(const struct openblas_conv *f, const float *restrict columns,
                                   float *restrict dst)
{
    const struct conv *p = &f->p;
    memset(dst, 0, (size_t)(f->icg * p->ih * p->iw) * sizeof *dst);
    for (int64_t tap = 0; tap < f->taps; tap++) {
        const int64_t kw = tap % p->kw, kh = tap / p->kw % p->kh, ic = tap / (p->kw * p->kh);
        const int64_t shift = kw * (p->dw + 1) - p->pw;
        int64_t lo, hi;
        openblas_span(p, shift, &lo, &hi);
        for (int64_t oh = 0; oh < p->oh; oh++) {
            const int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
            const float *row = columns + tap * f->plane + oh * p->ow;
            float *to = dst + (ic * p->ih + ih) * p->iw + shift;
            if (ih < 0 || ih >= p->ih)
                continue;
            if (p->sw == 1)
                for (int64_t ow = lo; ow < hi; ow++)
                    to[ow] += row[ow];
            else
                for (int64_t ow = lo; ow < hi; ow++)
                    to[ow * p->sw] += row[ow];
        }
    }
}

/* C[m][n] = A B + beta C, row-major; trans: the operand is stored transposed. */
static inline void openblas_product(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                                    const float *a, const float *b, float beta, float *c)
{
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans,
                trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
                (blasint)(trans_a ? m : k), b, (blasint)(trans_b ? k : n), beta, c, (blasint)n);
}

/* What one thread does to images first <= n < last; `thread` selects its share of the scratch. */
typedef void openblas_images_fn(const struct args *a, const struct openblas_conv *f, int64_t first,
                                int64_t last, int thread);

static inline void openblas_images(const struct args *a, openblas_images_fn *fn)
{
    const struct openblas_conv f = openblas_plan(a->problem, a->hints.threads);
    const int before = omp_get_max_threads();
    omp_set_num_threads(a->hints.threads);
    if (f.team == 1) {
        fn(a, &f, 0, f.p.mb, 0);
    } else {
#pragma omp parallel num_threads(f.team)
        {
            const int64_t n = omp_get_num_threads(), i = omp_get_thread_num();
            fn(a, &f, f.p.mb * i / n, f.p.mb * (i + 1) / n, (int)i);
        }
    }
    omp_set_num_threads(before);
}

#endif
