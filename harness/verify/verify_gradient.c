/* The backward references against numerical gradients of the forward ones.
 *
 * With random weights k on the outputs, L(x) = sum k y(x); the backward pass for diff_dst = k is
 * its gradient. The derivative is taken by the 4-point formula (8 (L(+h) - L(-h)) - (L(+2h) -
 * L(-2h))) / 12 h, whose error goes with h^4. The inputs are multiples of 2^-10, so that x + h is
 * exact in float32. */
#include "core/rng.h"
#include "ref.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP 0x1p-8
#define GRID 0x1p-10
/* Truncation of the formula and the float32 outputs, relative to the gradient's typical size. */
#define TOLERANCE 2e-6
enum { MAX_WORK = 200000, COORDINATES = 48 };

static double forward_work(const struct problem *p)
{
    if (p->kind == PROBLEM_BN)
        return (double)(p->bn.mb * p->bn.ic * p->bn.ih) * (double)p->bn.iw;
    const struct conv *c = &p->conv;
    return (double)(c->mb * c->oc * c->oh * c->ow) * (double)(c->ic / c->g * c->kh * c->kw);
}

bool gradient_applies(const struct entry *e, const struct problem *p)
{
    return e->rung == 0 && !strcmp(e->name, "ref") && op_find(e->op)->pass != FORWARD &&
           forward_work(p) <= MAX_WORK;
}

void gradient_quantise(struct operands *o, const void *unused)
{
    (void)unused;
    for (int i = 0; i < o->count; i++) {
        enum role role = o->specs[i].role;
        if (role == SRC || role == WEIGHTS || role == GAMMA || role == BETA)
            for (int64_t k = 0; k < tensor_physical(&o->specs[i]); k++)
                o->args.t[role][k] = (float)(nearbyint(o->args.t[role][k] / GRID) * GRID);
    }
    int src = operands_find(o, SRC);
    if (o->problem.kind != PROBLEM_BN || src < 0)
        return;
    /* The references take nchw only, so src lies plain. */
    for (int64_t c = 0; c < o->problem.bn.ic; c++) {
        struct bn_ref_stats s = bn_ref_stats(&o->problem.bn, o->args.t[SRC], c);
        o->args.t[MEAN][c] = (float)s.mean;
        o->args.t[VARIANCE][c] = (float)s.variance;
    }
}

/* The backward pass gets the channel's statistics rounded to float32. So it may decide a ReLU differently
 * if the argument is nearer to zero than this. */
#define UNDECIDED 1e-5

/* The inputs of the forward pass; one value at a time is moved. */
struct forward {
    const struct outcome *r;
    float *t[ROLE_COUNT];
    int64_t channel; /* of the value moved, BN */
    bool *
        passes; /* of a ReLU: the channel's values that it passed before anything was moved; else NULL */
};

/* The sum L over the outputs. A ReLU keeps the decisions in `passes`. Close enough to the present values
 * they would not change, so the derivative is the same; and a step of finite length crosses no threshold. */
static double loss(const struct forward *f)
{
    const struct outcome *r = f->r;
    double sum = 0;
    if (r->problem.kind == PROBLEM_BN) {
        const struct bn *p = &r->problem.bn;
        int64_t hw = p->ih * p->iw, c = f->channel;
        struct bn_ref_stats s = bn_ref_stats(p, f->t[SRC], c);
        double gamma = f->t[GAMMA] ? f->t[GAMMA][c] : 1, beta = f->t[BETA] ? f->t[BETA][c] : 0;
        for (int64_t i = 0; i < p->mb * hw; i++) {
            int64_t at = (i / hw * p->ic + c) * hw + i % hw;
            double y = bn_ref_apply(f->t[SRC][at], s.mean, s.variance, r->problem.eps, gamma, beta);
            sum += r->t[DIFF_DST][at] * (f->passes && !f->passes[i] ? 0 : y);
        }
        return sum;
    }
    const struct conv *c = &r->problem.conv;
    int64_t at = 0;
    for (int64_t n = 0; n < c->mb; n++)
        for (int64_t oc = 0; oc < c->oc; oc++)
            for (int64_t oh = 0; oh < c->oh; oh++)
                for (int64_t ow = 0; ow < c->ow; ow++)
                    sum += r->t[DIFF_DST][at++] *
                           conv_fwd_ref_at(c, f->t[SRC], f->t[WEIGHTS], f->t[BIAS], n, oc, oh, ow)
                               .value;
    return sum;
}

/* What the ReLU decides in f->channel, into f->passes. False where a value is too near to zero to tell. */
static bool decide(struct forward *f)
{
    const struct bn *p = &f->r->problem.bn;
    const int64_t hw = p->ih * p->iw, c = f->channel;
    const struct bn_ref_stats s = bn_ref_stats(p, f->t[SRC], c);
    const double gamma = f->t[GAMMA] ? f->t[GAMMA][c] : 1, beta = f->t[BETA] ? f->t[BETA][c] : 0;
    bool decided = true;
    for (int64_t i = 0; i < p->mb * hw; i++) {
        const float x = f->t[SRC][(i / hw * p->ic + c) * hw + i % hw];
        const double y = bn_ref_apply(x, s.mean, s.variance, f->r->problem.eps, gamma, beta);
        f->passes[i] = y > 0;
        decided &= fabs(y) > UNDECIDED;
    }
    return decided;
}

/* The derivative along one value. */
static double derivative(const struct forward *f, float *moved, double step)
{
    static const double steps[4] = {1, -1, 2, -2}, weights[4] = {8, -8, -1, 1};
    const float at = *moved;
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        *moved = (float)(at + steps[k] * step);
        sum += weights[k] * loss(f);
    }
    *moved = at;
    return sum / (12 * step);
}

/* The input whose gradient an output is. */
static enum role input_of(enum role gradient)
{
    switch (gradient) {
    case DIFF_SRC: return SRC;
    case DIFF_WEIGHTS: return WEIGHTS;
    case DIFF_BIAS: return BIAS;
    case DIFF_GAMMA: return GAMMA;
    default: return BETA;
    }
}

/* A copy of an input, or of random values where the backward pass has no such operand. */
static float *input_copy(const struct outcome *r, enum role role, int64_t n)
{
    float *t = malloc((size_t)n * sizeof *t);
    if (!t)
        abort();
    for (int64_t i = 0; i < n; i++)
        t[i] = r->t[role]
                   ? r->t[role][i]
                   : (float)(GRID *
                             (double)((int64_t)(rng_at(r->seed, role, (uint64_t)i) % 1024) - 512));
    return t;
}

static struct expectation gradients(const struct outcome *r, bool relu, int64_t *left_out)
{
    struct expectation x = {0};
    struct forward f = {.r = r};
    const struct conv *c = &r->problem.conv;
    if (r->problem.kind == PROBLEM_BN) {
        f.t[SRC] = input_copy(r, SRC, (int64_t)forward_work(&r->problem));
        f.t[GAMMA] = r->t[GAMMA] ? input_copy(r, GAMMA, r->problem.bn.ic) : NULL;
        f.t[BETA] = input_copy(r, BETA, r->problem.bn.ic);
        if (relu && !(f.passes = calloc((size_t)forward_work(&r->problem), sizeof *f.passes)))
            abort();
    } else {
        f.t[SRC] = input_copy(r, SRC, c->mb * c->ic * c->ih * c->iw);
        f.t[WEIGHTS] = input_copy(r, WEIGHTS, c->oc * (c->ic / c->g) * c->kh * c->kw);
        f.t[BIAS] = input_copy(r, BIAS, c->oc);
    }
    struct outcome few = *r;
    few.max_coordinates = COORDINATES;
    for (int k = 0; k < r->count; k++) {
        if (!r->specs[k].output || !f.t[input_of(r->specs[k].role)])
            continue;
        struct expected *e = expect_output(&x, &few, r->specs[k].role);
        float *moved = f.t[input_of(e->role)];
        double largest = 0;
        for (int64_t i = 0; i < e->count; i++) {
            int64_t at = expected_at(e, i);
            f.channel = r->problem.kind != PROBLEM_BN ? 0
                        : e->role == DIFF_SRC
                            ? at / (r->problem.bn.ih * r->problem.bn.iw) % r->problem.bn.ic
                            : at;
            const bool decided = !f.passes || decide(&f);
            e->value[i] = derivative(&f, &moved[at], STEP / 2);
            e->limit[i] = decided ? fabs(derivative(&f, &moved[at], STEP) - e->value[i]) : -1;
            *left_out += !decided;
            largest = fmax(largest, decided ? fabs(e->value[i]) : 0);
        }
        for (int64_t i = 0; i < e->count; i++)
            e->limit[i] += e->limit[i] < 0 ? 0 : TOLERANCE * fmax(largest, 1);
    }
    free(f.passes);
    for (int i = 0; i < ROLE_COUNT; i++)
        free(f.t[i]);
    return x;
}

struct expectation expect_gradient(const struct outcome *r, int64_t *left_out)
{
    if (!r->op->pools)
        return gradients(r, r->op->relu, left_out);
    /* Once spread, the gradient holds the decisions of ReLU and maximum. */
    struct outcome spread = *r;
    spread.t[DIFF_DST] = spread_gradient(r);
    struct expectation x = gradients(&spread, false, left_out);
    free(spread.t[DIFF_DST]);
    return x;
}
