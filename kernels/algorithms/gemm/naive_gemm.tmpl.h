/* dst[i][j] = bias[j] + sum over l of A[i][l] B[l][j]: three loops, float32, by strides for NN, NT
 * and TN. One source for every rung 1x of gemm: the files differ in flags and in SIMD_REDUCTION
 * alone, which they define (empty, or an OpenMP simd pragma with a reduction over `sum`) before
 * they include this. Limited by the latency of one chain of additions; with the pragma by two loads
 * for each multiply-add. */
#include "kernel.h"

static void naive_run(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    const bool ta = a->formats.src == GEMM_TN, tb = a->formats.src == GEMM_NT;
    const int64_t a_row = ta ? 1 : p->k, a_step = ta ? p->m : 1, b_step = tb ? 1 : p->n,
                  b_column = tb ? p->k : 1;
    const float *restrict x = a->t[SRC], *restrict y = a->t[WEIGHTS], *restrict bias = a->t[BIAS];
    float *restrict dst = a->t[DST];

    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            float sum = bias ? bias[j] : 0;
            SIMD_REDUCTION
            for (int64_t l = 0; l < p->k; l++)
                sum += x[i * a_row + l * a_step] * y[l * b_step + j * b_column];
            dst[i * p->n + j] = sum;
        }
    }
}

#define NAIVE_GEMM                                                                                 \
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},                       \
    .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, .run = naive_run
