/* Whole networks against float64: the loss by plain loops, and every gradient against finite differences of it. */
#include "small_net.h"

#include <stdlib.h>

static double *ref_weights[64]; /* by tensor of the network */

static const double *weights_of(struct net *n, int layer, const char *what)
{
    char name[32];
    snprintf(name, sizeof name, "%d.%s", layer, what);
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name))
            return ref_weights[i];
    return NULL;
}

static void ref_conv(const struct layer *l, const double *x, const double *w, const double *bias,
                     double *y)
{
    for (int64_t n = 0; n < SMALL_BATCH; n++) {
        for (int64_t o = 0; o < l->dst.c; o++) {
            for (int64_t at = 0; at < l->dst.h * l->dst.w; at++) {
                double sum = bias ? bias[o] : 0;
                for (int64_t tap = 0; tap < l->src.c * l->kh * l->kw; tap++) {
                    int64_t c = tap / (l->kh * l->kw), kh = tap / l->kw % l->kh, kw = tap % l->kw;
                    int64_t ih = at / l->dst.w * l->stride - l->ph + kh,
                            iw = at % l->dst.w * l->stride - l->pw + kw;
                    if (ih >= 0 && ih < l->src.h && iw >= 0 && iw < l->src.w)
                        sum += x[((n * l->src.c + c) * l->src.h + ih) * l->src.w + iw] *
                               w[o * l->src.c * l->kh * l->kw + tap];
                }
                y[(n * l->dst.c + o) * l->dst.h * l->dst.w + at] = sum;
            }
        }
    }
}

static void ref_bn(struct net *n, int layer, const struct layer *l, const double *x, double *y)
{
    const double *gamma = weights_of(n, layer, "weight"), *beta = weights_of(n, layer, "bias");
    int64_t hw = l->src.h * l->src.w;
    for (int64_t c = 0; c < l->src.c; c++) {
        double mean, variance;
        ref_statistics(SMALL_BATCH, l->src.c, hw, x, c, &mean, &variance);
        if (l->frozen) {
            mean = weights_of(n, layer, "running_mean")[c];
            variance = weights_of(n, layer, "running_var")[c];
        }
        for (int64_t i = 0; i < SMALL_BATCH * hw; i++) {
            int64_t at = (i / hw * l->src.c + c) * hw + i % hw;
            y[at] = (gamma ? gamma[c] : 1) * (x[at] - mean) / sqrt(variance + l->eps) +
                    (beta ? beta[c] : 0);
        }
    }
}

static void ref_maxpool(const struct layer *l, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * l->dst.c * l->dst.h * l->dst.w; i++) {
        int64_t plane = i / (l->dst.h * l->dst.w), oh = i / l->dst.w % l->dst.h, ow = i % l->dst.w;
        double best = -INFINITY;
        for (int64_t tap = 0; tap < l->kh * l->kw; tap++) {
            int64_t ih = oh * l->stride + tap / l->kw, iw = ow * l->stride + tap % l->kw;
            best = fmax(best, x[(plane * l->src.h + ih) * l->src.w + iw]);
        }
        y[i] = best;
    }
}

static void ref_avgpool(const struct layer *l, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * l->dst.c * l->dst.h * l->dst.w; i++) {
        int64_t plane = i / (l->dst.h * l->dst.w), oh = i / l->dst.w % l->dst.h, ow = i % l->dst.w;
        y[i] = 0;
        for (int64_t tap = 0; tap < l->kh * l->kw; tap++) {
            int64_t ih = oh * l->stride + tap / l->kw, iw = ow * l->stride + tap % l->kw;
            y[i] += x[(plane * l->src.h + ih) * l->src.w + iw] / (double)(l->kh * l->kw);
        }
    }
}

/* What the dropout at `layer` multiplies value j of `count` by. */
static double dropped(const struct net *n, int layer, double rate, int64_t count, int64_t j)
{
    float all[SMALL_BATCH * 256];
    assert_true(count <= SMALL_BATCH * 256);
    for (int64_t i = 0; i < count; i++)
        all[i] = 1;
    net_layers(n)->dropout(all, all, count, rate, net_dropout_key(n, layer), 1);
    return all[j];
}

static void ref_softmax(int64_t classes, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * classes; i++) {
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(x[i / classes * classes + j]);
        y[i] = exp(x[i]) / sum;
    }
}

/* The mean loss of the network in float64, by plain loops. */
static double ref_loss(struct net *n, const struct net_text *text, const float *images,
                       const uint8_t *labels)
{
    enum { ROOM = 8192 };
    static double buffers[2][ROOM];
    double *x = buffers[0], *y = buffers[1];
    for (int64_t i = 0; i < SMALL_BATCH * small_input.c * small_input.h * small_input.w; i++)
        x[i] = images[i];
    for (int i = 0; i < text->count; i++) {
        const struct layer *l = &text->layers[i];
        const double *w = weights_of(n, i, "weight"), *b = weights_of(n, i, "bias");
        int64_t outputs = l->dst.c * l->dst.h * l->dst.w;
        assert_true(SMALL_BATCH * outputs <= ROOM);
        switch (l->kind) {
        case LAYER_CONV: ref_conv(l, x, w, b, y); break;
        case LAYER_BN: ref_bn(n, i, l, x, y); break;
        case LAYER_MAXPOOL: ref_maxpool(l, x, y); break;
        case LAYER_AVGPOOL: ref_avgpool(l, x, y); break;
        case LAYER_FLATTEN: memcpy(y, x, (size_t)(SMALL_BATCH * outputs) * sizeof *y); break;
        case LAYER_RELU:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = fmax(x[j], 0);
            break;
        case LAYER_SIGMOID:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = 1 / (1 + exp(-x[j]));
            break;
        case LAYER_TANH:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = tanh(x[j]);
            break;
        case LAYER_SOFTMAX: ref_softmax(outputs, x, y); break;
        case LAYER_DROPOUT:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = x[j] * dropped(n, i, l->rate, SMALL_BATCH * outputs, j);
            break;
        case LAYER_DENSE:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++) {
                y[j] = b[j % outputs];
                for (int64_t k = 0; k < l->src.c; k++)
                    y[j] += x[j / outputs * l->src.c + k] * w[j % outputs * l->src.c + k];
            }
            break;
        }
        double *swap = x;
        x = y;
        y = swap;
    }
    double loss = 0;
    int64_t classes = text->layers[text->count - 1].dst.c;
    for (int64_t i = 0; i < SMALL_BATCH; i++) {
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(x[i * classes + j]);
        loss += (log(sum) - x[i * classes + labels[i]]) / SMALL_BATCH;
    }
    return loss;
}

static void check_gradients_of(const char *layers, struct shape input, const char *kernels)
{
    static struct net_text text;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(layers, input, &text, error));
    /* In the default kernels with all that can be fused. */
    struct net *n = make_net(layers, input, SMALL_BATCH, kernels, kernels ? FUSE_AUTO : FUSE_STATS);
    int64_t pixels = SMALL_BATCH * small_input.c * small_input.h * small_input.w;
    static float images[SMALL_BATCH * 3 * 25 * 20];
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    for (int64_t i = 0; i < pixels; i++)
        images[i] = net_input(n)[i] = noise(i);
    /* Gamma, beta and running statistics away from 1 and 0, so that a missing factor shows. */
    for (int i = 0; i < net_tensor_count(n); i++) {
        struct net_tensor *t = net_tensor(n, i);
        for (int64_t j = 0; t->ndim == 1 && j < elements(t); j++)
            t->data[j] += 0.3f * noise(1000 * i + j);
        ref_weights[i] = malloc((size_t)elements(t) * sizeof(double));
        assert_non_null(ref_weights[i]);
        for (int64_t j = 0; j < elements(t); j++)
            ref_weights[i][j] = t->data[j];
    }
    struct outcome o = net_gradients(n, SMALL_BATCH, labels);
    assert_near(o.loss / SMALL_BATCH, ref_loss(n, &text, images, labels), 1e-5);
    int compared = 0;
    for (int i = 0; i < net_tensor_count(n); i++) {
        const struct net_tensor *t = net_tensor(n, i);
        for (int64_t j = 0; net_gradient(n, i) && j < elements(t); j++, compared++) {
            const double h = 1e-6;
            double *w = &ref_weights[i][j], center = *w;
            *w = center + h;
            double above = ref_loss(n, &text, images, labels);
            *w = center - h;
            double below = ref_loss(n, &text, images, labels);
            *w = center;
            double expected = (above - below) / (2 * h), got = net_gradient(n, i)[j];
            if (!(fabs(got - expected) <= 2e-5 + 1e-3 * fabs(expected)))
                fail_msg("d loss / d %s[%lld]: got %g, finite difference %g", t->name, (long long)j,
                         got, expected);
        }
    }
    assert_true(compared > 400);
    for (int i = 0; i < net_tensor_count(n); i++)
        free(ref_weights[i]);
    net_free(n);
}

static void check_gradients(const char *layers, const char *kernels)
{
    check_gradients_of(layers, small_input, kernels);
}

static void gradients_match_finite_differences(void **state)
{
    check_gradients(small_text, *state);
}

static void gradients_through_curves(void **state)
{
    (void)state;
    check_gradients(
        "conv 4 3x3 same stride 2; bn; sigmoid; maxpool 2; conv 5 2x3; tanh; conv 6 2x2; "
        "sigmoid; dense 7; bn; relu; dropout 0.4; dense 9; dropout 0.2; tanh; dense 4; softmax stray",
        NULL);
}

static void gradients_through_means(void **state)
{
    (void)state;
    check_gradients("conv 4 3x3 same stride 2; bn; tanh; avgpool 2; conv 5 2x3; relu; "
                    "avgpool 2 stride 1; conv 8 2x2; bn; avgpool global; dense 9; tanh; dense 4",
                    NULL);
}

/* As many numbers as the small images have. */
static void gradients_along_signals(void **state)
{
    (void)state;
    check_gradients_of(
        "conv1d 6 5 stride 4 same; bn; relu; maxpool1d 3 stride 2; conv1d 8 3 same; bn; "
        "tanh; avgpool1d 4; conv1d 9 2 nobias; relu; maxpool1d 2; dense 7; bn; relu; dense 4",
        (struct shape){3, 1, 500}, NULL);
}

static void gradients_through_other_bn(void **state)
{
    (void)state;
    check_gradients(
        "conv 4 3x3 same stride 2; bn frozen; relu; maxpool 2; conv 5 2x3; bn affine off; "
        "tanh; conv 8 2x2 nobias; bn keras running off; relu; maxpool 2; "
        "bn frozen affine off; dense 9; bn onnx; tanh; dense 4",
        NULL);
}

int main(void)
{
    static char references[] = "ref";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(gradients_match_finite_differences, references),
        cmocka_unit_test_prestate(gradients_match_finite_differences, NULL),
        cmocka_unit_test(gradients_through_curves),
        cmocka_unit_test(gradients_through_means),
        cmocka_unit_test(gradients_through_other_bn),
        cmocka_unit_test(gradients_along_signals),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
