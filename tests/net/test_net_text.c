/* Networks as text: the grammar, what is said of mistakes, and texts that make no network. */
#include "net/net.h"
#include "train/preset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect_text_error(const char *text, const char *part, const char *more)
{
    static struct net_text layers;
    char error[ERROR_TEXT] = "";
    assert_false(net_text_parse(text, (struct shape){3, 32, 32}, &layers, error));
    if (!strstr(error, part) || !strstr(error, more) || strchr(error, '\n'))
        fail_msg("'%s': '%s' should say '%s' and '%s'", text, error, part, more);
}

static void text_errors_point_at_the_word(void **state)
{
    (void)state;
    expect_text_error("", "column 1", "write layers");
    expect_text_error("conv 6 5x5; rleu; dense 10", "column 13, 'rleu'", "layers are conv");
    expect_text_error("conv 6 5x5; Conv2d 3", "column 13, 'Conv2d'", "called conv here");
    expect_text_error("dense 10; softmax", "column 11, 'softmax'", "loss applies softmax");
    expect_text_error("dense 10; relu; sigmoid", "column 17, 'sigmoid'", "activation");
    expect_text_error("dense 10; dropout 1", "column 19, '1'", "share of values to drop");
    expect_text_error("dense 10; softmax strange", "column 11, 'softmax'", "softmax stray");
    expect_text_error("conv six 5x5", "column 6, 'six'", "number of filters");
    expect_text_error("conv 6", "at the end", "size of the kernel");
    expect_text_error("conv 6 5y5", "column 8, '5y5'", "size of the kernel");
    expect_text_error("conv 6 0x5", "column 8, '0x5'", "size of the kernel");
    expect_text_error("conv 6 33x33", "column 8, '33x33'", "32x32 image");
    expect_text_error("conv 6 5x5 valid", "column 12, 'valid'", "conv takes");
    expect_text_error("conv 6 5x5 stride 0", "column 19, '0'", "stride");
    expect_text_error("conv 6 5x5 relu", "column 12, 'relu'", "conv takes");
    expect_text_error("relu relu", "column 6, 'relu'", "separated by ';'");
    expect_text_error("maxpool 40", "column 9, '40'", "16");
    expect_text_error("conv 4 20x20; maxpool 14", "column 23, '14'", "13x13 image");
    expect_text_error("dense", "at the end", "number of outputs");
    expect_text_error("dense 99999999999999999999", "column 7", "number of outputs");
    expect_text_error("bn eps 0", "column 8, '0'", "1e-12");
    expect_text_error("bn momentum x", "column 13, 'x'", "from 0 to 1");
    expect_text_error("conv 1000000 1x1; flatten; conv 1000000 1000x1000 same", "column 28, 'conv'",
                      "more than 2^50 weights");
    expect_text_error("conv1d 4 3", "column 1, 'conv1d'", "leave out the 1d");
    expect_text_error("bn1d", "column 1, 'bn1d'", "no such layer");
    expect_text_error("Linear(10)", "column 1, 'Linear(10)'", "called dense here");
    expect_text_error("GlobalAveragePooling2D()", "column 1", "avgpool global");
    expect_text_error("conv 4 3x3 padding=same", "column 12, 'padding=same'", "say same");
    expect_text_error("conv 4 3x3 use_bias=False", "column 12", "write nobias");
    expect_text_error("bn epsilon 1e-3", "column 4, 'epsilon'", "write eps E");
    expect_text_error("bn affine=False", "column 4", "write affine off");
    expect_text_error("maxpool 2 strides=2", "column 11", "write stride S");
    expect_text_error("dense 4 activation=relu", "column 9", "layer of its own");
    expect_text_error("bn momentum 0.1 keras", "column 17, 'keras'", "first");
    expect_text_error("bn affine on", "column 11, 'on'", "affine off");
    expect_text_error("bn running off frozen", "column 4, 'running'", "frozen keeps to");
    expect_text_error(";", "column 1, ';'", "no such layer");
}

static void text_shapes(void **state)
{
    (void)state;
    static struct net_text t;
    char error[ERROR_TEXT], text[LAYER_TEXT];
    assert_true(net_text_parse(preset_find("lenet")->text, (struct shape){3, 32, 32}, &t, error));
    assert_int_equal(t.count, 12); /* the flatten counts */
    assert_int_equal(t.layers[3].dst.h, 10);
    assert_int_equal(t.layers[6].dst.c, 400);
    int64_t parameters = 0;
    for (int i = 0; i < t.count; i++)
        parameters += layer_parameters(&t.layers[i]);
    assert_int_equal(parameters, 62006);
    assert_true(
        net_text_parse("conv 4 3x3 same stride 2;bn", (struct shape){3, 32, 31}, &t, error));
    assert_int_equal(t.layers[0].dst.h, 16);
    assert_int_equal(t.layers[0].dst.w, 16);
    /* Half of the one row that is too many goes above: none. */
    assert_int_equal(t.layers[0].ph, 0);
    assert_int_equal(t.layers[0].pw, 1);
    assert_string_equal(layer_print(&t.layers[0], text), "conv 4 3x3 same stride 2");
}

/* A layer is printed so that it is read as what it was, to the last bit. */
static void text_comes_back(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"bn", "bn"},
        {"bn pytorch", "bn"},
        {"maxpool 3 stride 2", "maxpool 3 stride 2"},
        {"bn keras", "bn eps 0.001 momentum 0.01"},
        {"bn keras3", "bn eps 0.001 momentum 0.01 population"},
        {"bn onnx momentum 0.25", "bn eps 1e-05 momentum 0.25 population"},
        {"bn momentum cumulative frozen", "bn eps 1e-05 momentum cumulative frozen"},
        {"bn running off affine off", "bn affine off running off"},
        {"bn eps 1.2345678901234567e-05", "bn eps 1.2345678901234568e-05 momentum 0.1"},
        {"dropout 0.333333333", "dropout 0.333333333"},
    };
    static struct net_text t, again;
    char error[ERROR_TEXT], text[LAYER_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(net_text_parse(cases[i][0], (struct shape){3, 8, 8}, &t, error));
        assert_string_equal(layer_print(&t.layers[0], text), cases[i][1]);
        assert_true(net_text_parse(text, (struct shape){3, 8, 8}, &again, error));
        const struct layer *a = &t.layers[0], *b = &again.layers[0];
        assert_true(a->eps == b->eps && a->momentum == b->momentum && a->rate == b->rate &&
                    a->cumulative == b->cumulative && a->population == b->population &&
                    a->affine == b->affine && a->running == b->running && a->frozen == b->frozen);
    }
}

static void impossible_networks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        int64_t batch;
    } cases[] = {
        {"relu; flatten", "no layer has weights", 5},
        {"conv 4 3x3", "end with dense 4", 5},
        {"dense 3", "end with dense 4", 5},
        {"dense 8; bn; dense 4", "one value per channel", 1},
        {"dense 1000000; dense 1000000", "smaller batch or layer", 5},
    };
    static struct net_text layers;
    char error[ERROR_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(net_text_parse(cases[i].text, (struct shape){3, 25, 20}, &layers, error));
        struct net_options o = {.batch = cases[i].batch,
                                .eval_batch = 1,
                                .classes = 4,
                                .hints = {.threads = 1},
                                .isa = isa_detect(),
                                .memory = 1e9};
        error[0] = '\0';
        assert_null(net_create(&layers, &o, error));
        if (!strstr(error, cases[i].error))
            fail_msg("'%s': '%s' should say '%s'", cases[i].text, error, cases[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_errors_point_at_the_word),
        cmocka_unit_test(text_shapes),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(impossible_networks_are_refused),
    };
    return cmocka_run_group_tests_name("net_text", tests, NULL, NULL);
}
