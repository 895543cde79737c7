/* The lifetime of a network, and what the caller may look at. */
#include "net/net_state.h"

#include <stdlib.h>

const char *const phase_names[PHASES] = {"fwd", "bwd_data", "bwd_weights", "reorder_fwd",
                                         "reorder_bwd"};

struct net *net_create(const struct net_text *text, const struct net_options *options,
                       char error[ERROR_TEXT])
{
    struct net *n = calloc(1, sizeof *n);
    if (!n) {
        explain(error, "out of memory for the network");
        return NULL;
    }
    n->text = *text;
    n->options = *options;
    n->layers = layers_for(options->isa);
    if (options->plan) {
        n->has_plan = true;
        n->plan = *options->plan;
    }
    if (!net_build(n, error)) {
        net_free(n);
        return NULL;
    }
    return n;
}

void net_free(struct net *n)
{
    if (!n)
        return;
    for (int i = 0; i < net_call_count(n); i++) {
        const struct call *c = net_call(n, i);
        if (c->args.handle && c->entry->variant->release)
            c->entry->variant->release(c->args.handle);
    }
    memory_free(&n->memory);
    free(n);
}

const struct layers *net_layers(const struct net *n)
{
    return n->layers;
}

float *net_input(struct net *n)
{
    return n->input;
}

const float *net_output(const struct net *n, int layer)
{
    return n->state[layer].dst;
}

bool net_decisions(const struct net *n, int layer, int64_t mb, float *out)
{
    const struct layer *l = &n->text.layers[layer];
    const struct layer_state *s = &n->state[layer];
    if (!layer_type(l)->decision || (!s->chosen && net_pooled(n, layer)))
        return false;
    const int64_t lanes = layer_lanes(l, s->layout), pixels = l->dst.h * l->dst.w,
                  planes = div_up(l->dst.c, lanes);
    for (int64_t image = 0; image < mb; image++)
        for (int64_t c = 0; c < l->dst.c; c++)
            for (int64_t i = 0; i < pixels; i++, out++) {
                const int64_t at = ((image * planes + c / lanes) * pixels + i) * lanes + c % lanes;
                if (net_pooled(n, layer))
                    *out = (float)layer_pooled_place(l - 2, s - 2, image, c, i);
                else if (s->chosen)
                    *out = s->chosen[at] == MAXPOOL_NONE ? -1 : s->chosen[at];
                else
                    *out = s->dst[at] > 0;
            }
    return true;
}

int net_tensor_count(const struct net *n)
{
    return n->tensor_count;
}

struct net_tensor *net_tensor(struct net *n, int i)
{
    return &n->tensors[i];
}

const float *net_gradient(const struct net *n, int i)
{
    return n->tensor_gradients[i];
}

float *net_memory(const struct net *n, int i, int which)
{
    const float *gradient = n->tensor_gradients[i];
    return gradient ? (which ? n->v : n->m) + (gradient - n->gradients) : NULL;
}

int64_t net_steps(const struct net *n)
{
    return n->step.number;
}

void net_set_steps(struct net *n, int64_t steps)
{
    n->step.number = steps;
}

int net_call_places(const struct net *n)
{
    return n->pass_count * n->text.count * PHASES;
}

struct call *net_call_place(const struct net *n, int i)
{
    const int each = n->text.count * PHASES;
    return &n->passes[i / each].layers[i % each / PHASES].calls[i % PHASES];
}

int net_call_count(const struct net *n)
{
    int count = 0;
    for (int i = 0; i < net_call_places(n); i++)
        count += net_call_place(n, i)->entry != NULL;
    return count;
}

const struct call *net_call(const struct net *n, int i)
{
    for (int place = 0;; place++)
        if (net_call_place(n, place)->entry && i-- == 0)
            return net_call_place(n, place);
}

int64_t net_parameters(const struct net *n)
{
    return n->parameters;
}

double net_bytes(const struct net *n)
{
    return n->memory.bytes;
}

double net_layer_bytes(const struct net *n, int layer)
{
    return n->layer_bytes[layer];
}

double net_layer_seconds(const struct net *n, int layer, bool backward)
{
    return n->layer_seconds[layer][backward ? TIME_BWD : TIME_FWD];
}

struct net_seconds net_seconds(const struct net *n)
{
    struct net_seconds s = {.loss = n->loss_seconds, .update = n->update_seconds};
    double *const clocks[CLOCKS] = {[CLOCK_OTHER] = &s.other,
                                    [CLOCK_CONV] = &s.conv,
                                    [CLOCK_BN] = &s.bn,
                                    [CLOCK_DENSE] = &s.dense};
    for (int i = 0; i < n->text.count; i++) {
        const double *each = n->layer_seconds[i];
        double seconds = each[TIME_FWD] + each[TIME_BWD] - each[TIME_REORDER];
        s.reorder += each[TIME_REORDER];
        *clocks[layer_type(&n->text.layers[i])->clock] += seconds;
    }
    return s;
}
