/* The checker, checked: variants that are wrong on purpose go the way of every variant, supervisor included, and each must be
 * caught for every seed, by the gate meant for it. Beside them the same variants without the fault, which must pass. */
#include "problem/layout.h"
#include "problems.h"
#include "ref.h"
#include "verify/supervisor.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct variant *reference(const char *op)
{
    return registry_find(op, "ref")->variant;
}

static int64_t dst_count(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    return c->mb * c->oc * c->oh * c->ow;
}

static int64_t src_count(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    return c->mb * c->ic * c->ih * c->iw;
}

static int64_t bn_count(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    return b->mb * b->ic * b->ih * b->iw;
}

/* A number that differs from seed to seed, for faults that strike anywhere: made of the data. */
static int64_t somewhere(const struct args *a, int64_t count)
{
    uint32_t bits;
    memcpy(&bits, a->t[SRC], sizeof bits);
    return (int64_t)(bits * 2654435761u >> 4) % count;
}

static float next_up(float x)
{
    return nextafterf(x, INFINITY);
}

/* Convolution, forward */

static void conv_correct(const struct args *a)
{
    reference("conv_fwd")->run(a);
}

static void wrong_index(const struct args *a)
{
    conv_correct(a);
    int64_t at = somewhere(a, dst_count(a) - 1);
    while (a->t[DST][at] == a->t[DST][at + 1])
        at = at ? at - 1 : dst_count(a) - 2;
    float first = a->t[DST][at];
    a->t[DST][at] = a->t[DST][at + 1];
    a->t[DST][at + 1] = first;
}

static void missed_tail(const struct args *a)
{
    float *whole = malloc((size_t)dst_count(a) * sizeof *whole);
    struct args b = *a;
    b.t[DST] = whole;
    conv_correct(&b);
    memcpy(a->t[DST], whole, (size_t)(dst_count(a) - 1) * sizeof *whole);
    free(whole);
}

static void over_write(const struct args *a)
{
    conv_correct(a);
    *(volatile float *)&a->t[DST][dst_count(a)] = 0;
}

static void under_write(const struct args *a)
{
    conv_correct(a);
    *(volatile float *)(a->t[DST] - 1) = 0;
}

static void over_read(const struct args *a)
{
    conv_correct(a);
    (void)*(volatile float *)&a->t[SRC][src_count(a)];
}

static void under_read(const struct args *a)
{
    conv_correct(a);
    (void)*(volatile float *)(a->t[WEIGHTS] - 1);
}

static void scratch_overrun(const struct args *a)
{
    conv_correct(a);
    ((volatile char *)a->scratch)[100] = 0;
}

static size_t hundred_bytes(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)p;
    (void)f;
    (void)h;
    return 100;
}

static void nan_leaked(const struct args *a)
{
    conv_correct(a);
    a->t[DST][somewhere(a, dst_count(a))] += 0 * *(volatile float *)a->scratch;
}

static void input_modified(const struct args *a)
{
    conv_correct(a);
    a->t[SRC][somewhere(a, src_count(a))] *= -1;
}

/* The last output but one has all its taps inside the image. */
static void dropped_product(const struct args *a)
{
    conv_correct(a);
    const struct conv *c = &a->problem->conv;
    int64_t tap = somewhere(a, c->ic * c->kh * c->kw);
    int64_t ic = tap / (c->kh * c->kw), kh = tap / c->kw % c->kh, kw = tap % c->kw;
    struct ref_sum s = conv_fwd_ref_at(c, a->t[SRC], a->t[WEIGHTS], a->t[BIAS], 0, 0, 1, 1);
    double x = a->t[SRC][(ic * c->ih + kh) * c->iw + kw];
    a->t[DST][c->ow + 1] = (float)(s.value - x * (double)a->t[WEIGHTS][tap]);
}

static void no_bias(const struct args *a)
{
    struct args b = *a;
    b.t[BIAS] = NULL;
    conv_correct(&b);
}

static void bias_always(const struct args *a)
{
    (void)*(volatile float *)a->t[BIAS];
    conv_correct(a);
}

/* Both threads read the sum, then both write it: one addend is lost, and which one is up to chance. */
static void race(const struct args *a)
{
    conv_correct(a);
    volatile float *sum = &a->t[DST][somewhere(a, dst_count(a))];
    while (*sum == 0)
        sum = sum == a->t[DST] ? &a->t[DST][dst_count(a) - 1] : sum - 1;
    float whole = *sum;
    *sum = 0;
#pragma omp parallel num_threads(2)
    {
        float addend = whole * (omp_get_thread_num() ? 0.75f : 0.25f), seen = *sum;
#pragma omp barrier
        usleep(100);
        *sum = seen + addend;
    }
}

static void second_run_differs(const struct args *a)
{
    static int calls;
    conv_correct(a);
    if (calls++ % 2)
        a->t[DST][0] = next_up(a->t[DST][0]);
}

static void thread_dependent(const struct args *a)
{
    conv_correct(a);
    if (a->hints.threads == 2)
        a->t[DST][0] = next_up(a->t[DST][0]);
}

static void address_dependent(const struct args *a)
{
    conv_correct(a);
    if ((uintptr_t)a->t[SRC] % 64 == 4)
        a->t[DST][0] = next_up(a->t[DST][0]);
}

static void crash(const struct args *a)
{
    conv_correct(a);
    *(volatile int *)(uintptr_t)(a->hints.threads - 1) = 0;
}

static void leave(const struct args *a)
{
    conv_correct(a);
    _exit(3);
}

static void hang(const struct args *a)
{
    conv_correct(a);
    for (volatile bool forever = true; forever;)
        usleep(1000);
}

/* Convolution with statistics */

/* From the rounded results, the first n of each channel. */
static void statistics_of(const struct args *a, int64_t n)
{
    const struct conv *c = &a->problem->conv;
    int64_t hw = c->oh * c->ow;
    for (int64_t oc = 0; oc < c->oc; oc++) {
        double sum = 0, m2 = 0;
        for (int64_t i = 0; i < n; i++)
            sum += (double)a->t[DST][(i / hw * c->oc + oc) * hw + i % hw];
        for (int64_t i = 0; i < n; i++) {
            double d = (double)a->t[DST][(i / hw * c->oc + oc) * hw + i % hw] - sum / (double)n;
            m2 += d * d;
        }
        a->t[MEAN][oc] = (float)(sum / (double)n);
        a->t[VARIANCE][oc] = (float)(m2 / (double)n);
    }
}

static int64_t stats_count(const struct args *a)
{
    return dst_count(a) / a->problem->conv.oc;
}

static void stats_correct(const struct args *a)
{
    conv_correct(a);
    statistics_of(a, stats_count(a));
}

static void stats_unbiased(const struct args *a)
{
    stats_correct(a);
    float n = (float)stats_count(a);
    for (int64_t oc = 0; oc < a->problem->conv.oc; oc++)
        a->t[VARIANCE][oc] *= n / (n - 1);
}

/* The last row of the last image is not merged. */
static void tile_left_out(const struct args *a)
{
    conv_correct(a);
    statistics_of(a, stats_count(a) - a->problem->conv.ow);
}

static void stats_before_bias(const struct args *a)
{
    stats_correct(a);
    for (int64_t oc = 0; a->t[BIAS] && oc < a->problem->conv.oc; oc++)
        a->t[MEAN][oc] -= a->t[BIAS][oc];
}

static void sum_of_squares(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    int64_t hw = c->oh * c->ow, n = stats_count(a);
    conv_correct(a);
    for (int64_t oc = 0; oc < c->oc; oc++) {
        float sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) {
            float y = a->t[DST][(i / hw * c->oc + oc) * hw + i % hw];
            sum += y;
            squares += y * y;
        }
        a->t[MEAN][oc] = sum / (float)n;
        a->t[VARIANCE][oc] = squares / (float)n - a->t[MEAN][oc] * a->t[MEAN][oc];
    }
}

/* Batch normalization */

static void bn_correct(const struct args *a)
{
    reference("bn_fwd_train")->run(a);
}

static void unbiased_variance(const struct args *a)
{
    bn_correct(a);
    const struct bn *b = &a->problem->bn;
    float n = (float)(b->mb * b->ih * b->iw);
    for (int64_t c = 0; c < b->ic; c++)
        a->t[VARIANCE][c] *= n / (n - 1);
}

/* y from the given variance, with eps where `outside` says. */
static void apply(const struct args *a, double factor, bool outside)
{
    const struct bn *b = &a->problem->bn;
    for (int64_t i = 0; i < bn_count(a); i++) {
        int64_t c = i / (b->ih * b->iw) % b->ic;
        double variance = factor * (double)a->t[VARIANCE][c], eps = a->problem->eps;
        double root = outside ? sqrt(variance) + eps : sqrt(variance + eps);
        double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
        a->t[DST][i] =
            (float)(gamma * ((double)a->t[SRC][i] - (double)a->t[MEAN][c]) / root + beta);
    }
}

static void unbiased_output(const struct args *a)
{
    bn_correct(a);
    const struct bn *b = &a->problem->bn;
    double n = (double)(b->mb * b->ih * b->iw);
    apply(a, n / (n - 1), false);
}

static void eps_outside(const struct args *a)
{
    bn_correct(a);
    apply(a, 1, true);
}

static void eps_outside_infer(const struct args *a)
{
    apply(a, 1, true);
}

static void infer_correct(const struct args *a)
{
    apply(a, 1, false);
}

static void one_pass(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    int64_t hw = b->ih * b->iw, n = b->mb * hw;
    for (int64_t c = 0; c < b->ic; c++) {
        float sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) {
            float x = a->t[SRC][(i / hw * b->ic + c) * hw + i % hw];
            sum += x;
            squares += x * x;
        }
        float mean = sum / (float)n, variance = squares / (float)n - mean * mean;
        a->t[MEAN][c] = mean;
        a->t[VARIANCE][c] = variance > 0 || isnan(variance) ? variance : 0;
    }
    apply(a, 1, false);
}

static void stops_nan(const struct args *a)
{
    bn_correct(a);
    for (int64_t i = 0; i < bn_count(a); i++)
        if (isnan(a->t[DST][i]))
            a->t[DST][i] = 0;
}

static void bn_bwd_correct(const struct args *a)
{
    reference("bn_bwd")->run(a);
}

/* Forgets that the mean depends on x too. */
static void no_mean_term(const struct args *a)
{
    bn_bwd_correct(a);
    const struct bn *b = &a->problem->bn;
    for (int64_t i = 0; i < bn_count(a); i++) {
        int64_t c = i / (b->ih * b->iw) % b->ic;
        double n = (double)(b->mb * b->ih * b->iw), gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1;
        a->t[DIFF_SRC][i] += (float)(gamma / sqrt((double)a->t[VARIANCE][c] + a->problem->eps) *
                                     (double)a->t[DIFF_BETA][c] / n);
    }
}

/* Blocked layout */

static void reorder_correct(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    struct tensor_spec t = {.layout = NCHW16C, .ndim = 4, .dims = {b->mb, b->ic, b->ih, b->iw}};
    layout_from_plain(&t, a->t[SRC], a->t[DST]);
}

static void padding_not_zeroed(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    reorder_correct(a);
    a->t[DST][div_up(b->ic, 16) * 16 * b->ih * b->iw * b->mb - 1] = 1;
}

/* The table */

#define SMALL "mb2ic3ih7oc5kh3ph1"
#define DEEP "mb1ic512ih3oc1kh3ph1" /* 4608 products in the middle */
#define CHANNELS "mb4ic5ih4iw6"

struct fault {
    const char *op;
    struct variant variant;
    const char *name, *problem;
    int threads;
    unsigned gates;
    const char *gate;  /* that must catch it; "" for the variants that must pass */
    const char *words; /* in the message */
};

#define PLAIN .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true
#define CONV(f) "conv_fwd", {PLAIN, .run = f}, #f
#define CONV_PARALLEL(f) "conv_fwd", {PLAIN, .parallel = true, .run = f}, #f
#define CONV_SCRATCH(f) "conv_fwd", {PLAIN, .scratch_size = hundred_bytes, .run = f}, #f
#define STATS(f) "conv_stats", {PLAIN, .run = f}, #f
#define BN(op, f)                                                                                  \
    op, {.formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .thread_invariant = true, .run = f}, #f
#define ONE(f, domain)                                                                             \
    "bn_fwd_train",                                                                                \
        {.formats = {{NCHW, NCHW}}, .algebra = ONE_PASS, .max_mean_over_std = domain, .run = f},   \
        #f
#define BLOCKED(f) "reorder", {.formats = {{NCHW, NCHW16C}}, .algebra = EXACT, .run = f}, #f

static const struct fault faults[] = {
    {CONV(conv_correct), SMALL, 1, GATES_ALL, "", ""},
    {CONV(conv_correct), DEEP, 1, GATES_ALL, "", ""},
    {CONV(wrong_index), SMALL, 1, GATES_ALL, "exact", "expected"},
    {CONV(wrong_index), SMALL, 1, GATE_BOUND, "bound", "expected"},
    {CONV(missed_tail), SMALL, 1, GATES_ALL, "hygiene", "never written"},
    {CONV(over_write), SMALL, 1, GATES_ALL, "hygiene", "0 bytes past the end of dst"},
    {CONV(under_write), SMALL, 1, GATES_ALL, "hygiene", "outside dst was overwritten"},
    {CONV(over_read), SMALL, 1, GATES_ALL, "hygiene", "0 bytes past the end of src"},
    {CONV(under_read), SMALL, 1, GATES_ALL, "hygiene", "4 bytes before the start of weights"},
    {CONV_SCRATCH(scratch_overrun), SMALL, 1, GATES_ALL, "hygiene",
     "outside scratch was overwritten"},
    {CONV_SCRATCH(nan_leaked), SMALL, 1, GATES_ALL, "hygiene", "scratch was read before"},
    {CONV(input_modified), SMALL, 1, GATES_ALL, "hygiene", "input src was modified"},
    {CONV(dropped_product), DEEP, 1, GATES_ALL, "exact", "dst[0][0][1][1]"},
    {CONV(dropped_product), DEEP, 1, GATE_BOUND, "bound", "dst[0][0][1][1]"},
    {CONV(no_bias), SMALL, 1, GATES_ALL, "exact", "expected"},
    {CONV(bias_always), SMALL, 1, GATES_ALL, "crash", "bound gate"},
    {CONV_PARALLEL(race), SMALL, 2, GATE_EXACT, "exact", "expected"},
    {CONV(second_run_differs), SMALL, 1, GATES_ALL, "hygiene", "run 2 on the same data"},
    {CONV_PARALLEL(conv_correct), SMALL, 2, GATES_ALL, "", ""},
    {CONV_PARALLEL(thread_dependent), SMALL, 2, GATES_ALL, "hygiene", "running with 1 threads"},
    {CONV(address_dependent), SMALL, 1, GATES_ALL, "hygiene", "odd 4-byte addresses"},
    {CONV(crash), SMALL, 1, GATES_ALL, "crash", "signal 11"},
    {CONV(leave), SMALL, 1, GATES_ALL, "crash", "status 3"},
    {STATS(stats_correct), SMALL, 1, GATES_ALL, "", ""},
    {STATS(stats_correct), DEEP, 1, GATES_ALL, "", ""},
    {STATS(stats_unbiased), SMALL, 1, GATES_ALL, "exact", "variance["},
    {STATS(stats_unbiased), SMALL, 1, GATE_BOUND, "bound", "variance["},
    {STATS(tile_left_out), SMALL, 1, GATES_ALL, "exact", "mean["},
    {STATS(tile_left_out), SMALL, 1, GATE_BOUND, "bound", "mean["},
    {STATS(stats_before_bias), SMALL, 1, GATE_BOUND, "bound", "mean["},
    {STATS(sum_of_squares), SMALL, 1, GATES_ALL, "hard", "variance["},
    {BN("bn_fwd_train", bn_correct), CHANNELS, 1, GATES_ALL, "", ""},
    {BN("bn_fwd_train", unbiased_variance), CHANNELS, 1, GATES_ALL, "exact", "variance["},
    {BN("bn_fwd_train", unbiased_variance), CHANNELS, 1, GATE_BOUND, "bound", "variance["},
    {BN("bn_fwd_train", unbiased_output), CHANNELS, 1, GATE_BOUND, "bound", "dst["},
    {BN("bn_fwd_train", eps_outside), CHANNELS, 1, GATE_BOUND, "bound", "dst["},
    {BN("bn_fwd_train", eps_outside), CHANNELS, 1, GATE_HARD, "hard", "dst["},
    {BN("bn_fwd_train", stops_nan), CHANNELS, 1, GATES_ALL, "hard", "NaN in src"},
    {BN("bn_fwd_infer", infer_correct), CHANNELS, 1, GATES_ALL, "", ""},
    {BN("bn_fwd_infer", eps_outside_infer), CHANNELS, 1, GATES_ALL, "bound", "dst["},
    {ONE(one_pass, 100), CHANNELS, 1, GATES_ALL, "", ""},
    {ONE(one_pass, 0), CHANNELS, 1, GATES_ALL, "hard", "variance["},
    {ONE(bn_correct, 100), CHANNELS, 1, GATES_ALL, "hard", "passes far outside"},
    {BN("bn_bwd", bn_bwd_correct), CHANNELS, 1, GATES_ALL, "", ""},
    {BN("bn_bwd", no_mean_term), CHANNELS, 1, GATES_ALL, "exact", "diff_src["},
    {BLOCKED(reorder_correct), "mb2ic19ih3iw4", 1, GATES_ALL, "", ""},
    {BLOCKED(padding_not_zeroed), "mb2ic19ih3iw4", 1, GATES_ALL, "hygiene", "padded lane 15"},
};
enum { FAULTS = sizeof faults / sizeof faults[0], SEEDS = 8 };

static struct verify_case case_of(const struct fault *f, const struct entry *e, uint64_t seed)
{
    return (struct verify_case){
        .entry = e,
        .problem = parse(f->problem).problem,
        .formats = f->variant.formats[0],
        .seed = seed,
        .hints = {.threads = f->threads, .l1 = 32 << 10, .l2 = 1 << 20, .llc = 4 << 20},
        .gates = f->gates};
}

static struct entry entry_of(const struct fault *f)
{
    return (struct entry){
        .op = f->op, .name = f->name, .rung = 99, .file = __FILE__, .variant = &f->variant};
}

static void check(const struct fault *f, uint64_t seed, const struct verdict *v)
{
    enum verdict_kind kind = f->gate[0] ? VERDICT_FAIL : VERDICT_PASS;
    if (v->kind != kind || strcmp(v->gate, f->gate) != 0 || !strstr(v->message, f->words))
        fail_msg("%s %s seed %d: wanted %s by '%s' saying '%s', got %s by '%s': %s", f->name,
                 f->problem, (int)seed, verdict_names[kind], f->gate, f->words,
                 verdict_names[v->kind], v->gate, v->message);
}

static void every_fault_is_caught(void **state)
{
    (void)state;
    static struct entry entries[FAULTS];
    static struct verify_case cases[FAULTS * SEEDS];
    static struct verdict verdicts[FAULTS * SEEDS];
    char error[ERROR_TEXT];
    for (int i = 0; i < FAULTS; i++) {
        entries[i] = entry_of(&faults[i]);
        for (int s = 0; s < SEEDS; s++)
            cases[i * SEEDS + s] =
                case_of(&faults[i], &entries[i], 1000 * (uint64_t)i + (uint64_t)s);
    }
    assert_true(supervise(cases, FAULTS * SEEDS, verdicts, 0, NULL, NULL, error));
    for (int i = 0; i < FAULTS * SEEDS; i++)
        check(&faults[i / SEEDS], cases[i].seed, &verdicts[i]);
}

/* The run goes on behind a case that hangs. */
static void a_hang_is_ended(void **state)
{
    (void)state;
    static const struct fault endless = {CONV(hang), SMALL, 1, GATES_ALL, "hang", "no progress"};
    struct entry entries[2] = {entry_of(&endless), entry_of(&faults[0])};
    struct verify_case cases[4];
    struct verdict verdicts[4];
    char error[ERROR_TEXT];
    for (int i = 0; i < 4; i++)
        cases[i] = case_of(i % 2 ? &faults[0] : &endless, &entries[i % 2], (uint64_t)i);
    assert_true(supervise(cases, 4, verdicts, 2, NULL, NULL, error));
    for (int i = 0; i < 4; i++)
        check(i % 2 ? &faults[0] : &endless, (uint64_t)i, &verdicts[i]);
}

/* Every product is at least a quarter in magnitude, far above the limit: so a drop is caught wherever it strikes. */
static void no_drop_can_hide(void **state)
{
    (void)state;
    static const struct fault drop = {CONV(dropped_product), DEEP, 1, GATE_BOUND, "bound",
                                      "dst[0][0][1][1]"};
    enum { MANY = 200 };
    static struct verify_case cases[MANY];
    static struct verdict verdicts[MANY];
    struct entry e = entry_of(&drop);
    char error[ERROR_TEXT];
    for (int i = 0; i < MANY; i++)
        cases[i] = case_of(&drop, &e, 77 + (uint64_t)i);
    assert_true(supervise(cases, MANY, verdicts, 0, NULL, NULL, error));
    for (int i = 0; i < MANY; i++) {
        check(&drop, cases[i].seed, &verdicts[i]);
        assert_true(verdicts[i].err_over_limit > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_caught),
        cmocka_unit_test(a_hang_is_ended),
        cmocka_unit_test(no_drop_can_hide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
