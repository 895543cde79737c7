/* Where batch normalization goes in a network, and the biases that it makes idle. */
#include "net/net_text.h"

#include <stdio.h>

/* By the mean of the batch: a bias before it changes nothing. */
static bool takes_bias_away(const struct layer *l)
{
    return l->kind == LAYER_BN && layer_by_batch(l, true);
}

char *net_text_idle_biases(const struct net_text *n, char text[LAYER_LIST_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i + 1 < n->count && used < LAYER_LIST_TEXT - 16; i++)
        if (n->layers[i].bias && takes_bias_away(&n->layers[i + 1]))
            used += (size_t)snprintf(text + used, LAYER_LIST_TEXT - used, used ? ", %d" : "%d", i);
    return text;
}

static bool is_activation(const struct layer *l)
{
    return layer_type(l)->saturated != NULL;
}

/* Do the bn before and the one after the activation at i belong to it? One between two activations is the later one's. */
static bool has_before(const struct net_text *n, int i)
{
    return i > 0 && n->layers[i - 1].kind == LAYER_BN;
}

static bool has_after(const struct net_text *n, int i)
{
    const struct layer *l = &n->layers[i];
    bool after = i + 1 < n->count && l[1].kind == LAYER_BN;
    return after && !(i + 2 < n->count && is_activation(&l[2]));
}

/* The bn that belongs to the activation at i, or NULL. */
static const struct layer *bn_of(const struct net_text *n, int i)
{
    const struct layer *l = &n->layers[i];
    return has_before(n, i) ? l - 1 : has_after(n, i) ? l + 1 : NULL;
}

/* Does the layer at i belong to an activation beside it? */
static bool beside_activation(const struct net_text *n, int i)
{
    return (i > 0 && is_activation(&n->layers[i - 1])) ||
           (i + 1 < n->count && is_activation(&n->layers[i + 1]));
}

bool net_text_place_bn(const struct net_text *n, enum bn_place place, bool drop_bias,
                       char text[NET_TEXT], char error[ERROR_TEXT])
{
    const struct layer plain = layer_plain_bn();
    static struct layer out[2 * MAX_LAYERS];
    int count = 0;
    bool any = false;
    for (int i = 0; i < n->count; i++)
        any |= n->layers[i].kind == LAYER_BN;
    if (place == BN_KEEP) {
        any = true;
        place = BN_ON;
    }
    for (int i = 0; i < n->count; i++) {
        const struct layer *l = &n->layers[i], *bn = NULL;
        if (is_activation(l) && (place == BN_BEFORE || place == BN_AFTER) && has_before(n, i) &&
            has_after(n, i))
            return explain(error,
                           "network, column %d: this %s has a bn on either side; leave out the one "
                           "that --bn is not about",
                           l->column, layer_type(l)->name);
        if (l->kind == LAYER_BN && (place == BN_OFF || (place != BN_ON && beside_activation(n, i))))
            continue;
        if (is_activation(l) && place != BN_OFF)
            bn = !any ? &plain : place != BN_ON ? bn_of(n, i) : NULL;
        if (bn && place != BN_AFTER)
            out[count++] = *bn;
        out[count++] = *l;
        if (bn && place == BN_AFTER)
            out[count++] = *bn;
    }
    for (int i = 0; i + 1 < count; i++)
        if (drop_bias && takes_bias_away(&out[i + 1]))
            out[i].bias = false;
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        char layer[LAYER_TEXT];
        int more = snprintf(text + used, NET_TEXT - used, "%s%s", i ? "; " : "",
                            layer_print(&out[i], layer));
        used += (size_t)more;
        if (used >= NET_TEXT || count > MAX_LAYERS)
            return explain(error, "network: too long with the bn of --bn");
    }
    return true;
}
