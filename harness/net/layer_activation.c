/* relu, sigmoid, tanh, softmax, dropout: value by value, or vector by vector. */
#include "net/layer.h"

#include <math.h>
#include <stdio.h>

static int64_t values(const struct layer_pass *p)
{
    return p->mb * shape_floats(&p->l->dst, p->s->layout);
}

static bool relu_saturated(float y)
{
    return y <= 0;
}

static void relu_forward(const struct layer_pass *p)
{
    p->kernels->relu_fwd(p->s->dst, values(p), p->threads);
}

static void relu_backward(const struct layer_pass *p)
{
    p->kernels->relu_bwd(p->s->dst, p->s->diff_dst, values(p), p->threads);
}

/* It may follow another activation: what it changes to 0 passes no gradient on to that. */
const struct layer_type layer_relu = {
    .name = "relu",
    .in_place = true,
    .by_output = true,
    .saturated = relu_saturated,
    .decision = "keep",
    .forward = relu_forward,
    .backward = relu_backward,
};

static bool sigmoid_saturated(float y)
{
    return y < 0.05F || y > 0.95F;
}

static void sigmoid_forward(const struct layer_pass *p)
{
    p->kernels->curve_fwd(CURVE_SIGMOID, p->s->dst, values(p), p->threads);
}

static void sigmoid_backward(const struct layer_pass *p)
{
    p->kernels->curve_bwd(CURVE_SIGMOID, p->s->dst, p->s->diff_dst, values(p), p->threads);
}

const struct layer_type layer_sigmoid = {
    .name = "sigmoid",
    .others = {{"logistic", "sigmoid"}},
    .in_place = true,
    .by_output = true,
    .spoils_input = true,
    .moves_zero = true,
    .saturated = sigmoid_saturated,
    .forward = sigmoid_forward,
    .backward = sigmoid_backward,
};

static bool tanh_saturated(float y)
{
    return fabsf(y) > 0.95F;
}

static void tanh_forward(const struct layer_pass *p)
{
    p->kernels->curve_fwd(CURVE_TANH, p->s->dst, values(p), p->threads);
}

static void tanh_backward(const struct layer_pass *p)
{
    p->kernels->curve_bwd(CURVE_TANH, p->s->dst, p->s->diff_dst, values(p), p->threads);
}

const struct layer_type layer_tanh = {
    .name = "tanh",
    .in_place = true,
    .by_output = true,
    .spoils_input = true,
    .saturated = tanh_saturated,
    .forward = tanh_forward,
    .backward = tanh_backward,
};

/* Nobody is to get it by mistake. */
static bool read_softmax(struct reader *r, struct layer *l)
{
    if (!reader_accept(r, "stray"))
        return reader_wrong(
            r->layer, "the loss applies softmax itself: end with the dense layer that gives the "
                      "logits, or write softmax stray to apply it twice");
    if (l->src.h * l->src.w > 1)
        return reader_wrong(r->layer, "softmax works on vectors; put a dense layer before it");
    return true;
}

static void print_softmax(const struct layer *l, char *at, size_t room)
{
    (void)l;
    snprintf(at, room, " stray");
}

static void softmax_forward(const struct layer_pass *p)
{
    softmax_fwd(p->mb, p->l->dst.c, p->s->dst);
}

static void softmax_backward(const struct layer_pass *p)
{
    softmax_bwd(p->mb, p->l->dst.c, p->s->dst, p->s->diff_dst);
}

const struct layer_type layer_softmax = {
    .name = "softmax",
    .unlisted = true,
    .read = read_softmax,
    .print = print_softmax,
    .in_place = true,
    .by_output = true,
    .spoils_input = true,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

static bool read_dropout(struct reader *r, struct layer *l)
{
    const char *what = "write the share of values to drop, from 0 to 0.99, as in dropout 0.15";
    return reader_real(r, 0, 0.99, what, &l->rate);
}

static void print_dropout(const struct layer *l, char *at, size_t room)
{
    char rate[REAL_TEXT];
    snprintf(at, room, " %s", real_print(l->rate, rate));
}

static void dropout_forward(const struct layer_pass *p)
{
    const double rate = p->step->drops ? p->l->rate : 0;
    p->kernels->dropout(p->s->src, p->s->dst, values(p), rate, p->step->key, p->threads);
}

static void dropout_backward(const struct layer_pass *p)
{
    p->kernels->dropout(p->s->diff_dst, p->s->diff_src, values(p), p->l->rate, p->step->key,
                        p->threads);
}

const struct layer_type layer_dropout = {
    .name = "dropout",
    .others = {{"dropout1d dropout2d", "dropout"}},
    .read = read_dropout,
    .print = print_dropout,
    .gradient_in_place = true,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
