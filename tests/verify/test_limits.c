/* The limits of long sums, from 2^15 terms to 2^24: correct variants stay within them on constant data, on data far from
 * zero and on integers, and planted faults do not, a single term left out among them.
 *
 * All variants at all lengths take minutes: LONG_SUMS=1 build/x86_64-gcc/tests/verify/test_limits. */
#include "problems.h"
#include "ref.h"
#include "verify/supervisor.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CASES = 400 };

static struct verify_case cases[MAX_CASES];
static struct verdict verdicts[MAX_CASES];
static int count;

static bool long_sums(void)
{
    return getenv("LONG_SUMS") != NULL;
}

static void add(const struct entry *e, const char *problem, unsigned gates, uint64_t seed)
{
    assert_true(count < MAX_CASES);
    cases[count++] =
        (struct verify_case){.entry = e,
                             .problem = parse(problem).problem,
                             .formats = e->variant->formats[0],
                             .seed = seed,
                             .hints = {.threads = 1, .l1 = 32 << 10, .l2 = 1 << 20, .llc = 4 << 20},
                             .gates = gates,
                             .max_coordinates = gates == GATE_EXACT ? 4096 : 0};
}

/* Every case ends as the gate asked for says: "" is a pass. */
static void expect_verdicts(const char *gate)
{
    char error[ERROR_TEXT], command[COMMAND_TEXT];
    int filled = count;
    count = 0;
    assert_true(supervise(cases, filled, verdicts, 0, NULL, NULL, error));
    for (int i = 0; i < filled; i++) {
        enum verdict_kind wanted = gate[0] ? VERDICT_FAIL : VERDICT_PASS;
        if (verdicts[i].kind != wanted || strcmp(verdicts[i].gate, gate) != 0)
            fail_msg("%s: wanted %s by '%s', got %s by '%s': %s",
                     verify_command(&cases[i], command), verdict_names[wanted], gate,
                     verdict_names[verdicts[i].kind], verdicts[i].gate, verdicts[i].message);
    }
}

/* Batch normalization, right and wrong */

static const struct entry *known_variant(const char *op, const char *name)
{
    const struct entry *e = registry_find(op, name);
    if (!e || !e->variant)
        fail_msg("no variant %s/%s", op, name);
    return e;
}

static void correct_batch_norms_pass(void **state)
{
    (void)state;
    static const char *const variants[][2] = {{"bn_fwd_train", "naive"},
                                              {"bn_fwd_train", "blocked"},
                                              {"bn_fwd_train", "welford"},
                                              {"bn_fwd_train", "onepass"},
                                              {"bn_relu_fwd_train", "naive"},
                                              {"bn_fwd_train", "twopass_scalar"},
                                              {"bn_bwd", "naive"},
                                              {"bn_relu_bwd", "naive"},
                                              {"bn_bwd", "twopass_scalar"},
                                              {"bn_fwd_infer", "naive"}};
    static const struct {
        const char *problem;
        int64_t values;
        int variants; /* of the list above */
    } tried[] = {{"mb1ic1ih128iw256", 1 << 15, 10}, {"mb4ic1ih137iw131", 71788, 5},
                 {"mb128ic1ih32", 1 << 17, 2},      {"mb1ic1ih512", 1 << 18, 1},
                 {"mb1ic1ih1024", 1 << 20, 0},      {"mb1ic1ih1024eps1e-12", 1 << 20, 0},
                 {"mb1ic1ih4096", 1 << 24, 0}};
    for (size_t t = 0; t < sizeof tried / sizeof tried[0]; t++) {
        for (int v = 0; v < (long_sums() ? 10 : tried[t].variants); v++) {
            const struct entry *e = known_variant(variants[v][0], variants[v][1]);
            /* Short sums go through every gate, long ones through what their length matters to. */
            unsigned gates = tried[t].values > 1 << 15 ? GATE_HARD : GATES_ALL;
            add(e, tried[t].problem, gates, (uint64_t)count);
        }
    }
    expect_verdicts("");
}

static void every_eps_is_taken(void **state)
{
    (void)state;
    static const char *const problems[] = {"mb1ic2ih7iw9eps0", "mb1ic3eps0", "mb2ic3ih4eps1e-45",
                                           "mb2ic3ih4eps1e-12", "mb2ic3ih4eps1e6"};
    static const char *const variants[][2] = {
        {"bn_fwd_train", "naive"}, {"bn_fwd_train", "onepass"}, {"bn_fwd_train", "welford"},
        {"bn_fwd_infer", "naive"}, {"bn_bwd", "naive"},         {"bn_relu_fwd_train", "naive"},
        {"bn_relu_bwd", "naive"},  {"bn_bwd", "twopass_scalar"}};
    for (size_t p = 0; p < sizeof problems / sizeof problems[0]; p++) {
        for (size_t v = 0; v < sizeof variants / sizeof variants[0]; v++) {
            /* Training refuses one value a channel. */
            if (strstr(problems[p], "ih") || strstr(variants[v][0], "infer"))
                add(known_variant(variants[v][0], variants[v][1]), problems[p], GATES_ALL, p);
        }
    }
    expect_verdicts("");
}

/* y by the statistics given. */
static void apply(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    for (int64_t i = 0; i < b->mb * b->ic * b->ih * b->iw; i++) {
        int64_t c = i / (b->ih * b->iw) % b->ic;
        a->t[DST][i] =
            (float)bn_ref_apply(a->t[SRC][i], a->t[MEAN][c], a->t[VARIANCE][c], a->problem->eps,
                                a->t[GAMMA] ? a->t[GAMMA][c] : 1, a->t[BETA] ? a->t[BETA][c] : 0);
    }
}

static float last_of_channel(const struct args *a, enum role role, int64_t c)
{
    const struct bn *b = &a->problem->bn;
    return a->t[role][((b->mb - 1) * b->ic + c + 1) * b->ih * b->iw - 1];
}

static void value_left_out(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    registry_find("bn_fwd_train", "ref")->variant->run(a);
    for (int64_t c = 0; c < b->ic; c++)
        a->t[MEAN][c] -= last_of_channel(a, SRC, c) / (float)(b->mb * b->ih * b->iw);
    apply(a);
}

static void square_left_out(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    registry_find("bn_fwd_train", "ref")->variant->run(a);
    for (int64_t c = 0; c < b->ic; c++) {
        float d = last_of_channel(a, SRC, c) - a->t[MEAN][c];
        a->t[VARIANCE][c] -= d * d / (float)(b->mb * b->ih * b->iw);
    }
    apply(a);
}

/* The mean is right, but the variance comes from squares that are not taken about it. */
static void squares_of_values(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    int64_t hw = b->ih * b->iw, n = b->mb * hw;
    registry_find("bn_fwd_train", "ref")->variant->run(a);
    for (int64_t c = 0; c < b->ic; c++) {
        float squares = 0, mean = a->t[MEAN][c];
        for (int64_t i = 0; i < n; i++) {
            float x = a->t[SRC][(i / hw * b->ic + c) * hw + i % hw];
            squares += x * x;
        }
        a->t[VARIANCE][c] = fmaxf(0, squares / (float)n - mean * mean);
    }
    apply(a);
}

/* The mean of all but the last image or row. */
static void mean_too_small(const struct args *a)
{
    registry_find("bn_fwd_train", "ref")->variant->run(a);
    for (int64_t c = 0; c < a->problem->bn.ic; c++)
        a->t[MEAN][c] *= 1 - 1.0f / 64;
    apply(a);
}

static void gradient_left_out(const struct args *a)
{
    registry_find("bn_bwd", "ref")->variant->run(a);
    for (int64_t c = 0; c < a->problem->bn.ic; c++)
        a->t[DIFF_BETA][c] -= last_of_channel(a, DIFF_DST, c);
}

static void product_left_out(const struct args *a)
{
    registry_find("bn_bwd", "ref")->variant->run(a);
    for (int64_t c = 0; c < a->problem->bn.ic; c++) {
        double rstd = 1 / sqrt((double)a->t[VARIANCE][c] + a->problem->eps);
        double d = (double)last_of_channel(a, SRC, c) - (double)a->t[MEAN][c];
        a->t[DIFF_GAMMA][c] -= (float)((double)last_of_channel(a, DIFF_DST, c) * d * rstd);
    }
}

/* One term left out of a sum of products */

/* A product of the sum that makes the first output, of all its `n`. */
static int64_t somewhere(const struct args *a, int64_t n)
{
    uint32_t bits;
    memcpy(&bits, a->t[WEIGHTS] ? a->t[WEIGHTS] : a->t[SRC], sizeof bits);
    return (int64_t)(bits * 2654435761u >> 4) % n;
}

static void conv_product_left_out(const struct args *a)
{
    const struct conv *c = &a->problem->conv; /* one output: src and weights lie alike */
    int64_t at = somewhere(a, c->ic * c->kh * c->kw);
    registry_find("conv_fwd", "naive")->variant->run(a);
    a->t[DST][0] -= a->t[SRC][at] * a->t[WEIGHTS][at];
}

static void data_product_left_out(const struct args *a)
{
    int64_t at = somewhere(a, a->problem->conv.oc);
    registry_find("conv_bwd_data", "naive")->variant->run(a);
    a->t[DIFF_SRC][0] -= a->t[DIFF_DST][at] * a->t[WEIGHTS][at];
}

static void weights_product_left_out(const struct args *a)
{
    const struct conv *c = &a->problem->conv; /* 1x1, one channel */
    int64_t at = somewhere(a, c->mb * c->ih * c->iw);
    registry_find("conv_bwd_weights", "naive")->variant->run(a);
    a->t[DIFF_WEIGHTS][0] -= a->t[SRC][at] * a->t[DIFF_DST][at];
}

static void gemm_product_left_out(const struct args *a)
{
    int64_t at = somewhere(a, a->problem->gemm.k);
    registry_find("gemm", "naive")->variant->run(a);
    a->t[DST][0] -= a->t[SRC][at] * a->t[WEIGHTS][at];
}

#define FAULT(f, operation, how, layout)                                                           \
    static const struct variant f##_variant = {                                                    \
        .formats = {{layout, layout}}, .algebra = how, .thread_invariant = true, .run = f};        \
    static const struct entry f##_entry = {                                                        \
        .op = operation, .name = #f, .rung = 99, .file = __FILE__, .variant = &f##_variant}
FAULT(value_left_out, "bn_fwd_train", TWO_PASS, NCHW);
FAULT(square_left_out, "bn_fwd_train", TWO_PASS, NCHW);
FAULT(squares_of_values, "bn_fwd_train", TWO_PASS, NCHW);
FAULT(mean_too_small, "bn_fwd_train", TWO_PASS, NCHW);
FAULT(gradient_left_out, "bn_bwd", TWO_PASS, NCHW);
FAULT(product_left_out, "bn_bwd", TWO_PASS, NCHW);
FAULT(conv_product_left_out, "conv_fwd", SUM_OF_PRODUCTS, NCHW);
FAULT(data_product_left_out, "conv_bwd_data", SUM_OF_PRODUCTS, NCHW);
FAULT(weights_product_left_out, "conv_bwd_weights", SUM_OF_PRODUCTS, NCHW);
FAULT(gemm_product_left_out, "gemm", SUM_OF_PRODUCTS, GEMM_NN);

static void one_term_left_out_is_missed(void **state)
{
    (void)state;
    static const struct {
        const struct entry *entry;
        const char *problems[5]; /* of 2^15, 2^18, 2^20, 2^22 and 2^24 terms */
    } tried[] = {
        {&value_left_out_entry,
         {"mb1ic1ih128iw256", "mb1ic1ih512", "mb1ic1ih1024", "mb1ic1ih2048", "mb1ic1ih4096"}},
        {&product_left_out_entry,
         {"mb1ic1ih128iw256", "mb1ic1ih512", "mb1ic1ih1024", "mb1ic1ih2048", "mb1ic1ih4096"}},
        {&weights_product_left_out_entry,
         {"mb1ic1ih128iw256oc1kh1", "mb1ic1ih512oc1kh1", "mb1ic1ih1024oc1kh1", "mb1ic1ih2048oc1kh1",
          "mb1ic1ih4096oc1kh1"}},
        {&gemm_product_left_out_entry,
         {"1x32768:32768x1", "1x262144:262144x1", "1x1048576:1048576x1", "1x4194304:4194304x1",
          "1x16777216:16777216x1"}},
        {&square_left_out_entry,
         {"mb1ic1ih128iw256", "mb1ic1ih512", "mb1ic1ih1024", "mb1ic1ih2048", "mb1ic1ih4096"}},
        {&gradient_left_out_entry,
         {"mb1ic1ih128iw256", "mb1ic1ih512", "mb1ic1ih1024", "mb1ic1ih2048", "mb1ic1ih4096"}},
        {&conv_product_left_out_entry,
         {"mb1ic32768ih1oc1kh1", "mb1ic16384ih4oc1kh4ph0", "mb1ic65536ih4oc1kh4ph0",
          "mb1ic262144ih4oc1kh4ph0", "mb1ic1048576ih4oc1kh4ph0"}},
        {&data_product_left_out_entry,
         {"mb1ic1ih1oc32768kh1", "mb1ic1ih1oc262144kh1", "mb1ic1ih1oc1048576kh1",
          "mb1ic1ih1oc4194304kh1", "mb1ic1ih1oc16777216kh1"}}};
    const size_t to_the_end = 4; /* the first few; LONG_SUMS: all */
    for (size_t t = 0; t < sizeof tried / sizeof tried[0]; t++)
        for (int n = 0; n < (long_sums() || t < to_the_end ? 5 : 3); n += long_sums() ? 1 : 2)
            for (int seed = 0; seed < (n < 2 || long_sums() ? 4 : 1); seed++)
                add(tried[t].entry, tried[t].problems[n], GATE_EXACT,
                    (uint64_t)(1000 * count + seed));
    expect_verdicts("exact");
}

/* Correct sums of the same lengths, and in random numbers. */
static void correct_products_pass(void **state)
{
    (void)state;
    static const char *const tried[][3] = {{"conv_fwd", "naive", "mb1ic16384ih4oc1kh4ph0"},
                                           {"conv_bwd_data", "naive", "mb1ic1ih1oc262144kh1"},
                                           {"conv_bwd_weights", "naive", "mb1ic1ih512oc1kh1"},
                                           {"conv_stats", "naive", "mb1ic1ih1iw65536oc1kh1"},
                                           {"gemm", "naive", "1x1048576:1048576x1"},
                                           {"gemm", "naive", "1x16777216:16777216x1"}};
    for (size_t t = 0; t < sizeof tried / sizeof tried[0] - !long_sums(); t++)
        add(known_variant(tried[t][0], tried[t][1]), tried[t][2], GATE_EXACT | GATE_BOUND,
            (uint64_t)count);
    expect_verdicts("");
}

/* The limits of data that round alike are the worst case, and no wider. */
static void wrong_statistics_fail_on_hard_data(void **state)
{
    (void)state;
    static const char *const problems[] = {"mb1ic1ih128iw256", "mb1ic1ih512", "mb1ic1ih4096"};
    for (int p = 0; p < (long_sums() ? 3 : 2); p++)
        add(&squares_of_values_entry, problems[p], GATE_HARD, (uint64_t)p);
    for (int seed = 0; seed < 4; seed++)
        add(&mean_too_small_entry, problems[0], GATE_HARD, (uint64_t)seed);
    expect_verdicts("hard");
}

/* Equal terms: the gates have none in sums of products and of gradients, so the limits are taken by themselves. */
static void equal_terms_stay_within(const char *name, const char *problem, uint64_t seed)
{
    const struct op *op = op_find(name);
    const struct variant *v = known_variant(name, "naive")->variant;
    const struct formats f = v->formats[0];
    const struct named_problem p = parse(problem);
    struct operands o;
    char error[ERROR_TEXT];
    assert_true(operands_make(&o, op, v, &p.problem, f, (struct hints){.threads = 1}, 0, error));
    operands_fill(&o, op, seed, FILL_RANDOM);
    const bool bn = p.problem.kind == PROBLEM_BN;
    struct outcome r = {.op = op, .variant = v, .problem = p.problem, .formats = f, .seed = seed};
    r.count = o.count;
    memcpy(r.specs, o.specs, sizeof r.specs);
    for (int i = 0; i < o.count; i++) {
        const enum role role = o.specs[i].role;
        float *t = r.t[role] = o.args.t[role];
        if (role == DIFF_DST || (!bn && (role == SRC || role == WEIGHTS)))
            for (int64_t k = 0; k < tensor_logical(&o.specs[i]); k++)
                t[k] = role == SRC ? 0.7f : 0.3f;
    }
    v->run(&o.args);
    struct expectation x = bn ? expect_bn(&r, BN_BOUND) : expect_products(&r);
    for (int i = 0; i < x.count; i++)
        for (int64_t k = 0; k < x.e[i].count; k++) {
            const double value = x.e[i].value[k], limit = x.e[i].limit[k];
            const double got = r.t[x.e[i].role][expected_at(&x.e[i], k)];
            if (!(limit < 0 || fabs(got - value) <= limit))
                fail_msg("%s %s: operand %d is %.9g, expected %.9g, limit %.3g", name, problem,
                         (int)x.e[i].role, got, value, limit);
        }
    expectation_free(&x);
    operands_free(&o);
}

static void equal_terms_have_the_worst_case(void **state)
{
    (void)state;
    static const char *const tried[][2] = {{"gemm", "1x32768:32768x1"},
                                           {"gemm", "1x1048576:1048576x1"},
                                           {"conv_fwd", "mb1ic1048576ih1oc1kh1"},
                                           {"conv_bwd_data", "mb1ic1ih1oc1048576kh1"},
                                           {"conv_bwd_weights", "mb1ic1ih1024oc1kh1"},
                                           {"bn_bwd", "mb1ic1ih1024"},
                                           {"bn_relu_bwd", "mb1ic1ih512"}};
    for (size_t t = 0; t < sizeof tried / sizeof tried[0]; t++)
        equal_terms_stay_within(tried[t][0], tried[t][1], t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_batch_norms_pass),
        cmocka_unit_test(every_eps_is_taken),
        cmocka_unit_test(one_term_left_out_is_missed),
        cmocka_unit_test(correct_products_pass),
        cmocka_unit_test(wrong_statistics_fail_on_hard_data),
        /* Last: a process that has used OpenMP cannot start a supervised one. */
        cmocka_unit_test(equal_terms_have_the_worst_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
