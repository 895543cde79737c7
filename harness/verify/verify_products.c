/* Sums of products: the value and the limit of every compared output.
 *
 * A sum of n products in any order, each product and each addition rounded, is within (n + 1) u S of the
 * exact value; S is the sum of the magnitudes. On zero-mean data the rounding errors are a random walk,
 * within 6 u sqrt(n) Q; Q is the 2-norm of the products. By chance, one sum in billions exceeds that limit:
 * if partial sums become large early, all later additions round coarsely. Such a sum is in
 * `verify gemm/packed_avx2 --problem 30x86:86x58 --layout nn --seed 20261124`: 1.08 of its limit. Products
 * added one by one in float32 give the same value. */
#include "ref.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* bfloat16 by round to nearest even, as the instructions convert. */
static float round_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The operands as the reference should see them: rounded where the variant's algebra says so. */
struct inputs {
    const float *t[ROLE_COUNT];
    float *owned[3];
};

static struct inputs inputs_of(const struct outcome *r)
{
    static const enum role rounded[3] = {SRC, WEIGHTS, DIFF_DST};
    struct inputs in = {0};
    memcpy(in.t, r->t, sizeof in.t);
    for (int i = 0; i < 3 && r->variant->algebra == BF16_PRODUCTS; i++) {
        const struct tensor_spec *t = outcome_spec(r, rounded[i]);
        if (!t)
            continue;
        int64_t n = tensor_logical(t);
        in.owned[i] = malloc((size_t)n * sizeof(float));
        if (!in.owned[i])
            abort();
        for (int64_t k = 0; k < n; k++)
            in.owned[i][k] = round_bf16(r->t[rounded[i]][k]);
        in.t[rounded[i]] = in.owned[i];
    }
    return in;
}

/* Limit of a plain sum. The last term is the possible error of products below the smallest normal number. */
static double limit_of(struct ref_sum s)
{
    double n = (double)s.n, worst = (n + 1) * U * s.abs, walk = SIGMAS * U * sqrt(n) * sqrt(s.sq);
    return (sum_walks(s.value, s.sq) ? fmin(worst, walk) : worst) + n * 0x1p-149;
}

static struct ref_sum winograd_limits(const struct outcome *r, const struct inputs *in,
                                      enum role role, struct ref_sum s, const int64_t x[4])
{
    int m = r->variant->algebra == WINOGRAD_F2 ? 2 : r->variant->algebra == WINOGRAD_F4 ? 4 : 0;
    if (!m || !winograd_applies(&r->problem))
        return s;
    if (role == DIFF_WEIGHTS) {
        struct ref_sum w =
            winograd_weights_sum_at(r, in->t[SRC], in->t[DIFF_DST], m, x[0], x[1], x[2], x[3]);
        w.value = s.value;
        return w;
    }
    if (role == DIFF_BIAS)
        return s;
    const float *image = in->t[r->op->pass == BACKWARD_DATA ? DIFF_DST : SRC];
    struct ref_sum w = winograd_sum_at(r, image, in->t[WEIGHTS], m, x[0], x[1], x[2], x[3]);
    bool biased = r->op->pass == FORWARD && !r->op->normalizes && in->t[BIAS];
    double bias = biased ? in->t[BIAS][x[1]] : 0;
    w.value = s.value;
    w.abs += fabs(bias);
    w.sq += bias * bias;
    return w;
}

/* Batch normalization behind the convolution: y = scale (conv + bias - mean) + beta with scale =
 * gamma / root. */
static void fold(const struct outcome *r, const struct inputs *in, struct ref_sum s, int64_t c,
                 double *value, double *limit)
{
    double gamma = in->t[GAMMA] ? in->t[GAMMA][c] : 1, beta = in->t[BETA] ? in->t[BETA][c] : 0;
    double bias = in->t[BIAS] ? in->t[BIAS][c] : 0, mean = in->t[MEAN][c];
    double scale = gamma / sqrt((double)in->t[VARIANCE][c] + r->problem.eps);
    *value = scale * (s.value + bias - mean) + beta;
    /* Each folded weight is rounded once more. The scale has the rounding errors of sum, root, division
     * and product, which all outputs of the channel share. */
    s.n += 2;
    *limit = fabs(scale) * limit_of(s) +
             U * (4 * fabs(scale) * (fabs(bias) + fabs(mean) + fabs(s.value)) + 2 * fabs(beta) +
                  2 * fabs(*value));
}

static void split(const struct tensor_spec *t, int64_t at, int64_t x[4])
{
    for (int d = t->ndim - 1; d >= 0; d--) {
        x[d] = at % t->dims[d];
        at /= t->dims[d];
    }
}

static void evaluate(const struct outcome *r, const struct inputs *in, struct expected *e,
                     int64_t i)
{
    const struct conv *c = &r->problem.conv;
    struct ref_sum s = {0};
    int64_t x[4] = {0};
    split(outcome_spec(r, e->role), expected_at(e, i), x);
    const struct op *op = r->op;
    const float *src = in->t[SRC], *weights = in->t[WEIGHTS], *diff_dst = in->t[DIFF_DST];
    if (op->kind == PROBLEM_GEMM)
        s = gemm_ref_at(&r->problem.gemm, r->formats.src, src, weights, in->t[BIAS], x[0], x[1]);
    else if (op->pass == BACKWARD_DATA)
        s = conv_bwd_data_ref_at(c, diff_dst, weights, x[0], x[1], x[2], x[3]);
    else if (e->role == DIFF_BIAS)
        s = conv_bwd_bias_ref_at(c, diff_dst, x[0]);
    else if (op->pass == BACKWARD_WEIGHTS)
        s = conv_bwd_weights_ref_at(c, src, diff_dst, x[0], x[1], x[2], x[3]);
    else
        s = conv_fwd_ref_at(c, src, weights, op->normalizes ? NULL : in->t[BIAS], x[0], x[1], x[2],
                            x[3]);
    bool exact = r->fill == FILL_INTEGER, beyond = s.abs > 0x1p24;
    if (!exact)
        s = winograd_limits(r, in, e->role, s, x);
    e->value[i] = s.value;
    e->limit[i] = limit_of(s);
    if (op->normalizes)
        fold(r, in, s, x[1], &e->value[i], &e->limit[i]);
    if (!exact)
        return;
    e->limit[i] = beyond ? -1 : 0;
    if (s.n > 0 && s.value == 0) {
#pragma omp atomic
        e->zeros++;
    }
}

/* Counts coordinates that prove little: an exact zero from n > 0 products, or a limit as large as the
 * values. */
static int64_t count_vacuous(const struct expected *e, bool exact)
{
    double square = 0;
    int64_t vacuous = 0;
    for (int64_t i = 0; i < e->count; i++)
        square += e->value[i] * e->value[i];
    double typical = sqrt(square / (double)e->count);
    for (int64_t i = 0; i < e->count; i++)
        vacuous += exact ? e->limit[i] < 0 : typical > 0 && e->limit[i] > typical;
    return vacuous;
}

/* Statistics of a convolution's outputs. Variants must sum them tile by tile: no sum of the statistics is
 * longer than a tile, this many values. */
enum { STATISTICS_TILE = 256 };

/* The number of channels in a sample, and of the pixels of a channel whose limits represent all. */
enum { STATISTICS_CHANNELS = 4, STATISTICS_LIMITS = 128 };

/* The limits of the mean m of y[n] and of the variance v. Each y may have an error e, at most its limit as
 * an output of the convolution. That changes the mean by the mean of e, and the variance by
 * 2 cov(y, e) + var e <= 2 std rms + rms^2. Rounding in the statistics themselves, with sums of at most a
 * tile, is added. */
static void statistics_limits(double m, double v, int64_t n, double mean_e, double square_e,
                              double *mean_limit, double *variance_limit)
{
    double run = (double)min_i64(n, STATISTICS_TILE), std = sqrt(v);
    double steps = fmin(run, SIGMAS * sqrt(run)) + 4, floor = 0x1p-147;
    double dm = mean_e + steps * U * (fabs(m) + std) + floor;
    *mean_limit = dm;
    *variance_limit = 2 * std * sqrt(square_e) + square_e + steps * U * (v + dm * dm) + dm * dm +
                      SIGMAS * std * U * fabs(m) + floor;
}

/* Mean and variance of dst: whole channels, all of them or a sample no larger than that of dst. */
static void expect_statistics(const struct outcome *r, const struct inputs *in,
                              struct expectation *x, bool large)
{
    const struct conv *c = &r->problem.conv;
    const int64_t plane = c->oh * c->ow, n = c->mb * plane;
    const int64_t step = div_up(n, STATISTICS_LIMITS) | 1; /* odd: meets all columns of an image */
    struct outcome few = *r;
    if (r->max_coordinates)
        few.max_coordinates = max_i64(r->max_coordinates / n, STATISTICS_CHANNELS);
    struct expected *mean = expect_output(x, &few, MEAN),
                    *variance = expect_output(x, &few, VARIANCE);
    double *y = malloc((size_t)n * sizeof *y), *e = calloc((size_t)n, sizeof *e);
    if (!y || !e)
        abort();
    for (int64_t i = 0; i < mean->count; i++) {
        const int64_t oc = expected_at(mean, i), limits = div_up(n, step);
        if (variance->at)
            variance->at[i] = oc;
#pragma omp parallel for schedule(dynamic, 1) if (large)
        for (int64_t image = 0; image < c->mb; image++)
            conv_fwd_ref_plane(c, in->t[SRC], in->t[WEIGHTS], in->t[BIAS], image, oc,
                               y + image * plane);
#pragma omp parallel for schedule(dynamic, 1) if (large)
        for (int64_t k = 0; k < n; k += step) {
            const int64_t at[4] = {k / plane, oc, k % plane / c->ow, k % c->ow};
            if (r->fill == FILL_INTEGER)
                continue;
            struct ref_sum s = conv_fwd_ref_at(c, in->t[SRC], in->t[WEIGHTS], in->t[BIAS], at[0],
                                               at[1], at[2], at[3]);
            e[k / step] = limit_of(winograd_limits(r, in, DST, s, at));
        }
        double sum = 0, m2 = 0, sum_e = 0, squares_e = 0;
        for (int64_t k = 0; k < n; k++)
            sum += y[k];
        double m = sum / (double)n;
        for (int64_t k = 0; k < n; k++)
            m2 += (y[k] - m) * (y[k] - m);
        for (int64_t k = 0; k < limits; k++) {
            sum_e += e[k];
            squares_e += e[k] * e[k];
        }
        mean->value[i] = m;
        variance->value[i] = m2 / (double)n;
        statistics_limits(m, variance->value[i], n, sum_e / (double)limits,
                          squares_e / (double)limits, &mean->limit[i], &variance->limit[i]);
    }
    free(y);
    free(e);
    mean->vacuous = count_vacuous(mean, r->fill == FILL_INTEGER);
    variance->vacuous = count_vacuous(variance, r->fill == FILL_INTEGER);
}

static struct expectation compute(const struct outcome *r)
{
    struct expectation x = {0};
    struct inputs in = inputs_of(r);
    /* A team costs more than it gains on the small problems that are most. */
    bool large = r->op->cost(&r->problem).flops_nominal > 4e6;
    for (int k = 0; k < r->count; k++) {
        if (!r->specs[k].output || r->specs[k].role == MEAN || r->specs[k].role == VARIANCE)
            continue;
        struct expected *e = expect_output(&x, r, r->specs[k].role);
#pragma omp parallel for schedule(dynamic, 16) if (large)
        for (int64_t i = 0; i < e->count; i++)
            evaluate(r, &in, e, i);
        e->vacuous = count_vacuous(e, r->fill == FILL_INTEGER);
    }
    if (r->op->statistics)
        expect_statistics(r, &in, &x, large);
    for (int i = 0; i < 3; i++)
        free(in.owned[i]);
    return x;
}

/* A cache of the references of the last few (operation, problem, data): many variants in turn are compared
 * with the same one. The inputs depend only on the key, and a check before has shown that the kernel left
 * them unchanged. */
enum { SLOTS = 9 };
struct key {
    const struct op *op;
    struct problem problem;
    enum layout gemm;
    uint64_t seed;
    enum fill fill;
    enum algebra algebra;
    bool optional;
    int special;
    int64_t max_coordinates;
};

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->op == b->op && a->gemm == b->gemm && a->seed == b->seed && a->fill == b->fill &&
           a->algebra == b->algebra && a->optional == b->optional && a->special == b->special &&
           a->max_coordinates == b->max_coordinates && problem_equal(&a->problem, &b->problem);
}

struct expectation expect_products(const struct outcome *r)
{
    static struct {
        struct key key;
        struct expectation x;
    } cache[SLOTS];
    static int next;
    bool exact = r->fill == FILL_INTEGER;
    struct key key = {.op = r->op,
                      .problem = r->problem,
                      .gemm = r->problem.kind == PROBLEM_GEMM ? r->formats.src : LAYOUT_NONE,
                      .seed = r->seed,
                      .fill = r->fill,
                      /* Integers are exact in any algebra. */
                      .algebra = exact ? SUM_OF_PRODUCTS : r->variant->algebra,
                      .optional = r->t[BIAS] || r->t[DIFF_BIAS] || r->t[GAMMA],
                      .special = r->special,
                      .max_coordinates = r->max_coordinates};
    for (int i = 0; i < SLOTS; i++)
        if (cache[i].key.op && key_equal(&cache[i].key, &key))
            return cache[i].x;
    int slot = next++ % SLOTS;
    cache[slot].x.shared = false;
    expectation_free(&cache[slot].x);
    cache[slot].key = key;
    cache[slot].x = compute(r);
    cache[slot].x.shared = true;
    return cache[slot].x;
}
