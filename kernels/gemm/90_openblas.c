/* The matrix product of OpenBLAS, a yardstick for ours. A bias is written into the result first. */
#include "peers/openblas.h"

static void run(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    const int before = omp_get_max_threads();
    omp_set_num_threads(a->hints.threads);
    for (int64_t m = 0; m < p->m && a->t[BIAS]; m++)
        memcpy(a->t[DST] + m * p->n, a->t[BIAS], (size_t)p->n * sizeof(float));
    openblas_product(a->formats.src == GEMM_TN, a->formats.src == GEMM_NT, p->m, p->n, p->k,
                     a->t[SRC], a->t[WEIGHTS], a->t[BIAS] ? 1 : 0, a->t[DST]);
    omp_set_num_threads(before);
}

const struct variant gemm_openblas = {
    VARIANT_BUILD,
    .peer = openblas_peer,
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},
    .algebra = SUM_OF_PRODUCTS,
    .run = run,
};
