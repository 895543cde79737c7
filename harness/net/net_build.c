/* Makes a network: memory, first weights, and the calls of every layer in every pass. */
#include "core/limits.h"
#include "core/rng.h"
#include "net/kernel_choice.h"
#include "net/net_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t largest_batch(const struct net_options *o)
{
    return max_i64(max_i64(o->batch, o->tail), max_i64(o->eval_batch, o->eval_tail));
}

bool net_reordered(const struct net *n, int i)
{
    return n->state[i].layout != (i ? n->state[i - 1].layout : NCHW);
}

/* A layer's gradient, the one it passes down, and that one in the layout of the layer below. */
enum { GRADIENT_BUFFERS = 3 };

/* Refuses what memory cannot hold before anything is touched. Counted in floating point: no overflow. */
static bool check_memory(const struct net *n, char error[ERROR_TEXT])
{
    double floats = 0, widest = (double)shape_floats(&n->text.layers[0].src, NCHW),
           mb = (double)largest_batch(&n->options);
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        double before = mb * (double)shape_floats(&l->src, n->state[i].layout),
               activations = mb * (double)shape_floats(&l->dst, n->state[i].layout);
        floats += 4.0 * (double)layer_parameters(l) + (layer_type(l)->in_place ? 0 : activations) +
                  (net_reordered(n, i) ? before : 0);
        widest = fmax(widest, fmax(before, activations));
    }
    double need = 4 * (floats + GRADIENT_BUFFERS * widest), have = n->options.memory;
    if (have > 0 && need > have)
        return explain(
            error, "the network needs %.3g GB, %.3g are left here; use a smaller batch or layer",
            need / 1e9, have / 1e9);
    return true;
}

static int first_trained(const struct net_text *text)
{
    int i = 0;
    while (i < text->count && !layer_parameters(&text->layers[i]))
        i++;
    return i;
}

static bool check_shape(struct net *n, char error[ERROR_TEXT])
{
    const struct layer *last = &n->text.layers[n->text.count - 1];
    n->first_trained = first_trained(&n->text);
    if (n->first_trained == n->text.count)
        return explain(error, "network: no layer has weights to train; add a conv or dense layer");
    if (last->dst.h != 1 || last->dst.w != 1 || last->dst.c < n->options.classes)
        return explain(
            error,
            "network, column %d: the last layer gives %lldx%lldx%lld numbers an image, the "
            "data has %d classes; "
            "end with dense %d",
            last->column, (long long)last->dst.c, (long long)last->dst.h, (long long)last->dst.w,
            n->options.classes, n->options.classes);
    return true;
}

static void add_tensor(struct net *n, int layer, const char *what, float *data,
                       const float *gradient, int ndim, const int64_t *dims)
{
    struct net_tensor *t = &n->tensors[n->tensor_count];
    *t = (struct net_tensor){.ndim = ndim, .data = data};
    snprintf(t->name, sizeof t->name, "%d.%s", layer, what);
    memcpy(t->dims, dims, (size_t)ndim * sizeof *dims);
    n->tensor_gradients[n->tensor_count++] = gradient;
}

static void name_tensors(struct net *n, int i)
{
    const struct layer *l = &n->text.layers[i];
    const struct layer_weights w = layer_weights(l);
    struct layer_state *s = &n->state[i];
    if (w.ndim)
        add_tensor(n, i, "weight", s->weight, s->diff_weight, w.ndim, w.dims);
    if (w.bias)
        add_tensor(n, i, "bias", s->bias, s->diff_bias, 1, &w.bias);
    if (s->running_mean) {
        add_tensor(n, i, "running_mean", s->running_mean, NULL, 1, &l->src.c);
        add_tensor(n, i, "running_var", s->running_var, NULL, 1, &l->src.c);
    }
}

/* Gives a tensor the next place among the trained values. */
static void place(struct net *n, int64_t count, int64_t *at, float **value, float **gradient)
{
    if (!count)
        return;
    *value = n->weights + *at;
    *gradient = n->gradients + *at;
    *at += padded16(count);
    n->parts[n->part_count++] = *at;
}

/* Weights, gradients and the optimizer's memory, what else a layer owns, and the names of the tensors. */
static bool make_parameters(struct net *n)
{
    struct memory *m = &n->memory;
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        n->padded += padded16(layer_weight_count(l)) + padded16(layer_weights(l).bias);
        n->parameters += layer_parameters(l);
    }
    n->weights = memory_floats(m, n->padded);
    n->gradients = memory_floats(m, n->padded);
    n->m = memory_floats(m, n->padded);
    n->v = memory_floats(m, n->padded);
    n->parts = memory_take(m, 2.0 * n->text.count * sizeof *n->parts);
    n->tensors = memory_take(m, 4.0 * n->text.count * sizeof *n->tensors);
    n->tensor_gradients = memory_take(m, 4.0 * n->text.count * sizeof *n->tensor_gradients);
    int64_t at = 0;
    for (int i = 0; !m->failed && i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        struct layer_state *s = &n->state[i];
        place(n, layer_weight_count(l), &at, &s->weight, &s->diff_weight);
        place(n, layer_weights(l).bias, &at, &s->bias, &s->diff_bias);
        const double before = m->bytes;
        if (layer_type(l)->make)
            layer_type(l)->make(l, s, largest_batch(&n->options), m);
        name_tensors(n, i);
        /* A weight, its gradient and the optimizer's memory of it. */
        n->layer_bytes[i] += m->bytes - before + 4 * sizeof(float) * (double)layer_parameters(l);
    }
    return !m->failed;
}

/* Activations of every layer, and buffers between which the gradients alternate. */
static bool make_activations(struct net *n)
{
    struct memory *m = &n->memory;
    int64_t mb = largest_batch(&n->options), train_mb = max_i64(n->options.batch, n->options.tail);
    int64_t widest = shape_floats(&n->text.layers[0].src, NCHW);
    n->input = memory_floats(m, mb * widest);
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        struct layer_state *s = &n->state[i];
        int64_t before = shape_floats(&l->src, s->layout), after = shape_floats(&l->dst, s->layout);
        const double bytes = m->bytes;
        s->src = net_reordered(n, i) ? memory_floats(m, mb * before)
                 : i                 ? n->state[i - 1].dst
                                     : n->input;
        s->dst = layer_type(l)->in_place ? s->src : memory_floats(m, mb * after);
        n->layer_bytes[i] += m->bytes - bytes;
        widest = max_i64(widest, max_i64(before, after));
    }
    float *buffers[GRADIENT_BUFFERS];
    for (int i = 0; i < GRADIENT_BUFFERS; i++)
        buffers[i] = memory_floats(m, train_mb * widest);
    for (int i = n->text.count - 1, here = 0; i >= 0; i--) {
        struct layer_state *s = &n->state[i];
        const struct layer_type *type = layer_type(&n->text.layers[i]);
        bool same = type->in_place || type->gradient_in_place || net_pooled(n, i);
        int passed = same ? here : !here;
        s->diff_dst = buffers[here];
        s->diff_src = buffers[passed];
        /* Reordered, it goes to a buffer that is neither. */
        here = !net_reordered(n, i) ? passed : same ? !here : 3 - here - passed;
    }
    return !m->failed;
}

/* A value of the initial weights of a layer. */
static float first_weight(enum init init, double fan_in, double fan_out, struct rng *r)
{
    if (init == INIT_HE) {
        /* Box and Muller; 1 - u is never 0. */
        double u = 1 - (double)rng_next_unit(r), v = rng_next_unit(r);
        return (float)(sqrt(2 / fan_in) * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    }
    double bound = init == INIT_GLOROT ? sqrt(6 / (fan_in + fan_out)) : 1 / sqrt(fan_in);
    return (float)(bound * (2.0 * rng_next_unit(r) - 1));
}

/* A weight of one dimension is that of a bn, and stays 1. */
static void init_weights(struct net *n)
{
    enum { USE_WEIGHTS = 16 }; /* of the random stream */
    struct rng r = {rng_stream(n->options.seed, USE_WEIGHTS, 0)};
    const enum init init = n->options.init;
    const double scale = n->options.init_scale > 0 ? n->options.init_scale : 1;
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        const struct layer_weights w = layer_weights(l);
        const int64_t count = layer_weight_count(l);
        if (w.ndim < 2)
            continue;
        const double fan_in = (double)(count / l->dst.c), fan_out = (double)(count / l->src.c);
        for (int64_t j = 0; j < count; j++)
            n->state[i].weight[j] = (float)scale * first_weight(init, fan_in, fan_out, &r);
        for (int64_t j = 0; init == INIT_PYTORCH && j < w.bias; j++)
            n->state[i].bias[j] = first_weight(init, fan_in, fan_out, &r);
    }
}

/* Lowering */

struct net_op net_op(const struct net_text *text, int layer, enum phase phase, int64_t mb,
                     bool training, struct joined joined, enum layout before, enum layout layout)
{
    const struct layer *l = &text->layers[layer];
    const int first = first_trained(text);
    const bool backward = phase != FWD && phase != REORDER_FWD, bottom = layer == first;
    if (backward && (!training || layer < first))
        return (struct net_op){0};
    if (phase == REORDER_FWD || phase == REORDER_BWD) {
        if (before == layout || (backward && bottom))
            return (struct net_op){0};
        struct formats there = {before, layout}, back = {layout, before};
        return (struct net_op){"reorder", plane_problem(l, DEFAULT_EPS, mb),
                               backward ? back : there};
    }
    const struct call_site at = {phase, mb, training, bottom, joined, layout};
    return layer_type(l)->op ? layer_type(l)->op(l, &at) : (struct net_op){0};
}

/* The variant a plan names for a call, or NULL where it names none that can do the problem. */
static const struct entry *planned(const struct net *n, int layer, enum phase phase,
                                   const struct net_op *is)
{
    const struct entry *e = n->has_plan ? n->plan.layers[layer].kernels[phase] : NULL;
    if (e && strcmp(e->op, is->op))
        e = registry_find(is->op, e->name);
    bool usable = e && !registry_why_not(e, n->options.isa) &&
                  !registry_why_not_problem(e, &is->problem, is->formats);
    return usable ? e : NULL;
}

/* Chooses the variant of one call, if the layer has it. */
static bool choose(struct net *n, struct layer_pass *p, int layer, enum phase phase,
                   char error[ERROR_TEXT])
{
    const struct net_options *o = &n->options;
    struct call *c = &p->calls[phase];
    struct net_op is = net_op(&n->text, layer, phase, p->mb, p->training, p->joined,
                              layer ? n->state[layer - 1].layout : NCHW, n->state[layer].layout);
    if (!is.op)
        return true;
    const struct op *op = op_find(is.op);
    const char *refusal = op->refuse ? op->refuse(&is.problem) : NULL;
    char why[ERROR_TEXT];
    if (refusal)
        return explain(error, "network, column %d, bn with a batch of %lld: %s",
                       n->text.layers[layer].column, (long long)p->mb, refusal);
    *c = (struct call){.problem = is.problem,
                       .layer = layer,
                       .phase = phase,
                       .args = {.formats = is.formats, .hints = o->hints}};
    c->entry = planned(n, layer, phase, &is);
    if (!c->entry)
        c->entry = kernel_choose(o->kernels, o->isa, o->hints.threads, is.op, &is.problem,
                                 is.formats, why);
    if (!c->entry)
        return explain(error, "layer %d: %.490s", layer, why);
    crash_name(c->entry, &c->problem, is.formats, o->hints.threads, c->name);
    const struct variant *v = c->entry->variant;
    size_t scratch = v->scratch_size ? v->scratch_size(&c->problem, is.formats, &o->hints) : 0;
    n->scratch_size = scratch > n->scratch_size ? scratch : n->scratch_size;
    return true;
}

static void bind_reorders(struct net *n, int i, struct call *c)
{
    struct layer_state *s = &n->state[i];
    c[REORDER_FWD].args.t[SRC] = i ? n->state[i - 1].dst : n->input;
    c[REORDER_FWD].args.t[DST] = s->src;
    c[REORDER_BWD].args.t[SRC] = s->diff_src;
    c[REORDER_BWD].args.t[DST] = i ? n->state[i - 1].diff_dst : NULL;
}

static bool lower(struct net *n, struct pass *pass, int i, char error[ERROR_TEXT])
{
    struct layer_pass *p = &pass->layers[i];
    const struct layer_type *type = layer_type(&n->text.layers[i]);
    *p = (struct layer_pass){.l = &n->text.layers[i],
                             .s = &n->state[i],
                             .kernels = n->layers,
                             .step = &n->step,
                             .threads = n->options.hints.threads,
                             .mb = pass->mb,
                             .training = pass->training};
    net_join(n, pass, i);
    for (int phase = 0; phase < PHASES; phase++)
        if (!choose(n, p, i, (enum phase)phase, error))
            return false;
    if (type->bind)
        type->bind(p);
    if (p->joined.gathers) {
        p->calls[FWD].args.t[MEAN] = n->state[i + 1].mean;
        p->calls[FWD].args.t[VARIANCE] = n->state[i + 1].variance;
    }
    bind_reorders(n, i, p->calls);
    return true;
}

static bool add_pass(struct net *n, int64_t mb, bool training, char error[ERROR_TEXT])
{
    struct pass *p = &n->passes[n->pass_count];
    *p = (struct pass){mb, training,
                       memory_take(&n->memory, (double)n->text.count * sizeof *p->layers)};
    if (!p->layers)
        return explain(error, "out of memory for the plan of the network");
    n->pass_count++;
    for (int i = 0; i < n->text.count; i++)
        if (!lower(n, p, i, error))
            return false;
    return true;
}

/* What is known only when all passes are planned: the scratch, and the address of each problem. */
static bool finish_calls(struct net *n, char error[ERROR_TEXT])
{
    if (!memory_holds((double)n->scratch_size, "the kernels' scratch", error, ERROR_TEXT))
        return false;
    n->scratch = memory_take(&n->memory, (double)n->scratch_size);
    if (!n->scratch)
        return explain(error, "out of memory for %zu bytes of scratch", n->scratch_size);
    for (int i = 0; i < net_call_places(n); i++) {
        struct call *c = net_call_place(n, i);
        if (!c->entry)
            continue;
        c->args.problem = &c->problem;
        c->args.scratch = n->scratch;
        if (c->entry->variant->prepare)
            c->args.handle = c->entry->variant->prepare(&c->args);
    }
    return true;
}

bool net_build(struct net *n, char error[ERROR_TEXT])
{
    const struct net_options *o = &n->options;
    const double count = n->text.count;
    n->state = memory_take(&n->memory, count * sizeof *n->state);
    for (int i = 0; n->state && i < n->text.count; i++)
        n->state[i].layout = n->has_plan ? n->plan.layers[i].layout : NCHW;
    if (n->state && (!check_shape(n, error) || !check_memory(n, error)))
        return false;
    n->layer_bytes = memory_take(&n->memory, count * sizeof *n->layer_bytes);
    n->layer_seconds = memory_take(&n->memory, count * sizeof *n->layer_seconds);
    if (n->memory.failed || !make_parameters(n) || !make_activations(n))
        return explain(error, "out of memory for the network; use a smaller batch or layer");
    init_weights(n);
    const int64_t sizes[MAX_PASSES] = {o->batch, o->tail, o->eval_batch, o->eval_tail};
    for (int i = 0; i < MAX_PASSES; i++)
        if (sizes[i] && !add_pass(n, sizes[i], i < 2, error))
            return false;
    return finish_calls(n, error);
}
