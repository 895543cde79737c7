/* What the verification stands on: random numbers, layouts, guarded operands, and the gradients of the references. */
#include "core/rng.h"
#include "problem/layout.h"
#include "problem/operands.h"
#include "problems.h"
#include "verify/supervisor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_numbers_are_uniform(void **state)
{
    (void)state;
    for (uint64_t stream = 0; stream < 8; stream++) {
        double sum = 0, product = 0;
        for (uint64_t i = 0; i < 10000; i++) {
            double x = (double)rng_unit(rng_at(3, stream, i)) - 0.5;
            sum += x;
            product += x * ((double)rng_unit(rng_at(3, stream, i + 1)) - 0.5);
        }
        /* Five standard deviations of the sum of 10000, and of neighbours' products. */
        assert_true(fabs(sum) < 5 * 100 * 0.2887 && fabs(product) < 5 * 100 / 12.);
    }
    assert_true(rng_at(1, 2, 3) != rng_at(2, 2, 3) && rng_at(1, 2, 3) != rng_at(1, 3, 3));
}

static void layouts_go_there_and_back(void **state)
{
    (void)state;
    static const enum layout layouts[] = {NCHW, NHWC, NCHW16C};
    for (int l = 0; l < 3; l++) {
        struct tensor_spec t = {.layout = layouts[l], .ndim = 4, .dims = {2, 19, 3, 5}};
        float plain[2 * 19 * 15], back[2 * 19 * 15], *there;
        there = malloc((size_t)tensor_physical(&t) * sizeof *there);
        for (int i = 0; i < 2 * 19 * 15; i++)
            plain[i] = (float)(i + 1);
        layout_from_plain(&t, plain, there);
        layout_to_plain(&t, there, back);
        assert_memory_equal(plain, back, sizeof plain);
        /* x[1][18][2][4], by the definitions of kernel.h */
        int64_t at = layouts[l] == NCHW   ? ((1 * 19 + 18) * 3 + 2) * 5 + 4
                     : layouts[l] == NHWC ? ((1 * 3 + 2) * 5 + 4) * 19 + 18
                                          : (((1 * 2 + 1) * 3 + 2) * 5 + 4) * 16 + 2;
        assert_true(there[at] == 2 * 19 * 15);
        if (layouts[l] == NCHW16C)
            assert_true(there[at + 1] == 0);
        free(there);
    }
}

static void every_layout_gets_the_same_numbers(void **state)
{
    (void)state;
    const struct op *op = op_find("conv_fwd");
    struct problem p = parse("mb2ic19ih5oc3kh3ph1").problem;
    const struct variant none = {0};
    static const enum layout layouts[] = {NCHW, NHWC, NCHW16C};
    float plain[3][2 * 19 * 25];
    for (int l = 0; l < 3; l++) {
        struct operands o;
        char error[ERROR_TEXT];
        struct formats f = {layouts[l], layouts[l]};
        assert_true(operands_make(&o, op, &none, &p, f, (struct hints){.threads = 1},
                                  OPERANDS_GUARDED | OPERANDS_ODD, error));
        operands_fill(&o, op, 9, FILL_RANDOM);
        assert_true((uintptr_t)o.args.t[SRC] % 64 == (layouts[l] == NCHW16C ? 0 : 4));
        assert_true(isnan(o.args.t[DST][0]) && !operands_damage(&o));
        operands_get(&o, SRC, plain[l]);
        o.args.t[WEIGHTS][-1] = 0;
        assert_string_equal(operands_damage(&o), "weights");
        operands_free(&o);
    }
    assert_memory_equal(plain[0], plain[1], sizeof plain[0]);
    assert_memory_equal(plain[0], plain[2], sizeof plain[0]);
}

/* A backward pass whose gradient of gamma is off by a thousandth, posing as the reference. */
static void wrong_gradient(const struct args *a)
{
    registry_find("bn_bwd", "ref")->variant->run(a);
    a->t[DIFF_GAMMA][0] *= 1.001f;
}

/* The same behind a ReLU, of beta. */
static void wrong_decision(const struct args *a)
{
    registry_find("bn_relu_bwd", "ref")->variant->run(a);
    a->t[DIFF_BETA][0] *= 1.001f;
}

static void references_have_the_gradients_of_their_forward(void **state)
{
    (void)state;
    static const struct variant wrong = {
        .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .run = wrong_gradient};
    static const struct variant wrong_relu = {
        .formats = {{NCHW, NCHW}}, .algebra = TWO_PASS, .run = wrong_decision};
    const struct entry posing = {.op = "bn_bwd", .name = "ref", .variant = &wrong};
    const struct entry posing_relu = {.op = "bn_relu_bwd", .name = "ref", .variant = &wrong_relu};
    const struct {
        const struct entry *entry;
        const char *problem;
    } tried[] = {{registry_find("conv_bwd_data", "ref"), "g2mb2ic4ih7oc6kh3sh2ph1dh1"},
                 {registry_find("conv_bwd_weights", "ref"), "g2mb2ic4ih7oc6kh3sh2ph1"},
                 {registry_find("bn_bwd", "ref"), "mb4ic3ih4"},
                 {registry_find("bn_relu_bwd", "ref"), "mb4ic3ih4"},
                 /* Moving one of so many values moves some other across zero. */
                 {registry_find("bn_relu_bwd", "ref"), "mb8ic3ih13"},
                 {&posing_relu, "mb8ic3ih13"},
                 {&posing, "mb4ic3ih4"}};
    enum { TRIED = sizeof tried / sizeof tried[0], SEEDS = 3 };
    struct verify_case cases[TRIED * SEEDS];
    struct verdict verdicts[TRIED * SEEDS];
    char error[ERROR_TEXT];
    for (int i = 0; i < TRIED * SEEDS; i++)
        cases[i] = (struct verify_case){.entry = tried[i / SEEDS].entry,
                                        .problem = parse(tried[i / SEEDS].problem).problem,
                                        .formats = {NCHW, NCHW},
                                        .seed = (uint64_t)i,
                                        .hints = {.threads = 1},
                                        .gates = GATE_GRADIENT};
    assert_true(supervise(cases, TRIED * SEEDS, verdicts, 0, NULL, NULL, error));
    for (int i = 0; i < TRIED * SEEDS; i++) {
        const struct entry *entry = tried[i / SEEDS].entry;
        bool should_fail = entry == &posing || entry == &posing_relu;
        if (verdicts[i].kind != (should_fail ? VERDICT_FAIL : VERDICT_PASS) ||
            strcmp(verdicts[i].gate, should_fail ? "gradient" : "") != 0)
            fail_msg("%s %s: %s", cases[i].entry->op, verdict_names[verdicts[i].kind],
                     verdicts[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers_are_uniform),
        cmocka_unit_test(layouts_go_there_and_back),
        cmocka_unit_test(every_layout_gets_the_same_numbers),
        cmocka_unit_test(references_have_the_gradients_of_their_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
