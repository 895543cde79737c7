/* dst = A B + bias in cache tiles, plain C for the compiler to vectorise; NN, NT and TN.
 *
 * A block of B is copied into a small array in [k][column] order, so that all three layouts share one innermost loop
 * along the columns; BLOCK_M rows of C are summed beside it.
 * Limited by loads and stores of the sums, which stay in L1 and not in registers. */
#include "kernel.h"

enum {
    /* Rows that share a loaded vector of B. */
    BLOCK_M = 4,
    /* 128 x 64 x 4 = 32 KiB of B and 1 KiB of sums: about an L1. */
    BLOCK_K = 128,
    BLOCK_N = 64
};

struct blocked {
    int64_t a_row, a_step, b_row, b_step; /* strides of A[m][k] and B[k][n] */
};

static inline void blocked_copy(const struct blocked *f, const float *restrict b, int64_t k,
                                int64_t columns, float (*restrict out)[BLOCK_N])
{
    for (int64_t l = 0; l < k; l++)
        for (int64_t j = 0; j < BLOCK_N; j++)
            out[l][j] = j < columns ? b[l * f->b_row + j * f->b_step] : 0;
}

/* sum[i][j] += A[i][l] block[l][j] */
static inline void blocked_product(const struct blocked *f, const float *restrict a, int64_t rows,
                                   int64_t k, float (*restrict block)[BLOCK_N],
                                   float (*restrict sum)[BLOCK_N])
{
    for (int64_t l = 0; l < k; l++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < BLOCK_N; j++)
                sum[i][j] += a[i * f->a_row + l * f->a_step] * block[l][j];
}

static void blocked_run(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    const bool ta = a->formats.src == GEMM_TN, tb = a->formats.src == GEMM_NT;
    const struct blocked f = {.a_row = ta ? 1 : p->k,
                              .a_step = ta ? p->m : 1,
                              .b_row = tb ? 1 : p->n,
                              .b_step = tb ? p->k : 1};
    float block[BLOCK_K][BLOCK_N];
    for (int64_t n = 0; n < p->n; n += BLOCK_N) {
        const int64_t columns = min_i64(BLOCK_N, p->n - n);
        for (int64_t l = 0; l < p->k; l += BLOCK_K) {
            const int64_t k = min_i64(BLOCK_K, p->k - l);
            blocked_copy(&f, a->t[WEIGHTS] + l * f.b_row + n * f.b_step, k, columns, block);
            for (int64_t m = 0; m < p->m; m += BLOCK_M) {
                const int64_t rows = min_i64(BLOCK_M, p->m - m);
                float *dst = a->t[DST] + m * p->n + n, sum[BLOCK_M][BLOCK_N] = {0};
                if (rows == BLOCK_M)
                    blocked_product(&f, a->t[SRC] + m * f.a_row + l * f.a_step, BLOCK_M, k, block,
                                    sum);
                else
                    blocked_product(&f, a->t[SRC] + m * f.a_row + l * f.a_step, rows, k, block,
                                    sum);
                for (int64_t i = 0; i < rows; i++)
                    for (int64_t j = 0; j < columns; j++)
                        dst[i * p->n + j] = sum[i][j] + (l            ? dst[i * p->n + j]
                                                         : a->t[BIAS] ? a->t[BIAS][n + j]
                                                                      : 0);
            }
        }
    }
}

#define BLOCKED_GEMM                                                                               \
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},                       \
    .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, .run = blocked_run
