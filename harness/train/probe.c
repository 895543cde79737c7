/* Looks into a network between two steps of its training. */
#include "train/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double probe_scales[PROBE_SCALES] = {0.25, 0.5, 1, 2, 4};
const char *const shift_names[] = {
    [SHIFT_BRIGHTNESS] = "brightness", [SHIFT_CONTRAST] = "contrast", NULL};

static double norm(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static int64_t tensor_size(const struct net_tensor *t)
{
    int64_t size = 1;
    for (int i = 0; i < t->ndim; i++)
        size *= t->dims[i];
    return size;
}

/* Is what the layer gave still there, or did the layer after it write over it? */
static bool is_kept(const struct net_text *text, int layer)
{
    return layer + 1 == text->count || !layer_type(&text->layers[layer + 1])->by_output;
}

struct layer_statistics probe_layer(struct net *n, const struct net_text *text, int layer,
                                    int64_t mb)
{
    struct layer_statistics s = {NAN, NAN, NAN, NAN, NAN};
    const struct layer *l = &text->layers[layer];
    bool (*const saturates)(float) = layer_type(l)->saturated;
    if (is_kept(text, layer)) {
        const float *y = net_output(n, layer);
        int64_t count = mb * l->dst.c * l->dst.h * l->dst.w, saturated = 0;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < count; i++) {
            sum += (double)y[i];
            saturated += saturates && saturates(y[i]);
        }
        s.mean = sum / (double)count;
        for (int64_t i = 0; i < count; i++)
            squares += ((double)y[i] - s.mean) * ((double)y[i] - s.mean);
        s.deviation = sqrt(squares / (double)count);
        if (saturates)
            s.saturated = (double)saturated / (double)count;
    }
    char name[sizeof net_tensor(n, 0)->name];
    snprintf(name, sizeof name, "%d.weight", layer);
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name)) {
            int64_t size = tensor_size(net_tensor(n, i));
            s.weight_norm = norm(net_tensor(n, i)->data, size);
            s.gradient_norm = norm(net_gradient(n, i), size);
        }
    return s;
}

/* Is each of them a finite number? Those have an exponent that is not all ones. */
static bool all_finite(const float *x, int64_t n)
{
    const uint32_t exponent = 0x7f800000;
    uint32_t wild = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        wild |= (bits & exponent) == exponent;
    }
    return !wild;
}

static bool is_wild(struct net *n, int tensor)
{
    const struct net_tensor *t = net_tensor(n, tensor);
    return !all_finite(t->data, tensor_size(t));
}

int probe_wild_weight(struct net *n, bool thorough)
{
    for (int i = net_tensor_count(n) - 1; i >= 0; i--)
        if (net_gradient(n, i) && (thorough || net_tensor(n, i)->ndim == 1) && is_wild(n, i))
            return i;
    return -1;
}

int probe_wild_statistic(struct net *n)
{
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!net_gradient(n, i) && is_wild(n, i))
            return i;
    return -1;
}

int probe_wild_layer(struct net *n, const struct net_text *text, const struct net_plan *plan,
                     int64_t mb)
{
    const int64_t block = 16;
    for (int i = 0; i < text->count; i++) {
        const struct shape *s = &text->layers[i].dst;
        /* What a bn and its relu would give is not stored where the pooling after them is done in one go. */
        if (net_pools(n, i) || (i && net_pools(n, i - 1)))
            continue;
        const bool blocked = plan && plan->layers[i].layout == NCHW16C;
        const int64_t c = blocked ? div_up(s->c, block) * block : s->c;
        if (!all_finite(net_output(n, i), mb * c * s->h * s->w))
            return i;
    }
    return -1;
}

/* Trained tensors end to end in one array: in, or out again. */
static void pass_weights(struct net *n, float *all, bool in)
{
    for (int i = 0; i < net_tensor_count(n); i++) {
        if (!net_gradient(n, i))
            continue;
        size_t size = (size_t)tensor_size(net_tensor(n, i));
        memcpy(in ? all : net_tensor(n, i)->data, in ? net_tensor(n, i)->data : all,
               size * sizeof *all);
        all += size;
    }
}

static void copy_gradients(struct net *n, float *all)
{
    for (int i = 0; i < net_tensor_count(n); i++) {
        if (!net_gradient(n, i))
            continue;
        size_t size = (size_t)tensor_size(net_tensor(n, i));
        memcpy(all, net_gradient(n, i), size * sizeof *all);
        all += size;
    }
}

static double distance(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

bool probe_step(struct trainer *t, int64_t *images, struct outcome *out, struct direction *along)
{
    struct net *n = t->net;
    const int64_t count = net_parameters(n);
    float *memory = malloc(5 * (size_t)count * sizeof *memory);
    if (!memory)
        return false;
    float *before = memory, *after = before + count, *gradient = after + count,
          *there = gradient + count, *changed = there + count;
    pass_weights(n, before, true);
    *out = trainer_step(t, images);
    copy_gradients(n, gradient);
    pass_weights(n, after, true);
    *along = (struct direction){.loss = out->loss / (double)*images,
                                .norm = distance(before, after, count),
                                .gradient = norm(gradient, count)};
    for (int s = 0; s < PROBE_SCALES; s++) {
        for (int64_t i = 0; i < count; i++)
            there[i] = before[i] + (float)probe_scales[s] * (after[i] - before[i]);
        pass_weights(n, there, false);
        along->losses[s] = trainer_again(t, *images).loss / (double)*images;
        copy_gradients(n, changed);
        along->changes[s] = distance(changed, gradient, count) / along->gradient;
    }
    /* What the layers hold is again what the step left, for probe_layer. */
    pass_weights(n, before, false);
    (void)trainer_again(t, *images);
    pass_weights(n, after, false);
    free(memory);
    return true;
}

void shift_map(enum shift kind, double amount, uint8_t map[256])
{
    for (int i = 0; i < 256; i++) {
        double y = kind == SHIFT_BRIGHTNESS ? i + 255 * amount : 127.5 + amount * (i - 127.5);
        map[i] = (uint8_t)(y < 0 ? 0 : y > 255 ? 255 : lround(y));
    }
}
