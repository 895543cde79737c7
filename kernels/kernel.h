/* What a kernel variant is.
 *
 * One file kernels/<op>/NN_name.c defines one variant: a const struct variant with the symbol <op>_<name>.
 * The Makefile turns the file list into the table the harness reads (harness/problem/registry.h), so adding the
 * file is all it takes. Kernels allocate nothing, print nothing, and include nothing from harness/.
 *
 * Tensors are float32. Notation: x[N][C][H][W] is row-major, the last index contiguous.
 *   nchw     x[N][C][H][W]
 *   nhwc     x[N][H][W][C]
 *   nchw16c  x[N][ceil(C/16)][H][W][16]; lanes beyond C are zero on input and must be zero on output
 * Weights are always plain w[O][I/g][KH][KW].
 */
#ifndef BATCHMARK_KERNEL_H
#define BATCHMARK_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction set levels. NEON is the base of AArch64, SSE2 the base of x86-64.
 * avx2 = AVX2 + FMA; avx512 = F + DQ + BW + VL; avx512bf16 adds BF16 dot products. */
enum isa { ISA_BASE, ISA_AVX2, ISA_AVX512, ISA_AVX512BF16, ISA_COUNT };

/* How a tensor lies in memory. The GEMM_ entries say which operand of C = A B is stored transposed:
 * NN A[M][K] B[K][N]; NT A[M][K] B[N][K]; TN A[K][M] B[K][N]. FLAT is a plain array (the ceilings). */
enum layout { LAYOUT_NONE, NCHW, NHWC, NCHW16C, GEMM_NN, GEMM_NT, GEMM_TN, FLAT, LAYOUT_COUNT };

/* The layouts of the operands a variant takes: src and diff_src in `src`, dst and diff_dst in `dst`. */
struct formats {
    enum layout src, dst;
};

enum problem_kind { PROBLEM_CONV, PROBLEM_BN, PROBLEM_GEMM, PROBLEM_ITERATIONS };

/* A convolution, forward or backward. ic and oc count the channels of all g groups together.
 * dh, dw: dilation, 0 = none (taps dh + 1 apart). ph, pw: padding above and to the left; the padding
 * below and to the right follows from oh, ow. 1-D is ih = kh = 1. */
struct conv {
    int64_t mb, g, ic, oc, ih, iw, oh, ow, kh, kw, sh, sw, dh, dw, ph, pw;
};

/* A batch normalization over x[mb][ic][ih][iw]; (N, C) inputs have ih = iw = 1.
 * Also the shape of reorders, copies and triads. */
struct bn {
    int64_t mb, ic, ih, iw;
};

/* C[m][n] = A B with A m x k and B k x n, as stored by the layout. */
struct gemm {
    int64_t m, n, k;
};

struct problem {
    enum problem_kind kind;
    double eps; /* added to the variance inside the root; BN and convolutions with BN folded in */
    union {
        struct conv conv;
        struct bn bn;
        struct gemm gemm;
        int64_t iterations; /* dependent steps of peak_fma */
    };
};

/* Operands by role. An operation uses a few of them; harness/problem/op.h lists which, and their shapes.
 * Optional inputs (bias, gamma, beta) and optional outputs (diff_bias) may be NULL. */
enum role {
    SRC,
    WEIGHTS,
    BIAS,
    DST,
    DIFF_DST,
    DIFF_SRC,
    DIFF_WEIGHTS,
    DIFF_BIAS,
    MEAN,
    VARIANCE, /* of the batch, biased (divided by n) */
    GAMMA,
    BETA,
    DIFF_GAMMA,
    DIFF_BETA,
    ROLE_COUNT
};

/* What the caller knows and the kernel may use. It must not change the bits of the result; only
 * `threads` may, if the variant is not thread_invariant. */
struct hints {
    int threads;        /* size of the team to run with, >= 1 */
    size_t l1, l2, llc; /* bytes: per core, per core, shared */
    bool keep;          /* the result is read again soon: do not stream it past the cache */
};

struct args {
    const struct problem *problem;
    struct formats formats;
    float *t
        [ROLE_COUNT]; /* plain tensors aligned to 4 bytes, nchw16c to 64; inputs are never written */
    void *scratch;    /* scratch_size() bytes, aligned to 64, contents undefined */
    void *handle;     /* what prepare() returned, else NULL */
    struct hints hints;
};

/* How the result is computed. This decides which checks of the harness apply and what error they allow. */
enum algebra {
    SUM_OF_PRODUCTS, /* any order of summation; exact on small integers */
    WINOGRAD_F2,     /* F(2x2,3x3): dyadic transforms, exact on small integers */
    WINOGRAD_F4,     /* F(4x4,3x3): not dyadic */
    BF16_PRODUCTS,   /* inputs rounded to bfloat16, float32 accumulation */
    TWO_PASS,        /* BN statistics: mean first, then squared differences */
    WELFORD,         /* BN statistics: running mean and M2 */
    ONE_PASS,        /* BN statistics: sum and sum of squares; loses digits when mean >> std */
    EXACT            /* moves or maps values without rounding: reorder, copy */
};

#define MAX_FORMATS 8

struct variant {
    enum isa isa;  /* of the compiler flags of its file: VARIANT_BUILD sets it, so it cannot lie */
    bool parallel; /* honours hints.threads; others run on one thread */
    /* Rung 9x: the library and its version, "oneDNN 2.6.3". NULL: ours. A peer chooses its own
     * instructions, may allocate, and is timed whatever its verdict. */
    const char *(*peer)(void);
    struct formats formats[MAX_FORMATS]; /* ends at LAYOUT_NONE */
    enum algebra algebra;
    double
        max_mean_over_std; /* BN: passes up to this ratio and must fail far above; 0 = no limit */
    bool thread_invariant; /* same bits for any number of threads */
    /* Returns NULL if the variant can do this problem, else why not ("kernel is not 3x3"). May be NULL: it
     * can do all problems. */
    const char *(*fits)(const struct problem *p, struct formats f);
    /* Bytes of scratch; may be NULL: none. */
    size_t (*scratch_size)(const struct problem *p, struct formats f, const struct hints *h);
    /* Untimed set-up for peers; may be NULL. a->t holds the operands, and their values may be read: if
     * inputs change later, the caller prepares another handle. */
    void *(*prepare)(const struct args *a);
    /* Untimed, called after run and before its outputs are read: copies the results that run left in the
     * handle's memory to a->t. NULL: run writes its outputs itself. */
    void (*finish)(const struct args *a);
    void (*release)(void *handle);
    /* The number of multiplications and additions really done. May be NULL: the nominal count, with
     * padding. */
    double (*flops)(const struct problem *p, struct formats f);
    void (*run)(const struct args *a);
};

#if defined(__AVX512BF16__)
#define VARIANT_ISA ISA_AVX512BF16
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) &&                    \
    defined(__AVX512VL__)
#define VARIANT_ISA ISA_AVX512
#elif defined(__AVX2__) && defined(__FMA__)
#define VARIANT_ISA ISA_AVX2
#else
#define VARIANT_ISA ISA_BASE
#endif

#ifdef _OPENMP
#define VARIANT_PARALLEL true
#else
#define VARIANT_PARALLEL false
#endif

/* The first line of every variant: what follows from the compiler flags of its file. */
#define VARIANT_BUILD .isa = VARIANT_ISA, .parallel = VARIANT_PARALLEL

static inline int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* inf and NaN in a convolution. A result is finite if all values in its sum are finite. Otherwise it is of
 * the class of that sum: finite, inf, -inf or NaN. Kernels fill up operands with zeros, and a zero times
 * inf is NaN. So the result may also be NaN, but nothing else,
 *   - where such a zero meets an inf or NaN: outside src (forward, gradient of the weights); outside
 *     diff_dst, and between its values with a stride above 1 (gradient of the data);
 *   - in the gradient of the weights: in all weights of an input channel that has an inf or NaN;
 *   - with Winograd: in all results of a tile that has an inf or NaN in its input;
 *   - in lanes beyond C, in a pixel with a lane that is not finite. */

#endif
