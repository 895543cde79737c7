/* A bn after the layer: y = s (W x + b) + t = (s W) x + (s b + t). A bn before it: W (s x + t) + b =
 * (W s) x + (b + W t); not with padding, because its zeros do not become t. */
#include "net/net_fold.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A matrix of weights, which a scale and a shift can be multiplied into. */
static bool has_matrix(const struct layer *l)
{
    return layer_weights(l).ndim > 1;
}

static bool padded(const struct layer *l)
{
    return (l->dst.h - 1) * l->stride + l->kh > l->src.h ||
           (l->dst.w - 1) * l->stride + l->kw > l->src.w;
}

static int taker(const struct net_text *n, int i)
{
    if (!n->layers[i].running)
        return -1;
    if (i > 0 && has_matrix(&n->layers[i - 1]))
        return i - 1;
    int next = i + 1;
    while (next < n->count && n->layers[next].kind == LAYER_FLATTEN)
        next++;
    if (next == n->count || !has_matrix(&n->layers[next]))
        return -1;
    const struct layer *l = &n->layers[next];
    return padded(l) ? -1 : next;
}

bool net_fold_plan(const struct net_text *n, struct net_fold *out, char text[NET_TEXT])
{
    bool takes[MAX_LAYERS] = {false};
    size_t used = 0;
    int count = 0;
    *out = (struct net_fold){0};
    for (int i = 0; i < n->count; i++) {
        bool bn = n->layers[i].kind == LAYER_BN;
        out->into[i] = bn ? taker(n, i) : -1;
        if (out->into[i] >= 0)
            takes[out->into[i]] = true;
        out->folded += out->into[i] >= 0;
        out->left += bn && out->into[i] < 0;
    }
    for (int i = 0; i < n->count; i++) {
        out->place[i] = out->into[i] < 0 ? count++ : -1;
        if (out->place[i] < 0)
            continue;
        struct layer l = n->layers[i];
        l.bias |= takes[i];
        char one[LAYER_TEXT];
        int more =
            snprintf(text + used, NET_TEXT - used, "%s%s", used ? "; " : "", layer_print(&l, one));
        if ((used += (size_t)more) >= NET_TEXT)
            return false;
    }
    return true;
}

/* Tensor "LAYER.what", or NULL. */
static struct net_tensor *find(struct net *n, int layer, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%d.%s", layer, what);
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name))
            return net_tensor(n, i);
    return NULL;
}

static float *tensor(struct net *n, int layer, const char *what)
{
    struct net_tensor *t = find(n, layer, what);
    return t ? t->data : NULL;
}

/* A bias that only the folded layer has starts from 0. */
static void copy(struct net_tensor *to, const struct net_tensor *from)
{
    int64_t count = 1;
    for (int i = 0; to && i < to->ndim; i++)
        count *= to->dims[i];
    for (int64_t i = 0; to && i < count; i++)
        to->data[i] = from ? from->data[i] : 0;
}

/* The bn's scale and shift of channel c. */
struct affine {
    double scale, shift;
};

static struct affine channel(struct net *n, int bn, double eps, int64_t c)
{
    const float *gamma = tensor(n, bn, "weight"), *beta = tensor(n, bn, "bias");
    double rstd = 1 / sqrt((double)tensor(n, bn, "running_var")[c] + eps);
    double scale = (gamma ? (double)gamma[c] : 1) * rstd;
    double shift = (beta ? (double)beta[c] : 0) - (double)tensor(n, bn, "running_mean")[c] * scale;
    return (struct affine){scale, shift};
}

/* Weights are w[out][inputs], `inputs` values in runs of one channel each. */
static void fold_behind(float *w, float *b, int64_t out, int64_t inputs, struct net *from, int bn,
                        double eps)
{
    for (int64_t o = 0; o < out; o++) {
        struct affine a = channel(from, bn, eps, o);
        for (int64_t i = 0; i < inputs; i++)
            w[o * inputs + i] = (float)(a.scale * (double)w[o * inputs + i]);
        b[o] = (float)(a.scale * (double)b[o] + a.shift);
    }
}

static void fold_before(float *w, float *b, int64_t out, int64_t inputs, int64_t channels,
                        struct net *from, int bn, double eps)
{
    const int64_t run = inputs / channels;
    for (int64_t o = 0; o < out; o++) {
        double shifted = b[o];
        for (int64_t c = 0; c < channels; c++) {
            struct affine a = channel(from, bn, eps, c);
            for (int64_t i = o * inputs + c * run; i < o * inputs + (c + 1) * run; i++) {
                shifted += a.shift * (double)w[i];
                w[i] = (float)(a.scale * (double)w[i]);
            }
        }
        b[o] = (float)shifted;
    }
}

void net_fold_weights(const struct net_text *text, const struct net_fold *fold, struct net *from,
                      struct net *to)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (int i = 0; i < text->count; i++)
        for (int part = 0; part < 4 && fold->place[i] >= 0; part++)
            copy(find(to, fold->place[i], parts[part]), find(from, i, parts[part]));
    /* In the order of the layers: what comes before a layer is folded into it before what comes behind. */
    for (int i = 0; i < text->count; i++) {
        const int into = fold->into[i];
        if (into < 0)
            continue;
        const struct layer *l = &text->layers[into];
        const int64_t out = l->dst.c, inputs = layer_weight_count(l) / out;
        float *w = tensor(to, fold->place[into], "weight"),
              *b = tensor(to, fold->place[into], "bias");
        if (into < i)
            fold_behind(w, b, out, inputs, from, i, text->layers[i].eps);
        else
            fold_before(w, b, out, inputs, text->layers[i].src.c, from, i, text->layers[i].eps);
    }
}
