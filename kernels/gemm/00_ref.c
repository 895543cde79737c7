/* The matrix product by its definition, float64, one element of C at a time.
 *
 *   dst[i][j] = bias[j] + sum over l of A[i][l] B[l][j] */
#include "ref.h"

struct ref_sum gemm_ref_at(const struct gemm *p, enum layout layout, const float *a, const float *b,
                           const float *bias, int64_t i, int64_t j)
{
    struct ref_sum s = {0};
    for (int64_t l = 0; l < p->k; l++) {
        double x = layout == GEMM_TN ? a[l * p->m + i] : a[i * p->k + l];
        double y = layout == GEMM_NT ? b[j * p->k + l] : b[l * p->n + j];
        s.value += x * y;
        s.abs += __builtin_fabs(x * y);
        s.sq += (x * y) * (x * y);
        s.n++;
    }
    if (bias) {
        double x = bias[j];
        s.value += x;
        s.abs += __builtin_fabs(x);
        s.sq += x * x;
        s.n++;
    }
    return s;
}

static void run(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    float *dst = a->t[DST];
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            *dst++ =
                (float)gemm_ref_at(p, a->formats.src, a->t[SRC], a->t[WEIGHTS], a->t[BIAS], i, j)
                    .value;
}

const struct variant gemm_ref = {
    VARIANT_BUILD,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .thread_invariant = true,
    .run = run,
};
