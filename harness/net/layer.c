/* The table of layer kinds, and what follows from its rows. */
#include "net/layer.h"

#include <stdio.h>
#include <stdlib.h>

const struct layer_type *const layer_types[LAYER_KINDS] = {
    [LAYER_CONV] = &layer_conv,       [LAYER_DENSE] = &layer_dense,
    [LAYER_BN] = &layer_bn,           [LAYER_RELU] = &layer_relu,
    [LAYER_SIGMOID] = &layer_sigmoid, [LAYER_TANH] = &layer_tanh,
    [LAYER_SOFTMAX] = &layer_softmax, [LAYER_DROPOUT] = &layer_dropout,
    [LAYER_MAXPOOL] = &layer_maxpool, [LAYER_AVGPOOL] = &layer_avgpool,
    [LAYER_FLATTEN] = &layer_flatten,
};

const struct layer_type *layer_type(const struct layer *l)
{
    return layer_types[l->kind];
}

char *layer_print(const struct layer *l, char text[LAYER_TEXT])
{
    const struct layer_type *type = layer_type(l);
    const int n = snprintf(text, LAYER_TEXT, "%s%s", type->name, l->line ? "1d" : "");
    if (type->print)
        type->print(l, text + n, LAYER_TEXT - (size_t)n);
    return text;
}

char *real_print(double x, char text[REAL_TEXT])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    return text;
}

struct layer_weights layer_weights(const struct layer *l)
{
    const struct layer_type *type = layer_type(l);
    return type->weights ? type->weights(l) : (struct layer_weights){0};
}

double layer_size(const struct layer *l)
{
    const struct layer_weights w = layer_weights(l);
    double weights = w.ndim ? 1 : 0;
    for (int i = 0; i < w.ndim; i++)
        weights *= (double)w.dims[i];
    return weights + (double)w.bias;
}

int64_t layer_parameters(const struct layer *l)
{
    return (int64_t)layer_size(l);
}

int64_t layer_weight_count(const struct layer *l)
{
    return layer_parameters(l) - layer_weights(l).bias;
}

double layer_flops(const struct layer *l)
{
    return layer_type(l)->flops ? layer_type(l)->flops(l) : 0;
}

bool layer_takes(const struct layer *l, enum layout layout)
{
    const struct layer_type *type = layer_type(l);
    /* Channels that fill up a block have to stay zero. */
    if (layout == NCHW16C && type->moves_zero && l->src.c % 16)
        return false;
    return layout == NCHW || (!type->nchw_only && l->src.h * l->src.w > 1);
}

int64_t layer_lanes(const struct layer *l, enum layout layout)
{
    return layout == NHWC ? l->src.c : layout == NCHW16C ? 16 : 1;
}

int64_t padded16(int64_t n)
{
    return div_up(n, 16) * 16;
}

int64_t shape_floats(const struct shape *s, enum layout layout)
{
    return (layout == NCHW16C ? padded16(s->c) : s->c) * s->h * s->w;
}
