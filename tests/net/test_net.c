/* Networks: what batch normalization and dropout do in them, initial weights, and that fusion, plans and layouts change
 * how they are computed and not what. */
#include "small_net.h"

/* What follows is drawn from images x[batch][C][H][W] that are given, not from a net's input, which later calls overwrite. */
static void fill(struct net *n, int64_t count, double *x)
{
    for (int64_t i = 0; i < count; i++)
        net_input(n)[i] = (float)(x[i] = 3 + (double)noise(i) * (1 + (double)(i % 7)));
}

static float *data_of(struct net *n, const char *name)
{
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name))
            return net_tensor(n, i)->data;
    return NULL;
}

/* BatchNorm1d(102) on (22, 102), with gamma and beta and without: the layer cases of a text on BN. */
static void bn_of_vectors(void **state)
{
    (void)state;
    enum { BATCH = 22, WIDTH = 102 };
    for (int affine = 0; affine < 2; affine++) {
        struct net *n = make_net(affine ? "dense 102 nobias; bn running off"
                                        : "dense 102 nobias; bn affine off running off",
                                 (struct shape){WIDTH, 1, 1}, BATCH, NULL, FUSE_AUTO);
        static double x[BATCH * WIDTH];
        /* The dense layer hands on what it is given. */
        for (int i = 0; i < WIDTH * WIDTH; i++)
            data_of(n, "0.weight")[i] = i / WIDTH == i % WIDTH;
        assert_int_equal(net_tensor_count(n), affine ? 3 : 1);
        for (int c = 0; affine && c < WIDTH; c++) {
            data_of(n, "1.weight")[c] = 1 + noise(c);
            data_of(n, "1.bias")[c] = noise(c + 300);
        }
        fill(n, BATCH * WIDTH, x);
        const float *y = net_forward(n, BATCH);
        for (int i = 0; i < BATCH * WIDTH; i++) {
            const int c = i % WIDTH;
            double mean, variance;
            ref_statistics(BATCH, WIDTH, 1, x, c, &mean, &variance);
            const double plain = (x[i] - mean) / sqrt(variance + 1e-5);
            assert_near(y[i], affine ? (1 + (double)noise(c)) * plain + noise(c + 300) : plain,
                        1e-5);
        }
        net_free(n);
    }
}

/* A convolution of signals, then BN, against plain loops: the Conv1D(64, 3) on 256 channels of 128 values of that text. */
static void conv1d_then_bn(void **state)
{
    (void)state;
    enum { BATCH = 2, IN = 256, OUT = 64, LENGTH = 128, TAPS = 3, GIVEN = LENGTH - TAPS + 1 };
    struct net *n = make_net("conv1d 64 3; bn running off; flatten", (struct shape){IN, 1, LENGTH},
                             BATCH, NULL, FUSE_AUTO);
    static double x[BATCH * IN * LENGTH], y[BATCH * OUT * GIVEN];
    assert_int_equal(net_tensor(n, 0)->ndim, 3);
    assert_int_equal(net_tensor(n, 0)->dims[2], TAPS);
    fill(n, BATCH * IN * LENGTH, x);
    const float *w = data_of(n, "0.weight"), *b = data_of(n, "0.bias");
    for (int64_t i = 0; i < BATCH * OUT * GIVEN; i++) {
        const int64_t image = i / GIVEN / OUT, o = i / GIVEN % OUT;
        y[i] = b[o];
        for (int64_t c = 0; c < IN; c++)
            for (int64_t k = 0; k < TAPS; k++)
                y[i] += w[(o * IN + c) * TAPS + k] * x[(image * IN + c) * LENGTH + i % GIVEN + k];
    }
    const float *got = net_forward(n, BATCH);
    for (int64_t o = 0; o < OUT; o++) {
        double mean, variance;
        ref_statistics(BATCH, OUT, GIVEN, y, o, &mean, &variance);
        for (int64_t i = 0; i < BATCH * GIVEN; i++) {
            const int64_t at = (i / GIVEN * OUT + o) * GIVEN + i % GIVEN;
            assert_near(got[at], (y[at] - mean) / sqrt(variance + 1e-5), 2e-5);
        }
    }
    net_free(n);
}

/* Running statistics after three batches by each convention, and in evaluation. */
static void running_statistics_by_convention(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double momentum, eps;
        bool cumulative, population;
    } cases[] = {{"bn; dense 4", 0.1, 1e-5, false, false},
                 {"bn pytorch momentum 0.3; dense 4", 0.3, 1e-5, false, false},
                 {"bn keras; dense 4", 0.01, 1e-3, false, false},
                 {"bn keras3; dense 4", 0.01, 1e-3, false, true},
                 {"bn onnx; dense 4", 0.1, 1e-5, false, true},
                 {"bn momentum cumulative; dense 4", 0, 1e-5, true, false},
                 {"bn frozen; dense 4", 0, 1e-5, false, false}};
    enum { BATCH = 5, WIDTH = 3 };
    const uint8_t labels[BATCH] = {0, 1, 2, 3, 0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct net *n =
            make_net(cases[k].text, (struct shape){WIDTH, 1, 1}, BATCH, NULL, FUSE_AUTO);
        double x[BATCH * WIDTH], running[2] = {0, 1};
        for (int step = 1; step <= 3; step++) {
            fill(n, BATCH * WIDTH, x);
            for (int i = 0; i < BATCH * WIDTH; i++)
                net_input(n)[i] = (float)(x[i] *= step);
            net_gradients(n, BATCH, labels);
            double mean, variance, take = cases[k].cumulative ? 1.0 / step : cases[k].momentum;
            ref_statistics(BATCH, WIDTH, 1, x, 1, &mean, &variance);
            running[0] += take * (mean - running[0]);
            running[1] += take * (variance * (cases[k].population ? 1 : 1.25) - running[1]);
        }
        assert_near(data_of(n, "0.running_mean")[1], running[0], 1e-5);
        assert_near(data_of(n, "0.running_var")[1], running[1], 1e-4);
        /* Evaluation goes by them. */
        fill(n, BATCH * WIDTH, x);
        const float *w = data_of(n, "1.weight"), *logits = net_forward(n, BATCH);
        double sum = data_of(n, "1.bias")[2];
        for (int c = 0; c < WIDTH; c++)
            sum += w[2 * WIDTH + c] * (x[c] - data_of(n, "0.running_mean")[c]) /
                   sqrt((double)data_of(n, "0.running_var")[c] + cases[k].eps);
        assert_near(logits[2], sum, 2e-5 * (1 + fabs(sum)));
        net_free(n);
    }
}

static void dropout_is_for_training_alone(void **state)
{
    (void)state;
    struct net *with = make_net("dropout 0.5; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    struct net *without = make_net("dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    double first = 0;
    for (int step = 0; step < 2; step++) {
        for (int64_t i = 0; i < SMALL_BATCH * small_input.c * small_input.h * small_input.w; i++)
            net_input(with)[i] = net_input(without)[i] = noise(i);
        double evaluated = net_evaluate(with, SMALL_BATCH, labels).loss;
        assert_true(evaluated == net_evaluate(without, SMALL_BATCH, labels).loss);
        double trained = net_gradients(with, SMALL_BATCH, labels).loss;
        /* Others are dropped in the next step. */
        assert_true(trained != evaluated && trained != first);
        first = trained;
    }
    net_free(with);
    net_free(without);
}

/* After one pass the running statistics have moved a tenth of the way to those of the batch. */
static void running_statistics_of_a_network(void **state)
{
    (void)state;
    struct net *n = make_net("bn; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    int64_t hw = small_input.h * small_input.w, count = SMALL_BATCH * hw;
    for (int64_t i = 0; i < count * small_input.c; i++)
        net_input(n)[i] = 3 + noise(i);
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < count; i++)
        mean += net_input(n)[(i / hw * small_input.c) * hw + i % hw] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = net_input(n)[(i / hw * small_input.c) * hw + i % hw] - mean;
        variance += d * d / (double)(count - 1);
    }
    net_gradients(n, SMALL_BATCH, (const uint8_t[SMALL_BATCH]){0});
    assert_string_equal(net_tensor(n, 2)->name, "0.running_mean");
    assert_near(net_tensor(n, 2)->data[0], 0.1 * mean, 1e-6);
    assert_string_equal(net_tensor(n, 3)->name, "0.running_var");
    assert_near(net_tensor(n, 3)->data[0], 0.9 + 0.1 * variance, 1e-6);
    net_free(n);
}

/* Glorot's bound, He's deviation, and no biases. */
static void other_initial_weights(void **state)
{
    (void)state;
    for (enum init init = INIT_GLOROT; init <= INIT_HE; init++) {
        static struct net_text layers;
        char error[ERROR_TEXT];
        assert_true(net_text_parse("conv 40 3x3; dense 4", small_input, &layers, error));
        struct net_options o = {.batch = 1,
                                .eval_batch = 1,
                                .classes = 4,
                                .hints = {.threads = 1},
                                .isa = isa_detect(),
                                .init = init};
        struct net *n = net_create(&layers, &o, error);
        assert_non_null(n);
        const struct net_tensor *t = net_tensor(n, 0);
        double largest = 0, square = 0, count = (double)elements(t);
        for (int64_t i = 0; i < elements(t); i++) {
            largest = fmax(largest, fabs((double)t->data[i]));
            square += (double)t->data[i] * t->data[i] / count;
        }
        const double fan_in = 3 * 9, fan_out = 40 * 9;
        const double variance = init == INIT_HE ? 2 / fan_in : 2 / (fan_in + fan_out);
        assert_true(square > 0.9 * variance && square < 1.1 * variance);
        assert_true(init == INIT_HE ||
                    (largest <= sqrt(3 * variance) && largest > 0.99 * sqrt(3 * variance)));
        assert_true(init == INIT_GLOROT || largest > 2.5 * sqrt(variance));
        assert_string_equal(net_tensor(n, 1)->name, "0.bias");
        for (int64_t i = 0; i < 40; i++)
            assert_true(net_tensor(n, 1)->data[i] == 0);
        net_free(n);
    }
}

static void initial_weights_fill_their_range(void **state)
{
    (void)state;
    struct net *n = make_net("dense 50; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    const struct net_tensor *t = net_tensor(n, 0);
    double bound = 1 / sqrt(3.0 * 25 * 20), largest = 0, sum = 0;
    for (int64_t i = 0; i < elements(t); i++) {
        largest = fmax(largest, fabs((double)t->data[i]));
        sum += (double)t->data[i];
    }
    assert_true(largest <= bound && largest > 0.999 * bound);
    assert_true(fabs(sum / (double)elements(t)) < 0.02 * bound);
    net_free(n);
}

/* The operation a layer's forward call in training came to be. */
static const char *forward_op(const struct net *n, int layer)
{
    for (int i = 0; i < net_call_count(n); i++) {
        const struct call *c = net_call(n, i);
        if (c->layer == layer && c->phase == FWD)
            return c->entry->op;
    }
    return "";
}

/* A few steps of training with bn and relu as one operation, with statistics from the conv before, and all apart. */
static void fused_and_unfused_agree(void **state)
{
    (void)state;
    enum { NETS = 3 };
    struct net *nets[NETS] = {make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF),
                              make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_ON),
                              make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_STATS)};
    assert_string_equal(forward_op(nets[0], 0), "conv_fwd");
    assert_string_equal(forward_op(nets[0], 1), "bn_fwd_train");
    assert_string_equal(forward_op(nets[0], 5), "bn_fwd_train");
    assert_string_equal(forward_op(nets[1], 1), "bn_pool_fwd_train");
    assert_string_equal(forward_op(nets[1], 5), "bn_relu_fwd_train");
    assert_string_equal(forward_op(nets[2], 0), "conv_stats");
    assert_string_equal(forward_op(nets[2], 1), "bn_pool_fwd_infer");
    assert_string_equal(forward_op(nets[2], 5), "bn_relu_fwd_infer");
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    struct optimizer adam = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    for (int step = 1; step <= 20; step++) {
        double loss[NETS];
        adam.step = step;
        for (int i = 0; i < NETS; i++) {
            for (int64_t j = 0; j < SMALL_BATCH * small_input.c * small_input.h * small_input.w;
                 j++)
                net_input(nets[i])[j] = noise(j);
            loss[i] = net_gradients(nets[i], SMALL_BATCH, labels).loss;
            net_update(nets[i], &adam);
        }
        for (int i = 1; i < NETS; i++)
            assert_near(loss[i] / loss[0], 1, 1e-3);
    }
    for (int i = 0; i < NETS; i++)
        net_free(nets[i]);
}

/* What a network picked for its training pass, as a plan. */
static void plan_of(const struct net *n, bool pools, struct net_plan *plan)
{
    static struct net_text layers;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(small_text, small_input, &layers, error));
    *plan = (struct net_plan){.count = layers.count};
    for (int i = 0; i < layers.count; i++) {
        plan->layers[i].layout = NCHW;
        plan->layers[i].pools = pools && net_can_pool(&layers, i);
    }
    for (int i = net_call_count(n) - 1; i >= 0; i--) {
        const struct call *c = net_call(n, i);
        plan->layers[c->layer].kernels[c->phase] = c->entry;
    }
}

static void assert_same_gradients(struct net *a, struct net *b)
{
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    for (int64_t j = 0; j < SMALL_BATCH * small_input.c * small_input.h * small_input.w; j++)
        net_input(a)[j] = net_input(b)[j] = noise(j);
    const double loss[] = {net_gradients(a, SMALL_BATCH, labels).loss,
                           net_gradients(b, SMALL_BATCH, labels).loss};
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    for (int t = 0; t < net_tensor_count(a); t++) {
        const struct net_tensor *shape = net_tensor(a, t);
        if (net_gradient(a, t))
            assert_memory_equal(net_gradient(a, t), net_gradient(b, t),
                                (size_t)elements(shape) * sizeof(float));
    }
}

/* What is fused by a plan has the bits of what is fused by hand, and goes by hand where both speak. */
static void plans_fuse_as_hands_do(void **state)
{
    (void)state;
    static struct net_plan apart, joined;
    struct net *by_hand[] = {make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF),
                             make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_ON),
                             make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_STATS)};
    plan_of(by_hand[1], false, &apart);
    for (int i = 1; i < 3; i++) {
        plan_of(by_hand[i], true, &joined);
        struct net *planned =
            make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &joined);
        assert_string_equal(forward_op(planned, 0), i == 2 ? "conv_stats" : "conv_fwd");
        assert_true(net_pools(planned, 1) && !net_pools(planned, 5));
        assert_same_gradients(by_hand[i], planned);
        net_free(planned);
        planned = make_planned_net(small_text, small_input, SMALL_BATCH, NULL, (enum fuse)(i + 1),
                                   &apart);
        assert_string_equal(forward_op(planned, 0), i == 2 ? "conv_stats" : "conv_fwd");
        assert_true(net_pools(planned, 1));
        net_free(planned);
    }
    /* joined: all that can be. */
    struct net *off =
        make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF, &joined);
    assert_string_equal(forward_op(off, 0), "conv_fwd");
    assert_string_equal(forward_op(off, 1), "bn_fwd_train");
    assert_false(net_pools(off, 1));
    for (int i = 0; i < net_call_count(off); i++)
        if (net_call(off, i)->layer == 0 && net_call(off, i)->phase == FWD)
            assert_string_equal(net_call(off, i)->entry->name, joined.layers[0].kernels[FWD]->name);
    net_free(off);
    struct net *plain =
        make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &apart);
    assert_false(net_pools(plain, 1));
    assert_string_equal(forward_op(plain, 0), "conv_fwd");
    net_free(plain);
    for (int i = 0; i < 3; i++)
        net_free(by_hand[i]);
}

/* Loss and gradients in nchw, and with layers in other layouts and reorders between them. */
static void layouts_agree(void **state)
{
    (void)state;
    static const enum layout turns[][3] = {{NHWC, NHWC, NHWC},
                                           {NCHW16C, NCHW16C, NCHW16C},
                                           {NCHW16C, NCHW, NHWC},
                                           {NHWC, NCHW16C, NCHW}};
    static struct net_text layers;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(small_text, small_input, &layers, error));
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    struct net *plain = make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    int64_t pixels = SMALL_BATCH * small_input.c * small_input.h * small_input.w;
    for (int64_t j = 0; j < pixels; j++)
        net_input(plain)[j] = noise(j);
    double loss = net_gradients(plain, SMALL_BATCH, labels).loss;
    for (size_t k = 0; k < sizeof turns / sizeof *turns; k++) {
        static struct net_plan plan;
        plan = (struct net_plan){.count = layers.count};
        for (int i = 0; i < layers.count; i++) {
            enum layout want = turns[k][i % 3];
            plan.layers[i].layout = layer_takes(&layers.layers[i], want) ? want : NCHW;
        }
        struct net *n =
            make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &plan);
        int reorders = 0;
        for (int i = 0; i < net_call_count(n); i++)
            reorders += !strcmp(net_call(n, i)->entry->op, "reorder");
        assert_true(reorders > 0);
        for (int64_t j = 0; j < pixels; j++)
            net_input(n)[j] = noise(j);
        assert_near(net_gradients(n, SMALL_BATCH, labels).loss / loss, 1, 1e-5);
        for (int t = 0; t < net_tensor_count(plain); t++) {
            const float *a = net_gradient(plain, t), *b = net_gradient(n, t);
            const struct net_tensor *shape = net_tensor(plain, t);
            const int64_t count = elements(shape);
            double distance = 0, norm = 0;
            for (int64_t j = 0; a && j < count; j++) {
                distance += pow(a[j] - b[j], 2);
                norm += pow(a[j], 2);
            }
            /* A bias right before bn has a gradient of rounding noise alone. */
            if (sqrt(distance) > 1e-4 * sqrt(norm) && sqrt(norm) > 1e-5)
                fail_msg("layouts %d: gradient of %s: off by %g of %g", (int)k, shape->name,
                         sqrt(distance), sqrt(norm));
        }
        const double trained = net_seconds(n).reorder;
        struct outcome eval[2] = {net_evaluate(plain, SMALL_BATCH, labels),
                                  net_evaluate(n, SMALL_BATCH, labels)};
        assert_near(eval[1].loss / eval[0].loss, 1, 1e-4);
        /* Only training counts. */
        assert_true(trained > 0 && net_seconds(n).reorder == trained);
        net_free(n);
    }
    net_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bn_of_vectors),
        cmocka_unit_test(conv1d_then_bn),
        cmocka_unit_test(running_statistics_by_convention),
        cmocka_unit_test(dropout_is_for_training_alone),
        cmocka_unit_test(running_statistics_of_a_network),
        cmocka_unit_test(other_initial_weights),
        cmocka_unit_test(initial_weights_fill_their_range),
        cmocka_unit_test(fused_and_unfused_agree),
        cmocka_unit_test(plans_fuse_as_hands_do),
        cmocka_unit_test(layouts_agree),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
