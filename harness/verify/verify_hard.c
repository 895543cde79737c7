/* The hard gate: BN data that bad formulas fail on. Convolutions: a mean far from zero, and inf and NaN. */
#include "core/rng.h"
#include "verify/verify_parts.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum hard { HARD_RATIO, HARD_CONSTANT, HARD_TINY, HARD_NARROW };

struct hard_data {
    enum hard kind;
    double ratio; /* mean over standard deviation */
    uint64_t seed;
};

/* Roughly normal: the sum of twelve uniforms has variance 1. */
static double normal_at(uint64_t seed, uint64_t index)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)rng_unit(rng_at(seed, 200 + (uint64_t)i, index));
    return sum;
}

static double hard_value(const struct hard_data *h, int64_t c, int64_t at)
{
    double x = normal_at(h->seed, (uint64_t)at), sign = c % 2 ? -1 : 1;
    switch (h->kind) {
    case HARD_RATIO: return x + sign * h->ratio * (1 + 0.01 * (double)(c % 7));
    case HARD_CONSTANT: return sign * (3.7 + (double)(c % 5)) * h->ratio;
    case HARD_TINY: return x * 1e-40;
    case HARD_NARROW: return x * 1e-3;
    }
    return 0;
}

/* src, and with it mean and variance where they are inputs. One channel has gamma 0. */
static void hard_adjust(struct operands *o, const void *how)
{
    const struct hard_data *h = how;
    const struct bn *p = &o->problem.bn;
    int64_t hw = p->ih * p->iw, n = p->mb * hw;
    float *x = must(malloc((size_t)(n * p->ic) * sizeof *x));
    float *mean = must(malloc((size_t)p->ic * sizeof *mean)),
          *variance = must(malloc((size_t)p->ic * sizeof *mean));
#pragma omp parallel for schedule(static) if (n * p->ic > 1 << 16)
    for (int64_t c = 0; c < p->ic; c++) {
        double sum = 0, m2 = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (i / hw * p->ic + c) * hw + i % hw;
            x[at] = (float)hard_value(h, c, at);
            sum += (double)x[at];
        }
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[(i / hw * p->ic + c) * hw + i % hw] - sum / (double)n;
            m2 += d * d;
        }
        mean[c] = (float)(sum / (double)n);
        variance[c] = (float)(m2 / (double)n);
    }
    operands_set(o, SRC, x);
    int at = operands_find(o, MEAN);
    if (!o->specs[at].output) {
        operands_set(o, MEAN, mean);
        operands_set(o, VARIANCE, variance);
    }
    if (o->args.t[GAMMA] && p->ic > 2)
        o->args.t[GAMMA][1] = 0;
    free(x);
    free(mean);
    free(variance);
}

/* A NaN in the first channel and, where there are more, an infinity in the last. */
static void poison(struct operands *o, const void *how)
{
    const struct hard_data *h = how;
    const struct bn *p = &o->problem.bn;
    int64_t hw = p->ih * p->iw, n = p->mb * hw;
    float *x = must(malloc((size_t)(n * p->ic) * sizeof *x));
    operands_get(o, SRC, x);
    for (int64_t k = 0; k < min_i64(2, p->ic); k++) {
        int64_t c = k ? p->ic - 1 : 0,
                i = (int64_t)(rng_at(h->seed, 300, (uint64_t)k) % (uint64_t)n);
        x[(i / hw * p->ic + c) * hw + i % hw] = k ? INFINITY : NAN;
    }
    operands_set(o, SRC, x);
    free(x);
}

/* Is an output finite that must be NaN or infinite because of its inputs? Outputs of other channels are
 * compared with their limits. */
static bool poison_gate(struct check *k)
{
    struct hard_data how = {.seed = k->c->seed};
    struct setup s = check_setup(k);
    struct outcome r;
    char text[COORDINATE_TEXT];
    s.adjust = poison;
    s.how = &how;
    s.poisoned = true;
    if (!check_call(k, &s, &r))
        return false;
    const struct bn *p = &s.problem.bn;
    bool good = true;
    int64_t left_out = k->left_out;
    struct expectation x = expect_bn(&r, BN_BOUND);
    for (int i = 0; i < x.count && good; i++) {
        struct expected *e = &x.e[i];
        const struct tensor_spec *t = outcome_spec(&r, e->role);
        const bool activation = t->ndim == 4;
        const int64_t hw = activation ? t->dims[2] * t->dims[3] : 1;
        for (int64_t j = 0; j < e->count && good; j++) {
            int64_t at = expected_at(e, j), c = activation ? at / hw % p->ic : at;
            if (c != 0 && c != p->ic - 1)
                continue;
            float got = r.t[e->role][at];
            /* max(0, y) of a NaN or of -inf may be 0, and a masked gradient is. */
            bool exempt = k->op->relu && e->role != MEAN;
            bool reached = !exempt && (k->op->statistics || e->role == DIFF_GAMMA ||
                                       (activation && !isfinite(r.t[SRC][at])));
            if (c == 0 && e->role == MEAN && !isnan(got))
                good = check_fail(k, "NaN in src: %s is %.9g, should be NaN",
                                  coordinate(outcome_spec(&r, e->role), at, text), (double)got);
            else if (reached && e->role != VARIANCE && isfinite(got))
                good = check_fail(k, "%s in src: %s is %.9g, should not be finite",
                                  c == 0 ? "NaN" : "inf",
                                  coordinate(outcome_spec(&r, e->role), at, text), (double)got);
            e->limit[j] = -1;
        }
    }
    if (good)
        good = check_accept(k, &r, x, "beside channels with NaN and inf:");
    else
        expectation_free(&x);
    k->left_out = left_out; /* on purpose */
    outcome_free(&r);
    return good;
}

/* A constant channel is outside the domain of a variant that declares one. Such a variant must only not
 * return NaN. */
static bool constant_gate(struct check *k, double domain)
{
    enum bn_rule rule = domain > 0 ? BN_BOUND : BN_STRICT;
    struct hard_data how = {HARD_CONSTANT, domain > 0 ? 0 : 1, k->c->seed};
    struct setup s = check_setup(k);
    struct outcome r;
    s.adjust = hard_adjust;
    s.how = &how;
    if (!check_run(k, &s, rule, "constant channels:"))
        return false;
    if (domain <= 0)
        return true;
    how.ratio = 1;
    const char *gate = k->gate;
    if (!check_call(k, &s, &r))
        return false;
    k->gate = gate;
    outcome_free(&r);
    return true;
}

/* How far outside the two-pass limits a variant ends up on data beyond its domain. */
static bool violation(struct check *k, const struct setup *s, double *worst)
{
    struct outcome r;
    struct check aside = *k;
    struct setup beyond = *s;
    beyond.poisoned = true; /* NaN is a way to be wrong too */
    if (!check_call(k, &beyond, &r))
        return false;
    struct expectation x = expect_bn(&r, BN_STRICT);
    *worst = fmax(*worst, check_compare(&aside, &r, &x).worst);
    expectation_free(&x);
    outcome_free(&r);
    return true;
}

/* Statistics of a convolution whose bias is far from zero: sums of squares lose the variance. */
static bool far_gate(struct check *k)
{
    /* A few values may lie close together by chance, and then the limit of their variance says nothing. */
    const struct conv *c = &k->c->problem.conv;
    if (c->mb * c->oh * c->ow < 16)
        return true;
    struct setup s = check_setup(k);
    s.fill = FILL_FAR;
    return check_run(k, &s, BN_BOUND, "mean/std 1e4:");
}

bool hard_gate(struct check *k)
{
    static const double ratios[] = {1, 1e2, 1e4, 1e6}, epsilons[] = {1e-12, 1e-3, 1};
    if (k->c->problem.kind == PROBLEM_CONV) {
        check_enter(k, "hard");
        return (!k->op->statistics || far_gate(k)) && special_gate(k);
    }
    if (!k->op->normalizes)
        return true;
    /* Without an eps that float32 holds, a variance of nothing leaves 0 / 0. */
    const struct bn *b = &k->c->problem.bn;
    const int64_t values = b->mb * b->ih * b->iw;
    bool no_eps = k->c->problem.eps < (double)FLT_MIN;
    if (no_eps && values == 1)
        return true;
    check_enter(k, "hard");
    bool light = k->c->max_coordinates > 0;
    double domain = k->v->max_mean_over_std, outside = 0;
    /* Who claims no bound on mean/std gets no allowance for sums of squares. */
    enum bn_rule rule = domain > 0 ? BN_BOUND : BN_STRICT;
    bool tried_outside = false;
    char what[64];
    struct setup s = check_setup(k);
    struct hard_data how = {.seed = k->c->seed};
    s.adjust = hard_adjust;
    s.how = &how;
    for (int i = light ? 1 : 0; i < 4; i += light ? 2 : 1) {
        how.ratio = ratios[i];
        snprintf(what, sizeof what, "mean/std %g:", how.ratio);
        if (domain <= 0 || how.ratio <= domain) {
            if (!check_run(k, &s, rule, what))
                return false;
        } else if (how.ratio >= 10 * domain && values <= 1 << 20) {
            /* Of longer sums float32 holds so little that no wrong formula is far from the right one. */
            tried_outside = true;
            if (!violation(k, &s, &outside))
                return false;
        }
    }
    bool infer = k->op->pass == FORWARD && !k->op->statistics;
    if (tried_outside && !infer && outside <= 1)
        return check_fail(
            k,
            "declares a domain of mean/std up to %g, yet passes far outside it (error/limit %.3g): "
            "raise max_mean_over_std",
            domain, outside);
    if (!poison_gate(k))
        return false;
    if (light)
        return true;
    if (!no_eps) {
        if (!constant_gate(k, domain))
            return false;
        how.kind = HARD_TINY;
        if (!check_run(k, &s, BN_BOUND, "denormals:"))
            return false;
    }
    how.kind = HARD_NARROW;
    for (int i = 0; i < 3; i++) {
        s.problem.eps = epsilons[i];
        snprintf(what, sizeof what, "std 1e-3, eps %g:", epsilons[i]);
        if (!check_run(k, &s, rule, what))
            return false;
    }
    return true;
}
