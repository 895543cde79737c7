/* The rule of kernel.h about inf and NaN in convolutions, held by verify in all three passes: variants that break it on
 * purpose are caught for every seed, and those that use what it leaves open pass. */
#include "problems.h"
#include "verify/supervisor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Variants. Each runs the pass whose result is among the operands. */

static const char *pass_of(const struct args *a)
{
    return a->t[DST] ? "conv_fwd" : a->t[DIFF_SRC] ? "conv_bwd_data" : "conv_bwd_weights";
}

static float *result_of(const struct args *a, int64_t *count)
{
    const struct conv *c = &a->problem->conv;
    *count = a->t[DST]        ? c->mb * c->oc * c->oh * c->ow
             : a->t[DIFF_SRC] ? c->mb * c->ic * c->ih * c->iw
                              : c->oc * c->ic / c->g * c->kh * c->kw;
    return a->t[DST] ? a->t[DST] : a->t[DIFF_SRC] ? a->t[DIFF_SRC] : a->t[DIFF_WEIGHTS];
}

static bool all_finite(const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static void pass_correct(const struct args *a)
{
    registry_find(pass_of(a), "ref")->variant->run(a);
}

/* As the fast kernels do it: borders filled with zeros, which are multiplied with all they meet. */
static void padding_multiplied(const struct args *a)
{
    registry_find(pass_of(a), "im2col_scalar")->variant->run(a);
}

static size_t im2col_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    size_t most = 0;
    static const char *const passes[] = {"conv_fwd", "conv_bwd_data", "conv_bwd_weights"};
    for (int i = 0; i < 3; i++)
        most += registry_find(passes[i], "im2col_scalar")->variant->scratch_size(p, f, h);
    return most;
}

/* The correct result, with other values for NaN and for inf of either sign. */
static void replace(const struct args *a, float for_nan, float for_inf)
{
    int64_t count;
    float *y = result_of(a, &count);
    pass_correct(a);
    for (int64_t i = 0; i < count; i++)
        y[i] = isnan(y[i]) ? for_nan : !isinf(y[i]) ? y[i] : y[i] > 0 ? for_inf : -for_inf;
}

static void nan_swallowed(const struct args *a)
{
    replace(a, 0, INFINITY);
}

/* As 0 x or x - x may make it. */
static void inf_made_nan(const struct args *a)
{
    replace(a, NAN, NAN);
}

static void inf_turned(const struct args *a)
{
    replace(a, NAN, -INFINITY);
}

static void inf_clipped(const struct args *a)
{
    replace(a, NAN, 3e38f);
}

/* The plane of a result that is not finite is NaN as a whole, as where a statistic of it is taken. */
static void nan_spread(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    int64_t count, plane = a->t[DST]        ? c->oh * c->ow
                           : a->t[DIFF_SRC] ? c->ih * c->iw
                                            : c->ic / c->g * c->kh * c->kw;
    float *y = result_of(a, &count);
    pass_correct(a);
    for (int64_t i = 0; i < count; i += plane)
        for (int64_t j = 0; !all_finite(y + i, plane) && j < plane; j++)
            y[i + j] = NAN;
}

/* Whether the operand that meets the padding of result i has an inf or NaN in the channel of that result. */
static bool meets_special(const struct args *a, int64_t i)
{
    const struct conv *c = &a->problem->conv; /* one group */
    const int64_t taps = c->kh * c->kw, dst = c->oh * c->ow;
    if (a->t[DST])
        return !all_finite(a->t[WEIGHTS] + i / dst % c->oc * c->ic * taps, c->ic * taps);
    if (a->t[DIFF_SRC]) {
        for (int64_t oc = 0; oc < c->oc; oc++)
            if (!all_finite(a->t[WEIGHTS] + (oc * c->ic + i / (c->ih * c->iw) % c->ic) * taps,
                            taps))
                return true;
        return false;
    }
    for (int64_t n = 0; n < c->mb; n++)
        if (!all_finite(a->t[DIFF_DST] + (n * c->oc + i / (c->ic * taps)) * dst, dst))
            return true;
    return false;
}

/* A result that is finite beside an inf has it on padding. Neither the finite value nor NaN, but a third thing. */
static void padding_third_thing(const struct args *a)
{
    int64_t count;
    float *y = result_of(a, &count);
    pass_correct(a);
    for (int64_t i = 0; i < count; i++)
        if (isfinite(y[i]) && meets_special(a, i))
            y[i] = INFINITY;
}

static void special_values_follow_the_rule(void **state)
{
    (void)state;
    static const char *const passes[] = {"conv_fwd", "conv_bwd_data", "conv_bwd_weights"};
    static const struct {
        void (*run)(const struct args *a);
        const char *name, *words; /* in the message; "": must pass */
    } tried[] = {{pass_correct, "pass_correct", ""},
                 {padding_multiplied, "padding_multiplied", ""},
                 {nan_swallowed, "nan_swallowed", "(NaN)"},
                 {inf_made_nan, "inf_made_nan", "inf)"},
                 {inf_turned, "inf_turned", "inf)"},
                 {inf_clipped, "inf_clipped", "inf)"},
                 {nan_spread, "nan_spread", "nan, expected"},
                 {padding_third_thing, "padding_third_thing", "is inf, expected"}};
    enum { PASSES = 3, TRIED = sizeof tried / sizeof tried[0], ALL = PASSES * TRIED, SEEDS = 8 };
    static struct variant variants[ALL];
    static struct entry entries[ALL];
    static struct verify_case cases[ALL * SEEDS];
    static struct verdict verdicts[ALL * SEEDS];
    const struct problem p = parse("mb2ic3ih7oc5kh3ph1").problem;
    char error[ERROR_TEXT];
    for (int i = 0; i < ALL * SEEDS; i++) {
        const int v = i / SEEDS;
        variants[v] = (struct variant){.formats = {{NCHW, NCHW}},
                                       .algebra = SUM_OF_PRODUCTS,
                                       .scratch_size = im2col_scratch,
                                       .run = tried[v % TRIED].run};
        entries[v] = (struct entry){.op = passes[v / TRIED],
                                    .name = tried[v % TRIED].name,
                                    .rung = 99,
                                    .file = __FILE__,
                                    .variant = &variants[v]};
        cases[i] = (struct verify_case){.entry = &entries[v],
                                        .problem = p,
                                        .formats = variants[v].formats[0],
                                        .seed = (uint64_t)(100 * v + i % SEEDS),
                                        .hints = {.threads = 1, .l1 = 32 << 10, .l2 = 1 << 20},
                                        .gates = GATE_HARD};
    }
    assert_true(supervise(cases, ALL * SEEDS, verdicts, 0, NULL, NULL, error));
    for (int i = 0; i < ALL * SEEDS; i++) {
        const char *words = tried[i / SEEDS % TRIED].words;
        const struct verdict *got = &verdicts[i];
        if (got->kind != (words[0] ? VERDICT_FAIL : VERDICT_PASS) || !strstr(got->message, words) ||
            strcmp(got->gate, words[0] ? "hard" : "") != 0)
            fail_msg("%s/%s seed %d: wanted '%s', got %s by '%s': %s", cases[i].entry->op,
                     cases[i].entry->name, (int)cases[i].seed, words, verdict_names[got->kind],
                     got->gate, got->message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(special_values_follow_the_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
