/* The gates: runs a variant on chosen data and compares. */
#include "verify.h"
#include "rng.h"
#include "team.h"

#include "limits.h"
#include "verify_parts.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gate_names[GATE_COUNT] = {"hygiene", "exact", "bound", "hard", "gradient"};
const char *const verdict_names[] = {"pass", "fail", "unsupported", "inapplicable", "mistrusted"};

static struct verify_status nobody_listens;
struct verify_status *verify_status = &nobody_listens;
const struct operands *volatile verify_operands;

unsigned gates_parse(const char *text)
{
    unsigned gates = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        unsigned bit = 0;
        for (int i = 0; i < GATE_COUNT; i++)
            if (strlen(gate_names[i]) == length && !strncmp(text, gate_names[i], length))
                bit = 1u << i;
        if (!bit)
            return 0;
        gates |= bit;
        text += length + (text[length] == ',');
    }
    return gates;
}

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
    void (*adjust)(struct operands *o, const void *how);
    const void *how;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct check *k, const char *format, ...)
{
    va_list list;
    k->out.kind = VERDICT_FAIL;
    snprintf(k->out.gate, sizeof k->out.gate, "%s", k->gate);
    va_start(list, format);
    vsnprintf(k->out.message, sizeof k->out.message, format, list);
    va_end(list);
    return false;
}

static void enter(struct check *k, const char *gate)
{
    k->gate = gate;
    k->ran = true;
    snprintf(verify_status->gate, sizeof verify_status->gate, "%s", gate);
}

/* "dst[0][3][1][2]" */
#define COORDINATE_TEXT 128
static char *coordinate(const struct tensor_spec *t, int64_t at, char text[COORDINATE_TEXT])
{
    int64_t x[4];
    for (int d = t->ndim - 1; d >= 0; d--) {
        x[d] = at % t->dims[d];
        at /= t->dims[d];
    }
    int used = snprintf(text, COORDINATE_TEXT, "%s", role_names[t->role]);
    for (int d = 0; d < t->ndim; d++)
        used += snprintf(text + used, (size_t)(COORDINATE_TEXT - used), "[%lld]", (long long)x[d]);
    return text;
}

/* One call, and the hygiene every call is held to */

struct snapshot {
    void *bytes[ROLE_COUNT];
};

static void *must(void *p)
{
    if (!p)
        abort(); /* the supervisor reports it */
    return p;
}

static void snapshot_take(struct snapshot *s, const struct operands *o, bool outputs)
{
    *s = (struct snapshot){0};
    for (int i = 0; i < o->count; i++)
        if (o->specs[i].output == outputs)
            s->bytes[i] = memcpy(must(malloc(o->buffers[i].bytes + 1)), o->buffers[i].data,
                                 o->buffers[i].bytes);
}

static void snapshot_free(struct snapshot *s)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        free(s->bytes[i]);
}

/* The first operand that differs from the snapshot, or -1; `word` is the first differing float. */
static int snapshot_differs(const struct snapshot *s, const struct operands *o, size_t *word)
{
    for (int i = 0; i < o->count; i++) {
        if (!s->bytes[i] || !memcmp(s->bytes[i], o->buffers[i].data, o->buffers[i].bytes))
            continue;
        *word = 0;
        while (!memcmp((char *)s->bytes[i] + 4 * *word, o->buffers[i].data + 4 * *word, 4))
            ++*word;
        return i;
    }
    return -1;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Unwritten values, NaN with its origin, and padded lanes. */
static bool outputs_clean(struct check *k, const struct setup *s, const struct operands *o,
                          const struct outcome *r)
{
    char text[COORDINATE_TEXT];
    for (int i = 0; i < o->count; i++) {
        const struct tensor_spec *t = &o->specs[i];
        if (!t->output)
            continue;
        const float *plain = r->t[t->role];
        for (int64_t at = 0; at < tensor_logical(t); at++) {
            if (!isnan(plain[at]))
                continue;
            uint32_t bits = bits_of(plain[at]);
            if (bits == NAN_OUTPUT)
                return fail(k,
                            "%s was never written: it still holds the NaN put there before the run",
                            coordinate(t, at, text));
            if (!s->poisoned)
                return fail(k, "%s is NaN%s", coordinate(t, at, text),
                            bits == NAN_SCRATCH  ? ": scratch was read before it was written"
                            : bits == NAN_CANARY ? ": memory outside a tensor was read"
                                                 : "");
        }
        if (t->layout != NCHW16C || t->dims[1] % 16 == 0)
            continue;
        int64_t hw = t->dims[2] * t->dims[3], blocks = div_up(t->dims[1], 16);
        for (int64_t n = 0; n < t->dims[0]; n++)
            for (int64_t j = 0; j < hw * 16; j++)
                if (j % 16 >= t->dims[1] % 16 &&
                    !(o->args.t[t->role][((n + 1) * blocks - 1) * hw * 16 + j] == 0))
                    return fail(k, "padded lane %lld of %s, image %lld, pixel %lld is not zero",
                                (long long)(j % 16), role_names[t->role], (long long)n,
                                (long long)(j / 16));
    }
    return true;
}

static void outcome_take(struct outcome *r, const struct operands *o)
{
    for (int i = 0; i < o->count; i++) {
        const struct tensor_spec *t = &o->specs[i];
        if (!r->t[t->role])
            r->t[t->role] = must(malloc((size_t)tensor_logical(t) * sizeof(float)));
        operands_get(o, t->role, r->t[t->role]);
    }
}

static void outcome_free(struct outcome *r)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        free(r->t[i]);
}

static void run_once(struct check *k, struct operands *o)
{
    verify_operands = o;
    k->v->run(&o->args);
    if (k->v->finish)
        k->v->finish(&o->args);
    verify_operands = NULL;
    verify_status->beats++;
}

/* Runs the variant, repeatedly where asked, and checks all that holds for any data. */
static bool run_checked(struct check *k, const struct setup *s, struct operands *o,
                        struct outcome *r)
{
    struct snapshot inputs, first = {0};
    size_t word;
    bool good = true;
    const char *gate = k->gate;
    snapshot_take(&inputs, o, false);
    for (int run = 0; good && run <= s->repeats; run++) {
        if (run > 0)
            operands_reset(o);
        run_once(k, o);
        k->gate = gate_names[0];
        const char *damaged = operands_damage(o);
        int changed = snapshot_differs(&inputs, o, &word);
        if (damaged) {
            good = fail(k, "memory just outside %s was overwritten", damaged);
        } else if (changed >= 0) {
            good = fail(k, "the input %s was modified, first at float %zu of its memory",
                        role_names[o->specs[changed].role], word);
        } else if (run == 0) {
            outcome_take(r, o);
            good = outputs_clean(k, s, o, r);
            if (good && s->repeats)
                snapshot_take(&first, o, true);
        } else if ((changed = snapshot_differs(&first, o, &word)) >= 0) {
            good = fail(k,
                        "run %d on the same data and threads gave other bits than the first: %s "
                        "differs first at float %zu",
                        run + 1, role_names[o->specs[changed].role], word);
        }
    }
    k->gate = good ? gate : k->gate;
    snapshot_free(&inputs);
    snapshot_free(&first);
    return good;
}

/* False: the verdict is set. True: `r` holds the plain operands, to be freed by outcome_free. */
static bool call(struct check *k, const struct setup *s, struct outcome *r)
{
    struct operands o;
    char error[ERROR_TEXT];
    *r = (struct outcome){.op = k->op,
                          .variant = k->v,
                          .problem = s->problem,
                          .formats = k->c->formats,
                          .seed = k->c->seed,
                          .fill = s->fill,
                          .max_coordinates = k->c->max_coordinates};
    if (!operands_make(&o, k->op, k->v, &s->problem, k->c->formats, s->hints, s->flags, error)) {
        k->out.kind = VERDICT_UNSUPPORTED;
        snprintf(k->out.message, sizeof k->out.message, "%s", error);
        return false;
    }
    memcpy(r->specs, o.specs, sizeof r->specs);
    r->count = o.count;
    operands_fill(&o, k->op, k->c->seed, s->fill);
    if (s->adjust)
        s->adjust(&o, s->how);
    if (k->v->prepare)
        o.args.handle = k->v->prepare(&o.args);
    bool good = run_checked(k, s, &o, r);
    if (k->v->release && o.args.handle)
        k->v->release(o.args.handle);
    operands_free(&o);
    if (!good)
        outcome_free(r);
    return good;
}

/* Comparison */

struct comparison {
    double worst; /* the largest error over limit; infinite for a wrong exact value or NaN */
    int64_t failures;
    enum role role; /* of the first failure */
    int64_t at;
    double value, got, ratio;
};

static struct comparison compare(struct check *k, const struct outcome *r,
                                 const struct expectation *x)
{
    struct comparison c = {0};
    for (int i = 0; i < x->count; i++) {
        const struct expected *e = &x->e[i];
        for (int64_t j = 0; j < e->count; j++) {
            int64_t at = expected_at(e, j);
            float got = r->t[e->role][at];
            if (e->limit[j] < 0) {
                k->left_out++;
                continue;
            }
            k->compared++;
            double ratio = 0;
            if (e->limit[j] == 0)
                ratio = got == (float)e->value[j] ? 0 : INFINITY;
            else if (got != e->value[j])
                ratio = isnan(got) ? INFINITY : fabs(got - e->value[j]) / e->limit[j];
            c.worst = fmax(c.worst, ratio);
            if (!(ratio <= 1) && !c.failures++)
                c = (struct comparison){c.worst, 1, e->role, at, e->value[j], got, ratio};
        }
    }
    return c;
}

/* Compares, frees the expectation, and sets the verdict where something is off. */
static bool accept(struct check *k, const struct outcome *r, struct expectation x, const char *what)
{
    struct comparison c = compare(k, r, &x);
    char text[COORDINATE_TEXT];
    if (isfinite(c.worst) || c.failures)
        k->out.err_over_limit = fmax(k->out.err_over_limit, c.worst);
    for (int i = 0; i < x.count; i++) {
        const struct expected *e = &x.e[i];
        if (2 * e->vacuous > e->count && e->count >= 16)
            k->mistrust = "for most coordinates the limit is as large as the values";
        if (10 * e->zeros > 6 * e->count && e->count >= 16)
            k->mistrust = "most of the exact sums are zero";
    }
    expectation_free(&x);
    verify_status->beats++;
    if (!c.failures)
        return true;
    const char *s = what[0] ? " " : "";
    return fail(k,
                "%s%s%s expected %.9g, got %.9g, error/limit %.3g (%lld of %lld compared are off)",
                what, s, coordinate(outcome_spec(r, c.role), c.at, text), c.value, c.got, c.ratio,
                (long long)c.failures, (long long)k->compared);
}

static bool is_products(const struct problem *p)
{
    return p->kind == PROBLEM_CONV || p->kind == PROBLEM_GEMM;
}

static bool is_bn(const struct op *op)
{
    return !strncmp(op->name, "bn_", 3);
}

static struct setup plain_setup(const struct check *k)
{
    /* Guard pages are the hygiene gate's: an emulator may touch the lanes a masked load leaves out. */
    return (struct setup){.problem = k->c->problem,
                          .hints = k->c->hints,
                          .flags = k->c->gates & GATE_HYGIENE ? OPERANDS_GUARDED : 0};
}

/* Runs one setup and compares with the reference. */
static bool run_and_compare(struct check *k, const struct setup *s, enum bn_rule rule,
                            const char *what)
{
    struct outcome r;
    int64_t before = k->compared;
    if (!call(k, s, &r))
        return false;
    if (is_products(&s->problem) && k->v->algebra >= WINOGRAD_F2 && k->v->algebra <= WINOGRAD_F4 &&
        s->fill != FILL_INTEGER) {
        /* The limit of one output costs a tile per channel, that of a weight every tile of two. */
        const int64_t tiles = 1 << 17, fewest = 64;
        int64_t most = 2048;
        if (!strcmp(k->op->name, "conv_bwd_weights"))
            most = max_i64(fewest, min_i64(most, tiles / winograd_tiles(&s->problem.conv, 4)));
        r.max_coordinates = r.max_coordinates ? min_i64(r.max_coordinates, most) : most;
    }
    struct expectation x = is_products(&s->problem) ? expect_products(&r)
                           : is_bn(k->op)           ? expect_bn(&r, rule)
                                                    : expect_simple(&r);
    bool good = accept(k, &r, x, what);
    if (k->compared == before)
        k->mistrust = "no value could be compared";
    outcome_free(&r);
    return good;
}

/* Gates */

/* The same bits as `base` from a run set up otherwise. */
static bool same_bits(struct check *k, const struct outcome *base, const struct setup *s,
                      const char *what)
{
    struct outcome r;
    char text[COORDINATE_TEXT];
    if (!call(k, s, &r))
        return false;
    bool good = true;
    for (int i = 0; good && i < r.count; i++) {
        const struct tensor_spec *t = &r.specs[i];
        int64_t n = t->output ? tensor_logical(t) : 0;
        for (int64_t at = 0; good && at < n; at++)
            if (bits_of(r.t[t->role][at]) != bits_of(base->t[t->role][at]))
                good = fail(k, "%s changes the bits: %s is %.9g, was %.9g", what,
                            coordinate(t, at, text), (double)r.t[t->role][at],
                            (double)base->t[t->role][at]);
    }
    outcome_free(&r);
    return good;
}

static bool hygiene_gate(struct check *k)
{
    struct setup s = plain_setup(k);
    struct outcome base;
    bool light = k->c->max_coordinates > 0;
    enter(k, "hygiene");
    s.repeats = s.hints.threads > 1 && !light ? 4 : 1;
    if (!call(k, &s, &base))
        return false;
    s.repeats = 0;
    bool good = true;
    if (!light) {
        s.flags = OPERANDS_GUARDED | OPERANDS_ODD;
        good = same_bits(k, &base, &s, "moving tensors to odd 4-byte addresses");
        s.flags = OPERANDS_GUARDED | OPERANDS_FRONT;
        good = good && same_bits(k, &base, &s, "moving tensors to the start of a page");
        s.flags = OPERANDS_GUARDED | OPERANDS_ODD;
        s.hints = (struct hints){s.hints.threads, 4096, 8192, 16384, true};
        good = good && same_bits(k, &base, &s, "hinting at other caches");
        /* Only whole aligned vectors go past the cache. */
        s.flags = OPERANDS_GUARDED;
        s.hints.keep = false;
        good =
            good && same_bits(k, &base, &s, "hinting at small caches and a result not read soon");
        s.hints = k->c->hints;
        s.flags = OPERANDS_GUARDED;
    }
    for (int t = 1;
         t <= min_i64(3, team_known()) && good && k->v->parallel && k->v->thread_invariant; t++) {
        char what[64];
        snprintf(what, sizeof what, "running with %d threads instead of %d", t,
                 k->c->hints.threads);
        s.hints.threads = t;
        if (t != k->c->hints.threads)
            good = same_bits(k, &base, &s, what);
    }
    outcome_free(&base);
    return good;
}

static bool exact_gate(struct check *k)
{
    bool products = is_products(&k->c->problem);
    if (products && k->v->algebra == WINOGRAD_F4)
        return true;
    struct setup s = plain_setup(k);
    s.fill = FILL_INTEGER;
    /* With integer statistics a root without eps is exact too. */
    bool train = strstr(k->op->name, "fwd_train");
    if ((is_bn(k->op) && !train) || !strcmp(k->op->name, "conv_bn_infer"))
        s.problem.eps = 0;
    if (train) {
        /* Mirrored data needs room for n (centre + deviation)^2, at least n. */
        const struct bn *b = &k->c->problem.bn;
        if (b->mb * b->ih * b->iw > 1 << 24)
            return true;
    }
    enter(k, "exact");
    return run_and_compare(k, &s, BN_EXACT, "");
}

static bool has_optional(const struct check *k)
{
    struct tensor_spec specs[ROLE_COUNT];
    int count = k->op->tensors(&k->c->problem, k->c->formats, specs);
    for (int i = 0; i < count; i++)
        if (specs[i].optional)
            return true;
    return false;
}

static bool bound_gate(struct check *k)
{
    if (k->c->problem.kind == PROBLEM_ITERATIONS || !strcmp(k->op->name, "copy") ||
        !strcmp(k->op->name, "reorder"))
        return true; /* nothing is rounded: the exact gate says it all */
    enter(k, "bound");
    struct setup s = plain_setup(k);
    s.flags |= OPERANDS_ODD;
    int64_t before = k->compared;
    if (!run_and_compare(k, &s, BN_BOUND, ""))
        return false;
    if (10 * k->left_out > k->compared - before + k->left_out)
        k->mistrust = "the ReLU is undecided at more than a tenth of the points";
    s.flags |= OPERANDS_NO_OPTIONAL;
    if (has_optional(k) && !run_and_compare(k, &s, BN_BOUND, "without optional operands:"))
        return false;
    s.fill = FILL_IMPULSE;
    bool winograd = k->v->algebra == WINOGRAD_F2 || k->v->algebra == WINOGRAD_F4;
    return !winograd || run_and_compare(k, &s, BN_BOUND, "impulses:");
}

/* The hard gate: BN data that bad formulas fail on. */

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

/* A finite output where the input's NaN or infinity must have reached it; other channels are held
 * to the limits. */
static bool poison_gate(struct check *k)
{
    struct hard_data how = {.seed = k->c->seed};
    struct setup s = plain_setup(k);
    struct outcome r;
    char text[COORDINATE_TEXT];
    bool train = strstr(k->op->name, "fwd_train"), relu = strstr(k->op->name, "relu");
    s.adjust = poison;
    s.how = &how;
    s.poisoned = true;
    if (!call(k, &s, &r))
        return false;
    const struct bn *p = &s.problem.bn;
    int64_t hw = p->ih * p->iw;
    bool good = true;
    int64_t left_out = k->left_out;
    struct expectation x = expect_bn(&r, BN_BOUND);
    for (int i = 0; i < x.count && good; i++) {
        struct expected *e = &x.e[i];
        bool activation = outcome_spec(&r, e->role)->ndim == 4;
        for (int64_t j = 0; j < e->count && good; j++) {
            int64_t at = expected_at(e, j), c = activation ? at / hw % p->ic : at;
            if (c != 0 && c != p->ic - 1)
                continue;
            float got = r.t[e->role][at];
            /* max(0, y) of a NaN or of -inf may be 0, and a masked gradient is. */
            bool exempt = relu && e->role != MEAN;
            bool reached =
                train || (activation && !isfinite(r.t[SRC][at])) || e->role == DIFF_GAMMA;
            if (c == 0 && e->role == MEAN && !isnan(got))
                good = fail(k, "NaN in src: %s is %.9g, should be NaN",
                            coordinate(outcome_spec(&r, e->role), at, text), (double)got);
            else if (reached && !exempt && e->role != VARIANCE && isfinite(got))
                good =
                    fail(k, "%s in src: %s is %.9g, should not be finite", c == 0 ? "NaN" : "inf",
                         coordinate(outcome_spec(&r, e->role), at, text), (double)got);
            e->limit[j] = -1;
        }
    }
    if (good)
        good = accept(k, &r, x, "beside channels with NaN and inf:");
    else
        expectation_free(&x);
    k->left_out = left_out; /* on purpose */
    outcome_free(&r);
    return good;
}

/* A channel of constant value is outside the domain of a variant that has one; then it is only
 * asked not to make NaN of it. */
static bool constant_gate(struct check *k, double domain)
{
    enum bn_rule rule = domain > 0 ? BN_BOUND : BN_STRICT;
    struct hard_data how = {HARD_CONSTANT, domain > 0 ? 0 : 1, k->c->seed};
    struct setup s = plain_setup(k);
    struct outcome r;
    s.adjust = hard_adjust;
    s.how = &how;
    if (!run_and_compare(k, &s, rule, "constant channels:"))
        return false;
    if (domain <= 0)
        return true;
    how.ratio = 1;
    const char *gate = k->gate;
    if (!call(k, &s, &r))
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
    if (!call(k, &beyond, &r))
        return false;
    struct expectation x = expect_bn(&r, BN_STRICT);
    *worst = fmax(*worst, compare(&aside, &r, &x).worst);
    expectation_free(&x);
    outcome_free(&r);
    return true;
}

/* Statistics of a convolution whose bias is far from zero: sums of squares lose the variance. */
static bool far_gate(struct check *k)
{
    enter(k, "hard");
    struct setup s = plain_setup(k);
    s.fill = FILL_FAR;
    return run_and_compare(k, &s, BN_BOUND, "mean/std 1e4:");
}

static bool hard_gate(struct check *k)
{
    static const double ratios[] = {1, 1e2, 1e4, 1e6}, epsilons[] = {1e-12, 1e-3, 1};
    if (!strcmp(k->op->name, "conv_stats"))
        return far_gate(k);
    if (!is_bn(k->op))
        return true;
    /* Without an eps that float32 holds, a variance of nothing leaves 0 / 0. */
    const struct bn *b = &k->c->problem.bn;
    bool no_eps = k->c->problem.eps < (double)FLT_MIN;
    if (no_eps && b->mb * b->ih * b->iw == 1)
        return true;
    enter(k, "hard");
    bool light = k->c->max_coordinates > 0;
    double domain = k->v->max_mean_over_std, outside = 0;
    /* Who claims no bound on mean/std gets no allowance for sums of squares. */
    enum bn_rule rule = domain > 0 ? BN_BOUND : BN_STRICT;
    bool tried_outside = false;
    char what[64];
    struct setup s = plain_setup(k);
    struct hard_data how = {.seed = k->c->seed};
    s.adjust = hard_adjust;
    s.how = &how;
    for (int i = light ? 1 : 0; i < 4; i += light ? 2 : 1) {
        how.ratio = ratios[i];
        snprintf(what, sizeof what, "mean/std %g:", how.ratio);
        if (domain <= 0 || how.ratio <= domain) {
            if (!run_and_compare(k, &s, rule, what))
                return false;
        } else if (how.ratio >= 10 * domain) {
            tried_outside = true;
            if (!violation(k, &s, &outside))
                return false;
        }
    }
    if (tried_outside && !strstr(k->op->name, "infer") && outside <= 1)
        return fail(
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
        if (!run_and_compare(k, &s, BN_BOUND, "denormals:"))
            return false;
    }
    how.kind = HARD_NARROW;
    for (int i = 0; i < 3; i++) {
        s.problem.eps = epsilons[i];
        snprintf(what, sizeof what, "std 1e-3, eps %g:", epsilons[i]);
        if (!run_and_compare(k, &s, rule, what))
            return false;
    }
    return true;
}

static bool gradient_gate(struct check *k)
{
    if (!gradient_applies(k->c->entry, &k->c->problem))
        return true;
    enter(k, "gradient");
    struct setup s = plain_setup(k);
    struct outcome r;
    int64_t left_out = 0, before = k->compared;
    s.adjust = gradient_quantise;
    if (!call(k, &s, &r))
        return false;
    bool good = accept(k, &r, expect_gradient(&r, &left_out), "numerical gradient:");
    outcome_free(&r);
    k->left_out -= left_out;
    if (good && left_out > k->compared - before)
        k->mistrust = "most numerical gradients lie next to a kink of the ReLU";
    return good;
}

struct verdict verify_case(const struct entry *e, const struct problem *p, struct formats f,
                           uint64_t seed, struct hints h, unsigned gates, int64_t max_coordinates)
{
    static bool (*const gate[GATE_COUNT])(struct check *) = {hygiene_gate, exact_gate, bound_gate,
                                                             hard_gate, gradient_gate};
    struct verify_case c = {e, *p, f, seed, h, gates, max_coordinates};
    struct check k = {.c = &c, .op = op_find(e->op), .v = e->variant};
    const char *why = e->variant ? registry_why_not_problem(e, p, f) : e->foreign;
    if (why || !k.v) {
        k.out.kind = VERDICT_UNSUPPORTED;
        snprintf(k.out.message, sizeof k.out.message, "%s", why ? why : "not in this build");
        return k.out;
    }
    if (!memory_holds(verify_bytes(&c), "the case with its reference and copies", k.out.message,
                      sizeof k.out.message)) {
        k.out.kind = VERDICT_INAPPLICABLE;
        return k.out;
    }
    for (int i = 0; i < GATE_COUNT; i++)
        if ((gates & 1u << i) && !gate[i](&k))
            return k.out;
    if (!k.ran) {
        k.out.kind = VERDICT_INAPPLICABLE;
        snprintf(k.out.message, sizeof k.out.message, "none of the gates asked for applies");
    } else if (k.mistrust) {
        k.out.kind = VERDICT_MISTRUSTED;
        snprintf(k.out.message, sizeof k.out.message, "%s", k.mistrust);
    } else if (k.left_out) {
        snprintf(k.out.message, sizeof k.out.message,
                 "%lld of %lld coordinates left out (ReLU undecided)", (long long)k.left_out,
                 (long long)(k.left_out + k.compared));
    }
    return k.out;
}

int64_t verify_sample_size(const struct op *op, const struct problem *p)
{
    /* Products of the whole reference that take a tenth of a second or so, and values of a BN
     * tensor. */
    const double products = 8e6, values = 1 << 20;
    const int64_t fewest = 1024;
    double nominal = op->cost(p).flops_nominal / 2;
    if (p->kind == PROBLEM_BN)
        return (double)(p->bn.mb * p->bn.ic) * (double)(p->bn.ih * p->bn.iw) > values ? 1 << 16 : 0;
    if (nominal <= products)
        return 0;
    double outputs =
        p->kind == PROBLEM_GEMM ? (double)p->gemm.m * (double)p->gemm.n
        : !strcmp(op->name, "conv_bwd_weights")
            ? (double)p->conv.oc * (double)(p->conv.ic / p->conv.g * p->conv.kh * p->conv.kw)
        : !strcmp(op->name, "conv_bwd_data")
            ? (double)p->conv.mb * (double)(p->conv.ic * p->conv.ih * p->conv.iw)
            : (double)p->conv.mb * (double)(p->conv.oc * p->conv.oh * p->conv.ow);
    return max_i64(fewest, (int64_t)(outputs * products / nominal));
}

char *verify_command(const struct verify_case *c, char text[COMMAND_TEXT])
{
    char problem[PROBLEM_TEXT], formats[FORMATS_TEXT];
    snprintf(text, COMMAND_TEXT,
             "batchmark verify %s/%s --problem %s --layout %s --threads %d --seed %llu",
             c->entry->op, c->entry->name, problem_print(&c->problem, problem),
             formats_print(c->formats, formats), c->hints.threads, (unsigned long long)c->seed);
    return text;
}
