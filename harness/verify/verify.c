/* The gates: runs a variant on chosen data and compares. */
#include "verify/verify.h"
#include "core/rng.h"
#include "machine/team.h"

#include "core/limits.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By bit number of enum gates. */
enum { GATE_COUNT = 5 };
static const char *const gate_names[GATE_COUNT] = {"hygiene", "exact", "bound", "hard", "gradient"};
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

bool check_fail(struct check *k, const char *format, ...)
{
    va_list list;
    k->out.kind = VERDICT_FAIL;
    snprintf(k->out.gate, sizeof k->out.gate, "%s", k->gate);
    va_start(list, format);
    vsnprintf(k->out.message, sizeof k->out.message, format, list);
    va_end(list);
    return false;
}

void check_enter(struct check *k, const char *gate)
{
    k->gate = gate;
    k->ran = true;
    snprintf(verify_status->gate, sizeof verify_status->gate, "%s", gate);
}

char *coordinate(const struct tensor_spec *t, int64_t at, char text[COORDINATE_TEXT])
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

/* One call, and the hygiene checks of every call */

struct snapshot {
    void *bytes[ROLE_COUNT];
};

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

/* Lanes beyond the channels are zero. Beside a lane with inf or NaN they may be NaN: kernel.h. */
static bool padding_clean(struct check *k, const struct setup *s, const struct tensor_spec *t,
                          const float *blocked)
{
    int64_t hw = t->dims[2] * t->dims[3], blocks = div_up(t->dims[1], 16), used = t->dims[1] % 16;
    for (int64_t pixel = 0; pixel < t->dims[0] * hw; pixel++) {
        int64_t n = pixel / hw;
        const float *lanes = blocked + (((n + 1) * blocks - 1) * hw + pixel % hw) * 16;
        bool finite = true;
        for (int64_t j = 0; j < used; j++)
            finite = finite && isfinite(lanes[j]);
        for (int64_t j = used; j < 16; j++)
            if (lanes[j] != 0 && !(s->special && !finite && isnan(lanes[j])))
                return check_fail(k, "padded lane %lld of %s, image %lld, pixel %lld is not zero",
                                  (long long)j, role_names[t->role], (long long)n,
                                  (long long)(pixel % hw));
    }
    return true;
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
                return check_fail(
                    k, "%s was never written: it still holds the NaN put there before the run",
                    coordinate(t, at, text));
            if (!s->poisoned)
                return check_fail(k, "%s is NaN%s", coordinate(t, at, text),
                                  bits == NAN_SCRATCH  ? ": scratch was read before it was written"
                                  : bits == NAN_CANARY ? ": memory outside a tensor was read"
                                                       : "");
        }
        if (t->layout == NCHW16C && t->dims[1] % 16 && !padding_clean(k, s, t, o->args.t[t->role]))
            return false;
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

void outcome_free(struct outcome *r)
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
            good = check_fail(k, "memory just outside %s was overwritten", damaged);
        } else if (changed >= 0) {
            good = check_fail(k, "the input %s was modified, first at float %zu of its memory",
                              role_names[o->specs[changed].role], word);
        } else if (run == 0) {
            outcome_take(r, o);
            good = outputs_clean(k, s, o, r);
            if (good && s->repeats)
                snapshot_take(&first, o, true);
        } else if ((changed = snapshot_differs(&first, o, &word)) >= 0) {
            good =
                check_fail(k,
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
bool check_call(struct check *k, const struct setup *s, struct outcome *r)
{
    struct operands o;
    char error[ERROR_TEXT];
    *r = (struct outcome){.op = k->op,
                          .variant = k->v,
                          .problem = s->problem,
                          .formats = k->c->formats,
                          .seed = k->c->seed,
                          .fill = s->fill,
                          .special = s->special,
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

struct comparison check_compare(struct check *k, const struct outcome *r,
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
bool check_accept(struct check *k, const struct outcome *r, struct expectation x, const char *what)
{
    struct comparison c = check_compare(k, r, &x);
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
    return check_fail(
        k, "%s%s%s expected %.9g, got %.9g, error/limit %.3g (%lld of %lld compared are off)", what,
        s, coordinate(outcome_spec(r, c.role), c.at, text), c.value, c.got, c.ratio,
        (long long)c.failures, (long long)k->compared);
}

static bool is_products(const struct problem *p)
{
    return p->kind == PROBLEM_CONV || p->kind == PROBLEM_GEMM;
}

struct setup check_setup(const struct check *k)
{
    /* Guard pages are the hygiene gate's: an emulator may touch the lanes a masked load leaves out. */
    return (struct setup){.problem = k->c->problem,
                          .hints = k->c->hints,
                          .flags = k->c->gates & GATE_HYGIENE ? OPERANDS_GUARDED : 0};
}

void check_sample(const struct check *k, const struct setup *s, struct outcome *r)
{
    if (!is_products(&s->problem) || k->v->algebra < WINOGRAD_F2 || k->v->algebra > WINOGRAD_F4 ||
        s->fill == FILL_INTEGER)
        return;
    /* The limit of one output costs a tile per channel; the limit of a weight costs all tiles of two channels. */
    const int64_t tiles = 1 << 17, fewest = 64;
    int64_t most = 2048;
    if (k->op->pass == BACKWARD_WEIGHTS)
        most = max_i64(fewest, min_i64(most, tiles / winograd_tiles(&s->problem.conv, 4)));
    r->max_coordinates = r->max_coordinates ? min_i64(r->max_coordinates, most) : most;
}

/* Runs one setup and compares with the reference. */
bool check_run(struct check *k, const struct setup *s, enum bn_rule rule, const char *what)
{
    struct outcome r;
    int64_t before = k->compared;
    if (!check_call(k, s, &r))
        return false;
    check_sample(k, s, &r);
    struct expectation x = is_products(&s->problem) ? expect_products(&r)
                           : k->op->normalizes      ? expect_bn(&r, rule)
                                                    : expect_simple(&r);
    bool good = check_accept(k, &r, x, what);
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
    if (!check_call(k, s, &r))
        return false;
    bool good = true;
    for (int i = 0; good && i < r.count; i++) {
        const struct tensor_spec *t = &r.specs[i];
        int64_t n = t->output ? tensor_logical(t) : 0;
        for (int64_t at = 0; good && at < n; at++)
            if (bits_of(r.t[t->role][at]) != bits_of(base->t[t->role][at]))
                good = check_fail(k, "%s changes the bits: %s is %.9g, was %.9g", what,
                                  coordinate(t, at, text), (double)r.t[t->role][at],
                                  (double)base->t[t->role][at]);
    }
    outcome_free(&r);
    return good;
}

static bool hygiene_gate(struct check *k)
{
    struct setup s = check_setup(k);
    struct outcome base;
    bool light = k->c->max_coordinates > 0;
    check_enter(k, "hygiene");
    s.repeats = s.hints.threads > 1 && !light ? 4 : 1;
    if (!check_call(k, &s, &base))
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
    struct setup s = check_setup(k);
    s.fill = FILL_INTEGER;
    /* With integer statistics a root without eps is exact too. */
    if (k->op->normalizes && !k->op->statistics)
        s.problem.eps = 0;
    if (k->op->normalizes && k->op->statistics) {
        /* Mirrored data needs room for n (centre + deviation)^2, at least n. */
        const struct bn *b = &k->c->problem.bn;
        if (b->mb * b->ih * b->iw > 1 << 24)
            return true;
    }
    check_enter(k, "exact");
    return check_run(k, &s, BN_EXACT, "");
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
    if (k->c->problem.kind == PROBLEM_ITERATIONS || k->op->moves)
        return true; /* nothing is rounded: the exact gate says it all */
    check_enter(k, "bound");
    struct setup s = check_setup(k);
    s.flags |= OPERANDS_ODD;
    int64_t before = k->compared;
    if (!check_run(k, &s, BN_BOUND, ""))
        return false;
    if (10 * k->left_out > k->compared - before + k->left_out)
        k->mistrust = "the ReLU is undecided at more than a tenth of the points";
    s.flags |= OPERANDS_NO_OPTIONAL;
    if (has_optional(k) && !check_run(k, &s, BN_BOUND, "without optional operands:"))
        return false;
    s.fill = FILL_IMPULSE;
    bool winograd = k->v->algebra == WINOGRAD_F2 || k->v->algebra == WINOGRAD_F4;
    return !winograd || check_run(k, &s, BN_BOUND, "impulses:");
}

static bool gradient_gate(struct check *k)
{
    if (!gradient_applies(k->c->entry, &k->c->problem))
        return true;
    check_enter(k, "gradient");
    struct setup s = check_setup(k);
    struct outcome r;
    int64_t left_out = 0, before = k->compared;
    s.adjust = gradient_quantise;
    if (!check_call(k, &s, &r))
        return false;
    bool good = check_accept(k, &r, expect_gradient(&r, &left_out), "numerical gradient:");
    outcome_free(&r);
    k->left_out -= left_out;
    if (good && left_out > k->compared - before)
        k->mistrust = "the ReLU is undecided beside most numerical gradients";
    return good;
}

struct verdict verify_case(const struct verify_case *c)
{
    static bool (*const gate[GATE_COUNT])(struct check *) = {hygiene_gate, exact_gate, bound_gate,
                                                             hard_gate, gradient_gate};
    const struct entry *e = c->entry;
    struct check k = {.c = c, .op = op_find(e->op), .v = e->variant};
    const char *why =
        e->variant ? registry_why_not_problem(e, &c->problem, c->formats) : e->foreign;
    if (why || !k.v) {
        k.out.kind = VERDICT_UNSUPPORTED;
        snprintf(k.out.message, sizeof k.out.message, "%s", why ? why : "not in this build");
        return k.out;
    }
    if (!memory_holds(verify_bytes(c), "the case with its reference and copies", k.out.message,
                      sizeof k.out.message)) {
        k.out.kind = VERDICT_INAPPLICABLE;
        return k.out;
    }
    for (int i = 0; i < GATE_COUNT; i++)
        if ((c->gates & 1u << i) && !gate[i](&k))
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
    /* Products of the reference that take about 0.1 seconds, and values of a BN tensor. */
    const double products = 8e6, values = 1 << 20;
    const int64_t fewest = 1024;
    double nominal = op->cost(p).flops_nominal / 2;
    if (p->kind == PROBLEM_BN)
        return (double)(p->bn.mb * p->bn.ic) * (double)(p->bn.ih * p->bn.iw) > values ? 1 << 16 : 0;
    if (nominal <= products)
        return 0;
    double outputs =
        p->kind == PROBLEM_GEMM ? (double)p->gemm.m * (double)p->gemm.n
        : op->pass == BACKWARD_WEIGHTS
            ? (double)p->conv.oc * (double)(p->conv.ic / p->conv.g * p->conv.kh * p->conv.kw)
        : op->pass == BACKWARD_DATA
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
