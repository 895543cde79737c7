/* What the parts of the verification share; verify.h is the interface. */
#ifndef BATCHMARK_VERIFY_PARTS_H
#define BATCHMARK_VERIFY_PARTS_H

#include "problem/operands.h"
#include "verify/verify.h"

#include <stdlib.h>

/* Unit roundoff of float32. */
#define U 0x1p-24

/* The statistical limit, in standard deviations of a random walk of rounding errors. */
#define SIGMAS 6.0

/* Are the partial sums of these terms a random walk about zero? The statistical limits assume it. Decided
 * from the sum and the sum of the squares: a sum that is more standard deviations from zero has terms of
 * one sign, or equal terms. Its partial sums grow with n instead of sqrt(n), and its rounding errors may
 * be alike. Then only the worst-case limit holds. */
static inline bool sum_walks(double sum, double squares)
{
    return !(sum * sum > SIGMAS * SIGMAS * squares);
}

static inline void *must(void *p)
{
    if (!p)
        abort(); /* the supervisor reports it */
    return p;
}

/* One call of a variant: what went in and what came out, in plain order. */
struct outcome {
    const struct op *op;
    const struct variant *variant;
    struct problem problem;
    struct formats formats;
    uint64_t seed;
    enum fill fill;
    int special; /* which inf and NaN the inputs hold, 0: none */
    int64_t max_coordinates;
    struct tensor_spec specs[ROLE_COUNT];
    int count;
    float *t[ROLE_COUNT]; /* NULL: not an operand of this call */
};

const struct tensor_spec *outcome_spec(const struct outcome *r, enum role role);

/* What one output should hold at the coordinates looked at. */
struct expected {
    enum role role;
    int64_t count;
    int64_t *at;           /* plain indices; NULL: all, 0 .. count - 1 */
    double *value, *limit; /* limit 0: equal as float32; negative: left out */
    int64_t vacuous; /* coordinates where the limit is so large that the check proves nothing */
    int64_t zeros;   /* exact data: sums of products that came out zero */
};

#define MAX_EXPECTED 4
struct expectation {
    struct expected e[MAX_EXPECTED];
    int count;
    bool shared; /* owned by the cache of references, not to be freed */
};
void expectation_free(struct expectation *x);

/* Adds an output with room for its coordinates: all of them, or a sample that includes all borders. */
struct expected *expect_output(struct expectation *x, const struct outcome *r, enum role role);

/* The plain index of coordinate i. */
static inline int64_t expected_at(const struct expected *e, int64_t i)
{
    return e->at ? e->at[i] : i;
}

/* conv_fwd, conv_bwd_data, conv_bwd_weights, conv_bn_infer, conv_stats, gemm, on data of r->fill. */
struct expectation expect_products(const struct outcome *r);

/* |A'| (sum |G||g||G'| * |B'||d||B|) |A| of the tile that holds output (n, c, h, w), with F(m x m,
 * 3x3); backward with respect to the data is a convolution of diff_dst with turned kernels. sq: the
 * same on squares. */
struct ref_sum;
bool winograd_applies(const struct problem *p);
struct ref_sum winograd_sum_at(const struct outcome *r, const float *image, const float *weights,
                               int m, int64_t n, int64_t c, int64_t h, int64_t w);

/* The same of weight gradient (oc, ic, i, j), G' ( sum of all tiles of (B' d B) * (A dy A') ) G, and how many tiles
 * that is. */
struct ref_sum winograd_weights_sum_at(const struct outcome *r, const float *src,
                                       const float *diff_dst, int m, int64_t oc, int64_t ic,
                                       int64_t i, int64_t j);
int64_t winograd_tiles(const struct conv *c, int m);

enum bn_rule {
    BN_BOUND, /* the limits of the variant's algebra */
    BN_EXACT, /* mirrored or integer data */
    BN_STRICT /* two-pass limits whatever the algebra: what a variant outside its domain must
                 violate */
};
struct expectation expect_bn(const struct outcome *r, enum bn_rule rule);
/* diff_dst of bn_pool_bwd, spread to the maxima. The caller frees it. */
float *spread_gradient(const struct outcome *r);

/* copy, reorder, triad, peak_fma */
struct expectation expect_simple(const struct outcome *r);

/* Numerical gradients of the forward reference, for the outputs of a backward operation. */
bool gradient_applies(const struct entry *e, const struct problem *p);
void gradient_quantise(struct operands *o, const void *unused);
struct expectation expect_gradient(const struct outcome *r, int64_t *left_out);

/* An upper bound of the bytes that verify_case allocates: operands, scratch, their copies, results of the
 * runs, references. */
double verify_bytes(const struct verify_case *c);

/* The state of one case. */
struct check {
    const struct verify_case *c;
    const struct op *op;
    const struct variant *v;
    struct verdict out;
    const char *gate;
    bool ran;             /* some gate applied */
    const char *mistrust; /* NULL, or why a pass says little */
    int64_t left_out, compared;
};

/* One call: what to run on what. */
struct setup {
    struct problem problem;
    struct hints hints;
    unsigned flags;
    enum fill fill;
    int repeats;   /* further runs on the same operands, which must give the same bits */
    bool poisoned; /* the inputs hold inf or NaN, so the outputs may */
    int special;   /* as in struct outcome */
    void (*adjust)(struct operands *o, const void *how);
    const void *how;
};

struct comparison {
    double worst; /* the largest error over limit; infinite for a wrong exact value or NaN */
    int64_t failures;
    enum role role; /* of the first failure */
    int64_t at;
    double value, got, ratio;
};

/* In verify.c: runs cases and compares results. If a function returns false, it has set the verdict. */

__attribute__((format(printf, 2, 3))) bool check_fail(struct check *k, const char *format, ...);
void check_enter(struct check *k, const char *gate);

/* A setup of the case itself. */
struct setup check_setup(const struct check *k);

/* One call. True: `r` holds the plain operands, to be freed by outcome_free. */
bool check_call(struct check *k, const struct setup *s, struct outcome *r);
void outcome_free(struct outcome *r);

struct comparison check_compare(struct check *k, const struct outcome *r,
                                const struct expectation *x);

/* Compares, and frees the expectation. */
bool check_accept(struct check *k, const struct outcome *r, struct expectation x, const char *what);

/* Lowers the number of compared coordinates if the limits of the variant are slow to compute. */
void check_sample(const struct check *k, const struct setup *s, struct outcome *r);

/* Runs one setup and compares with the reference. */
bool check_run(struct check *k, const struct setup *s, enum bn_rule rule, const char *what);

/* "dst[0][3][1][2]" */
#define COORDINATE_TEXT 128
char *coordinate(const struct tensor_spec *t, int64_t at, char text[COORDINATE_TEXT]);

bool hard_gate(struct check *k);

/* Convolutions of inputs with inf and NaN: the rule in kernels/kernel.h. */
bool special_gate(struct check *k);

/* For the supervisor: the present state of this process. `beats` counts finished kernel calls. */
struct verify_status {
    volatile int64_t beats;
    char gate[16];
};
extern struct verify_status *verify_status;
/* The operands of the present call, NULL between calls. */
extern const struct operands *volatile verify_operands;

#endif
