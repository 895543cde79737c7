/* Which kernel runs: by what was asked for, and by the shape alone. */
#include "net/kernel_choice.h"
#include "problems.h"

#include <string.h>

static void kernel_choice_order(void **state)
{
    (void)state;
    const struct named_problem p = parse("mb2ic3ih8oc4kh3");
    struct formats f = {NCHW, NCHW};
    char error[ERROR_TEXT];
    static const struct {
        const char *choice, *name;
    } cases[] = {
        {"ref", "ref"},
        {"naive,ref", "naive"},
        {"conv_fwd=ref,naive", "ref"},
        {" conv_bwd_data = naive ; conv_fwd = ref ", "ref"},
        {"conv_bwd_data/naive,conv_fwd/ref", "ref"},
        {"gemm=naive;conv_*=naive", "naive"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(kernel_choice_check(cases[i].choice, error));
        const struct entry *e =
            kernel_choose(cases[i].choice, ISA_BASE, 1, "conv_fwd", &p.problem, f, error);
        assert_non_null(e);
        assert_string_equal(e->name, cases[i].name);
    }
    /* bfloat16 has to be asked for. */
    if (isa_detect() >= ISA_AVX512BF16) {
        const struct entry *e[2] = {
            kernel_choose("direct_*", ISA_AVX512BF16, 2, "conv_fwd", &p.problem, f, error),
            kernel_choose("direct_*bf16*", ISA_AVX512BF16, 2, "conv_fwd", &p.problem, f, error)};
        assert_true(e[0] && e[0]->variant->algebra == SUM_OF_PRODUCTS);
        assert_true(e[1] && e[1]->variant->algebra == BF16_PRODUCTS);
    }
    /* An operation that is not named follows the default; one that is never falls back. */
    assert_non_null(kernel_choose("bn_*=ref", ISA_BASE, 1, "conv_fwd", &p.problem, f, error));
    assert_null(
        kernel_choose("conv_fwd=naive_avx2", ISA_BASE, 1, "conv_fwd", &p.problem, f, error));
    assert_non_null(strstr(error, "naive_avx2"));
    assert_false(kernel_choice_check("conv_fwd=dierct", error));
    assert_non_null(strstr(error, "dierct"));
    assert_false(kernel_choice_check("con_fwd=naive", error));
    assert_non_null(strstr(error, "con_fwd"));
    assert_false(kernel_choice_check(" ;", error));
}

/* Of one level and algorithm the choice takes SIMD before plain C, on one thread and on two. */
static void plain_c_comes_last(void **state)
{
    (void)state;
    static const struct {
        const char *op, *problem;
    } cases[] = {{"conv_fwd", "mb64ic32ih8oc32kh3sh2ph1"},
                 {"conv_bwd_data", "mb64ic32ih8oc32kh3sh2ph1"},
                 {"conv_bwd_weights", "mb64ic32ih8oc32kh3sh2ph1"},
                 {"bn_fwd_train", "mb64ic32ih16"},
                 {"bn_bwd", "mb64ic32ih16"},
                 {"gemm", "64x784:784x256"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct named_problem p = parse(cases[i].problem);
        const enum layout layout = p.problem.kind == PROBLEM_GEMM ? GEMM_NN : NCHW;
        for (int threads = 1; threads <= 2; threads++) {
            char error[ERROR_TEXT];
            const struct entry *e = kernel_choose("", ISA_BASE, threads, cases[i].op, &p.problem,
                                                  (struct formats){layout, layout}, error);
            assert_non_null(e);
            if (!strstr(e->name, "_sse2") && !strstr(e->name, "_neon"))
                fail_msg("%s on %d threads: %s", cases[i].op, threads, e->name);
        }
    }
}

/* What the default order makes of a shape, on a CPU with AVX-512 and two threads. */
static void default_kernels_follow_the_shape(void **state)
{
    (void)state;
    if (isa_detect() < ISA_AVX512) {
        print_message("skipped: the table is of CPUs with AVX-512\n");
        skip();
    }
    static const struct {
        const char *problem, *names[3];
    } cases[] = {
        {"mb80ic60ih16oc60kh3ph1", {"winograd4", "winograd4", "winograd4"}},
        {"mb80ic60ih16oc60kh3sh2ph1", {"direct", "direct", "direct"}},
        {"mb80ic60ih2oc60kh3ph1", {"direct", "direct", "direct"}},
        {"mb80ic3ih32oc60kh3ph1", {"rows", "rows", "planes"}},
        {"mb10ic6ih14oc16kh5", {"direct_planes", "rows", "few"}},
        {"mb80ic64ih56oc64kh1", {"direct", "direct", "direct"}},
        {"mb80ic64ih56oc256kh1", {"direct", "direct", "direct"}},
        {"mb80ic256ih56oc512kh1sh2", {"pointwise", "pointwise", "pointwise"}},
        {"mb16ic128ih56oc128kh3sh2ph1", {"direct", "direct", "direct"}},
        {"mb16g64ic64ih56oc64kh3ph1", {"rows", "rows", "depthwise"}},
        {"mb16g64ic64ih56oc64kh3sh2ph1", {"depthwise", "depthwise", "depthwise"}},
        {"mb16g64ic64ih14oc64kh3ph1", {"direct_planes", "depthwise", "depthwise"}},
    };
    static const char *const passes[] = {"conv_fwd", "conv_bwd_data", "conv_bwd_weights"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct named_problem p = parse(cases[i].problem);
        char error[ERROR_TEXT];
        for (int k = 0; k < 3; k++) {
            const struct entry *e = kernel_choose(NULL, ISA_AVX512, 2, passes[k], &p.problem,
                                                  (struct formats){NCHW, NCHW}, error);
            assert_non_null(e);
            assert_string_equal(e->algorithm, cases[i].names[k]);
            assert_true(e->variant->parallel && e->variant->isa == ISA_AVX512);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_choice_order),
        cmocka_unit_test(plain_c_comes_last),
        cmocka_unit_test(default_kernels_follow_the_shape),
    };
    return cmocka_run_group_tests_name("kernel_choice", tests, NULL, NULL);
}
