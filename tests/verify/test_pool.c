/* Faults in maxima of windows, which the gates of bn_pool must find. */
#include "problem/problem.h"
#include "problem/registry.h"
#include "verify/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct variant *reference(const char *op)
{
    return registry_find(op, "ref")->variant;
}

static void infer_correct(const struct args *a)
{
    reference("bn_pool_fwd_infer")->run(a);
}

/* Does not cut off what is below zero. */
static void no_relu(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    infer_correct(a);
    for (int64_t i = 0; i < b->mb * b->ic * (b->ih / 2) * (b->iw / 2); i++)
        if (a->t[DST][i] == 0)
            a->t[DST][i] = -1;
}

/* Takes the upper row of a window for the whole. */
static void upper_row(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    const int64_t n = b->mb * b->ic * b->ih * b->iw;
    float *upper = malloc((size_t)n * sizeof *upper);
    struct args half = *a;
    assert_non_null(upper);
    for (int64_t i = 0; i < n; i++)
        upper[i] = a->t[SRC][i / b->iw % b->ih % 2 ? i - b->iw : i];
    half.t[SRC] = upper;
    infer_correct(&half);
    free(upper);
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    return reference("bn_pool_bwd")->scratch_size(p, f, h);
}

static void bwd_correct(const struct args *a)
{
    reference("bn_pool_bwd")->run(a);
}

/* With so large a beta the ReLU stops no window. */
static void past_relu(const struct args *a)
{
    const int64_t channels = a->problem->bn.ic;
    struct args open = *a;
    float *beta = malloc((size_t)channels * sizeof *beta);
    assert_non_null(beta);
    for (int64_t c = 0; c < channels; c++)
        beta[c] = 100;
    open.t[BETA] = beta;
    bwd_correct(&open);
    free(beta);
}

/* Sends the gradients of a plane to the windows beside them. */
static void wrong_window(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    const int64_t n = b->mb * b->ic * (b->ih / 2) * (b->iw / 2);
    float *beside = malloc((size_t)n * sizeof *beside);
    struct args moved = *a;
    assert_non_null(beside);
    for (int64_t i = 0; i < n; i++)
        beside[i] = a->t[DIFF_DST][i ^ 1];
    moved.t[DIFF_DST] = beside;
    bwd_correct(&moved);
    free(beside);
}

static void gates_find_wrong_maxima(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        void (*run)(const struct args *a);
        const char *role; /* that is wrong; NULL: none */
    } cases[] = {
        {"bn_pool_fwd_infer", infer_correct, NULL}, {"bn_pool_fwd_infer", no_relu, "dst["},
        {"bn_pool_fwd_infer", upper_row, "dst["},   {"bn_pool_bwd", bwd_correct, NULL},
        {"bn_pool_bwd", past_relu, "diff_"},        {"bn_pool_bwd", wrong_window, "diff_"}};
    static const struct {
        unsigned gate;
        const char *name;
    } gates[] = {{GATE_EXACT, "exact"}, {GATE_BOUND, "bound"}, {GATE_HARD, "hard"}};
    const struct problem p = {.kind = PROBLEM_BN, .eps = DEFAULT_EPS, .bn = {4, 5, 5, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct variant v = {
            .formats = {{NCHW, NCHW}},
            .algebra = TWO_PASS,
            .thread_invariant = true,
            .scratch_size = strstr(cases[i].op, "bwd") ? scratch_size : NULL,
            .run = cases[i].run,
        };
        const struct entry e = {.op = cases[i].op, .name = "planted", .rung = 99, .variant = &v};
        for (size_t g = 0; g < sizeof gates / sizeof gates[0]; g++)
            for (uint64_t seed = 1; seed <= 4; seed++) {
                const struct verify_case c = {.entry = &e,
                                              .problem = p,
                                              .formats = {NCHW, NCHW},
                                              .seed = seed,
                                              .hints = {.threads = 1},
                                              .gates = gates[g].gate};
                const struct verdict got = verify_case(&c);
                assert_int_equal(got.kind, cases[i].role ? VERDICT_FAIL : VERDICT_PASS);
                if (cases[i].role) {
                    assert_string_equal(got.gate, gates[g].name);
                    assert_non_null(strstr(got.message, cases[i].role));
                }
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gates_find_wrong_maxima)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
