/* Problem strings: what is read, what is printed, what is refused. */
#include "problem/op.h"
#include "problem/problem.h"
#include "problem/random_problem.h"
#include "problems.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void prints_canonically(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"mb80ic60ih32oc60kh3ph1", "mb80ic60ih32oc60kh3ph1"},
        {"ic60_ih32iw32_oc60_kh3kw3_ph1pw1_mb80", "mb80ic60ih32oc60kh3ph1"},
        {"ic3ih8oc5kh3", "mb2ic3ih8oc5kh3"},
        {"mb3ic5iw17oc7kw3pw1n\"conv\"*4", "mb3ic5ih1iw17oc7kh1kw3ph0pw1"},
        {"mb2ic3ih4iw1", "mb2ic3ih4iw1"},
        {"64x784:784x256n\"dense\"", "64x784:784x256"},
        {"iter1000", "iter1000"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[PROBLEM_TEXT];
        struct named_problem p = parse(pairs[i][0]), again = parse(pairs[i][1]);
        assert_string_equal(problem_print(&again.problem, text), pairs[i][1]);
        assert_true(problem_equal(&p.problem, &again.problem));
    }
}

static void keeps_name_and_multiplicity(void **state)
{
    (void)state;
    struct named_problem p = parse("mb80ic60ih16oc60kh3ph1n\"vgg 2\"*2");
    assert_string_equal(p.name, "vgg 2");
    assert_int_equal(p.multiplicity, 2);
}

static void round_trips_at_random(void **state)
{
    (void)state;
    for (int kind = PROBLEM_CONV; kind <= PROBLEM_ITERATIONS; kind++) {
        for (uint64_t i = 0; i < 2000; i++) {
            struct problem p = problem_random((enum problem_kind)kind, 42, i);
            char text[PROBLEM_TEXT], again[PROBLEM_TEXT], error[ERROR_TEXT];
            struct named_problem q;
            if (!problem_parse((enum problem_kind)kind, problem_print(&p, text), &q, error))
                fail_msg("%s", error);
            assert_string_equal(problem_print(&q.problem, again), text);
            if (kind == PROBLEM_CONV)
                assert_memory_equal(&p.conv, &q.problem.conv, sizeof p.conv);
            if (kind == PROBLEM_BN)
                assert_memory_equal(&p.bn, &q.problem.bn, sizeof p.bn);
        }
    }
}

static void refuses_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"", "empty problem"},
        {"mb2ic3ih8oc5kh3zz1", "unknown key 'zz'"},
        {"mb2ic3ih8oc5kh", "needs a whole number"},
        {"mb2mb3ic3ih8oc5kh3", "given twice"},
        {"mb2ic3ih2oc5kh5", "impossible shape"},
        {"g2mb2ic3ih8oc4kh3", "does not divide"},
        {"mb0ic3ih8oc5kh3", "1 or more"},
        {"mb2147483647ic2147483647ih9", "more than 2^36"},
        {"mb2ic3ih8oc5kh3id4", "3-D"},
        {"mb2ic3ih8n\"open", "no closing quote"},
        {"mb2ic3ih8kh3", "no meaning for a tensor"},
        {"3x4:5x6", "inner sizes"},
        {"iter0", "expected iter"},
        {"mb2ic3ih99999999999", "needs a whole number"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct named_problem p;
        char error[ERROR_TEXT] = "";
        if (problem_parse_any(wrong[i].text, &p, error) || !strstr(error, wrong[i].words) ||
            strchr(error, '\n'))
            fail_msg("'%s': wanted '%s', got '%s'", wrong[i].text, wrong[i].words, error);
    }
}

static void built_in_sets_are_readable(void **state)
{
    (void)state;
    static const char *const sets[] = {"smoke", "tails", "seeds", "resnet50", "vgg"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct problem_set set;
        char error[ERROR_TEXT];
        if (!problem_set_load(sets[i], &set, error))
            fail_msg("%s", error);
        assert_true(set.count > 5);
        problem_set_free(&set);
    }
}

/* What a row of the table says of an operation is what its operands say. */
static void operations_are_what_their_operands_say(void **state)
{
    (void)state;
    static const char *const samples[] = {[PROBLEM_CONV] = "mb2ic3ih8oc4kh3",
                                          [PROBLEM_BN] = "mb2ic3ih8",
                                          [PROBLEM_GEMM] = "2x3:3x4",
                                          [PROBLEM_ITERATIONS] = "iter10"};
    for (const struct op *op = ops; op->name; op++) {
        struct named_problem p;
        char error[ERROR_TEXT];
        struct tensor_spec specs[ROLE_COUNT];
        bool there[ROLE_COUNT] = {false}, made[ROLE_COUNT] = {false};
        assert_true(problem_parse(op->kind, samples[op->kind], &p, error));
        const int count = op->tensors(&p.problem, (struct formats){NCHW, NCHW}, specs);
        for (int i = 0; i < count; i++) {
            there[specs[i].role] = true;
            made[specs[i].role] = specs[i].output;
        }
        assert_ptr_equal(op_find(op->name), op);
        assert_int_equal(op->pass == FORWARD, made[DST]);
        assert_int_equal(op->pass == BACKWARD_DATA, made[DIFF_SRC]);
        assert_int_equal(op->pass == BACKWARD_WEIGHTS, made[DIFF_WEIGHTS]);
        assert_int_equal(op->statistics, made[MEAN]);
        assert_int_equal(op->normalizes, there[GAMMA]);
        assert_true(!op->relu || op->normalizes);
        assert_true(!op->pools || op->relu);
        assert_true(!op->moves || (count == 2 && there[SRC] && made[DST]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_canonically),
        cmocka_unit_test(keeps_name_and_multiplicity),
        cmocka_unit_test(round_trips_at_random),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(built_in_sets_are_readable),
        cmocka_unit_test(operations_are_what_their_operands_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
