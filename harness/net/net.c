/* Lowers a network to calls of registry variants and runs them. */
#include "net/net.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/rng.h"
#include "net/kernel_choice.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USE_WEIGHTS = 16, USE_DROPOUT }; /* of the random stream */

const char *const phase_names[PHASES] = {"fwd", "bwd_data", "bwd_weights", "reorder_fwd",
                                         "reorder_bwd"};

/* What a layer owns, whatever the batch. Pointers are NULL where it has no such thing. */
struct layer_state {
    enum layout layout;
    /* Activations and their gradients, in that layout. src is the dst of the layer before, unless a reorder lies
     * between; in-place layers have dst = src and diff_src = diff_dst. */
    float *src, *dst, *diff_src, *diff_dst;
    float *weight, *bias;              /* conv, dense; gamma and beta of bn */
    float *diff_weight, *diff_bias;    /* of the loss */
    float *mean, *variance;            /* bn: of the batch */
    float *running_mean, *running_var; /* bn, if it has them */
    uint8_t *chosen;                   /* maxpool */
};

/* The calls of a forward or a whole training pass at one batch size. */
struct pass {
    int64_t mb;
    bool training;
    struct call (*calls)[PHASES]; /* by layer */
    bool *fused;                  /* by layer: bn that does the relu after it */
    bool *gathers; /* by layer: conv that gathers the statistics of the bn after it */
};

enum { MAX_PASSES = 4 };
enum { TIME_FWD, TIME_BWD, TIME_REORDER, TIMES };

struct net {
    struct net_text text;
    struct net_options options;
    struct net_plan plan;
    bool has_plan;
    int first_trained; /* the first layer with weights: nothing below it needs a gradient */
    float *input;
    struct layer_state *state;
    struct pass passes[MAX_PASSES];
    int pass_count;
    /* All trained values in one array, so that the optimizer is one loop; each tensor begins at a cache line. */
    float *weights, *gradients, *m, *v;
    int64_t padded, parameters;
    int64_t *parts; /* where each tensor ends in them */
    int part_count;
    struct net_tensor *tensors;
    const float **tensor_gradients;
    int tensor_count;
    const struct layers *layers; /* for this CPU */
    void *scratch;
    size_t scratch_size;
    double (*layer_seconds)[TIMES];
    double loss_seconds, update_seconds;
    double *layer_bytes; /* of those below, what belongs to one layer */
    int64_t steps;       /* calls of net_gradients */
    bool looking;        /* a pass leaves running statistics alone */
    bool undropped;      /* and drops nothing */
    void **owned;        /* everything allocated below */
    int owned_count, owned_room;
    double bytes;
};

/* Memory: aligned to cache lines, zeroed, freed with the network. NULL after the first failure shows in `good`. */
static void *own(struct net *n, double bytes, bool *good)
{
    if (!*good)
        return NULL;
    if (n->owned_count == n->owned_room) {
        int room = n->owned_room ? 2 * n->owned_room : 64;
        void **more = realloc(n->owned, (size_t)room * sizeof *more);
        if (!more) {
            *good = false;
            return NULL;
        }
        n->owned = more;
        n->owned_room = room;
    }
    size_t size = ((size_t)bytes + 63) / 64 * 64 + 64;
    void *memory = aligned_alloc(64, size);
    if (!memory) {
        *good = false;
        return NULL;
    }
    memset(memory, 0, size);
    n->owned[n->owned_count++] = memory;
    n->bytes += (double)size;
    return memory;
}

static float *own_floats(struct net *n, int64_t count, bool *good)
{
    return own(n, 4.0 * (double)count, good);
}

static int64_t padded(int64_t n)
{
    return div_up(n, 16) * 16;
}

static int64_t volume(const struct shape *s)
{
    return s->c * s->h * s->w;
}

/* Floats of an image in a layout. */
static int64_t volume_in(const struct shape *s, enum layout layout)
{
    return (layout == NCHW16C ? padded(s->c) : s->c) * s->h * s->w;
}

static bool in_place(const struct layer *l)
{
    return l->kind == LAYER_RELU || l->kind == LAYER_SIGMOID || l->kind == LAYER_TANH ||
           l->kind == LAYER_SOFTMAX || l->kind == LAYER_FLATTEN;
}

static int64_t largest_batch(const struct net_options *o)
{
    return max_i64(max_i64(o->batch, o->tail), max_i64(o->eval_batch, o->eval_tail));
}

static int64_t weight_count(const struct layer *l)
{
    return l->kind == LAYER_BN ? layer_parameters(l) / 2
                               : layer_parameters(l) - (l->bias ? l->dst.c : 0);
}

static int64_t bias_count(const struct layer *l)
{
    return l->kind == LAYER_BN ? layer_parameters(l) / 2 : l->bias ? l->dst.c : 0;
}

/* Does layer i work in another layout than what it is given? */
static bool reordered(const struct net *n, int i)
{
    return n->state[i].layout != (i ? n->state[i - 1].layout : NCHW);
}

bool net_can_gather(const struct net_text *text, int conv)
{
    const struct layer *l = &text->layers[conv];
    return l->kind == LAYER_CONV && conv + 1 < text->count && l[1].kind == LAYER_BN && !l[1].frozen;
}

bool net_can_rectify(const struct net_text *text, int bn)
{
    const struct layer *l = &text->layers[bn];
    return l->kind == LAYER_BN && !l->frozen && bn + 1 < text->count && l[1].kind == LAYER_RELU;
}

bool net_can_pool(const struct net_text *text, int bn)
{
    if (!net_can_rectify(text, bn) || bn + 2 >= text->count)
        return false;
    const struct layer *pool = &text->layers[bn + 2];
    return pool->kind == LAYER_MAXPOOL && pool->kh == 2 && pool->kw == 2 && pool->stride == 2;
}

/* Are the bn at i and the relu and maxpool after it one operation in training? Left open, as planned; without a plan only
 * where rows are wide enough for vectors and no choice says what the bn runs on. */
static bool pools(const struct net *n, int i)
{
    enum { WIDE = 8 };
    const struct layer *l = &n->text.layers[i];
    const struct layer_state *s = &n->state[i];
    if (n->options.fuse == FUSE_OFF || i < 0 || !net_can_pool(&n->text, i) || s->layout != NCHW ||
        s[1].layout != NCHW || s[2].layout != NCHW)
        return false;
    if (n->options.fuse != FUSE_AUTO)
        return true;
    return n->has_plan ? n->plan.layers[i].pools
                       : l[2].dst.w >= WIDE && !kernel_choice_names_bn(n->options.kernels);
}

/* Is layer i done by the bn before it? */
static bool pooled(const struct net *n, int i)
{
    return (i >= 1 && pools(n, i - 1)) || (i >= 2 && pools(n, i - 2));
}

/* A layer's gradient, the one it passes down, and that one in the layout of the layer below. */
enum { GRADIENT_BUFFERS = 3 };

/* Refuses what memory cannot hold before anything is touched. Counted in floating point: no overflow. */
static bool check_memory(const struct net *n, char error[ERROR_TEXT])
{
    double floats = 0, widest = (double)volume(&n->text.layers[0].src),
           mb = (double)largest_batch(&n->options);
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        double before = mb * (double)volume_in(&l->src, n->state[i].layout),
               activations = mb * (double)volume_in(&l->dst, n->state[i].layout);
        floats += 4.0 * (double)layer_parameters(l) + (in_place(l) ? 0 : activations) +
                  (reordered(n, i) ? before : 0);
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
                       const float *gradient, int ndim, const int64_t dims[4])
{
    struct net_tensor *t = &n->tensors[n->tensor_count];
    *t = (struct net_tensor){.ndim = ndim, .data = data};
    snprintf(t->name, sizeof t->name, "%d.%s", layer, what);
    memcpy(t->dims, dims, 4 * sizeof *dims);
    n->tensor_gradients[n->tensor_count++] = gradient;
}

static void name_tensors(struct net *n, int i)
{
    const struct layer *l = &n->text.layers[i];
    struct layer_state *s = &n->state[i];
    if (l->kind == LAYER_CONV && l->line)
        add_tensor(n, i, "weight", s->weight, s->diff_weight, 3,
                   (const int64_t[4]){l->dst.c, l->src.c, l->kw});
    else if (l->kind == LAYER_CONV)
        add_tensor(n, i, "weight", s->weight, s->diff_weight, 4,
                   (const int64_t[4]){l->dst.c, l->src.c, l->kh, l->kw});
    else if (l->kind == LAYER_DENSE)
        add_tensor(n, i, "weight", s->weight, s->diff_weight, 2,
                   (const int64_t[4]){l->dst.c, l->src.c});
    else if (l->kind == LAYER_BN && l->affine)
        add_tensor(n, i, "weight", s->weight, s->diff_weight, 1, (const int64_t[4]){l->src.c});
    if (bias_count(l))
        add_tensor(n, i, "bias", s->bias, s->diff_bias, 1, (const int64_t[4]){bias_count(l)});
    if (l->kind == LAYER_BN && l->running) {
        add_tensor(n, i, "running_mean", s->running_mean, NULL, 1, (const int64_t[4]){l->src.c});
        add_tensor(n, i, "running_var", s->running_var, NULL, 1, (const int64_t[4]){l->src.c});
    }
}

/* What a bn has that is not trained. Without gamma and beta it computes with 1 and 0, whose gradients nobody reads. */
static void make_bn(struct net *n, int i, bool *good)
{
    const struct layer *l = &n->text.layers[i];
    struct layer_state *s = &n->state[i];
    s->mean = own_floats(n, l->src.c, good);
    s->variance = own_floats(n, l->src.c, good);
    if (l->running) {
        s->running_mean = own_floats(n, l->src.c, good);
        s->running_var = own_floats(n, l->src.c, good);
    }
    if (!l->affine) {
        s->weight = own_floats(n, l->src.c, good);
        s->bias = own_floats(n, l->src.c, good);
        s->diff_weight = own_floats(n, l->src.c, good);
        s->diff_bias = own_floats(n, l->src.c, good);
    }
}

/* Weights, gradients and optimizer state, and the names of the tensors. */
static bool make_parameters(struct net *n)
{
    bool good = true;
    for (int i = 0; i < n->text.count; i++) {
        n->padded +=
            padded(weight_count(&n->text.layers[i])) + padded(bias_count(&n->text.layers[i]));
        n->parameters += layer_parameters(&n->text.layers[i]);
    }
    n->weights = own_floats(n, n->padded, &good);
    n->gradients = own_floats(n, n->padded, &good);
    n->m = own_floats(n, n->padded, &good);
    n->v = own_floats(n, n->padded, &good);
    n->parts = own(n, 2.0 * n->text.count * sizeof *n->parts, &good);
    n->tensors = own(n, 4.0 * n->text.count * sizeof *n->tensors, &good);
    n->tensor_gradients = own(n, 4.0 * n->text.count * sizeof *n->tensor_gradients, &good);
    int64_t at = 0;
    for (int i = 0; good && i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        struct layer_state *s = &n->state[i];
        if (weight_count(l)) {
            s->weight = n->weights + at;
            s->diff_weight = n->gradients + at;
            at += padded(weight_count(l));
            n->parts[n->part_count++] = at;
        }
        if (bias_count(l)) {
            s->bias = n->weights + at;
            s->diff_bias = n->gradients + at;
            at += padded(bias_count(l));
            n->parts[n->part_count++] = at;
        }
        const double before = n->bytes;
        if (l->kind == LAYER_BN)
            make_bn(n, i, &good);
        if (good)
            name_tensors(n, i);
        /* A weight, its gradient and the optimizer's memory of it. */
        n->layer_bytes[i] += n->bytes - before + 4 * sizeof(float) * (double)layer_parameters(l);
    }
    return good;
}

/* Activations of every layer, and buffers between which the gradients alternate. */
static bool make_activations(struct net *n)
{
    bool good = true;
    int64_t mb = largest_batch(&n->options), train_mb = max_i64(n->options.batch, n->options.tail);
    int64_t widest = volume(&n->text.layers[0].src);
    n->input = own_floats(n, mb * widest, &good);
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        struct layer_state *s = &n->state[i];
        int64_t before = volume_in(&l->src, s->layout), after = volume_in(&l->dst, s->layout);
        const double bytes = n->bytes;
        s->src = reordered(n, i) ? own_floats(n, mb * before, &good)
                 : i             ? n->state[i - 1].dst
                                 : n->input;
        s->dst = in_place(l) ? s->src : own_floats(n, mb * after, &good);
        if (l->kind == LAYER_MAXPOOL)
            s->chosen = own(n, (double)(mb * after), &good);
        n->layer_bytes[i] += n->bytes - bytes;
        widest = max_i64(widest, max_i64(before, after));
    }
    float *buffers[GRADIENT_BUFFERS];
    for (int i = 0; i < GRADIENT_BUFFERS; i++)
        buffers[i] = own_floats(n, train_mb * widest, &good);
    for (int i = n->text.count - 1, here = 0; i >= 0; i--) {
        struct layer_state *s = &n->state[i];
        const enum layer_kind kind = n->text.layers[i].kind;
        bool same = in_place(&n->text.layers[i]) || kind == LAYER_DROPOUT || pooled(n, i);
        int passed = same ? here : !here;
        s->diff_dst = buffers[here];
        s->diff_src = buffers[passed];
        /* Reordered, it goes to a buffer that is neither. */
        here = !reordered(n, i) ? passed : same ? !here : 3 - here - passed;
    }
    return good;
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

static void init_weights(struct net *n)
{
    struct rng r = {rng_stream(n->options.seed, USE_WEIGHTS, 0)};
    const double scale = n->options.init_scale > 0 ? n->options.init_scale : 1;
    for (int i = 0; i < n->text.count; i++) {
        const struct layer *l = &n->text.layers[i];
        struct layer_state *s = &n->state[i];
        if (l->kind == LAYER_BN) {
            for (int64_t c = 0; c < l->src.c; c++)
                s->weight[c] = 1;
            for (int64_t c = 0; l->running && c < l->src.c; c++)
                s->running_var[c] = 1;
            continue;
        }
        if (!weight_count(l))
            continue;
        const enum init init = n->options.init;
        const double fan_in = (double)(weight_count(l) / l->dst.c),
                     fan_out = (double)(weight_count(l) / l->src.c);
        for (int64_t j = 0; j < weight_count(l); j++)
            s->weight[j] = (float)scale * first_weight(init, fan_in, fan_out, &r);
        for (int64_t j = 0; init == INIT_PYTORCH && j < bias_count(l); j++)
            s->bias[j] = first_weight(init, fan_in, fan_out, &r);
    }
}

/* Lowering */

static struct problem conv_problem(const struct layer *l, int64_t mb)
{
    return (struct problem){.kind = PROBLEM_CONV,
                            .eps = DEFAULT_EPS,
                            .conv = {.mb = mb,
                                     .g = 1,
                                     .ic = l->src.c,
                                     .oc = l->dst.c,
                                     .ih = l->src.h,
                                     .iw = l->src.w,
                                     .oh = l->dst.h,
                                     .ow = l->dst.w,
                                     .kh = l->kh,
                                     .kw = l->kw,
                                     .sh = l->stride,
                                     .sw = l->stride,
                                     .ph = l->ph,
                                     .pw = l->pw}};
}

static struct problem bn_problem(const struct layer *l, int64_t mb)
{
    return (struct problem){.kind = PROBLEM_BN,
                            .eps = l->eps,
                            .bn = {.mb = mb, .ic = l->src.c, .ih = l->src.h, .iw = l->src.w}};
}

static struct problem reorder_problem(const struct layer *l, int64_t mb)
{
    return (struct problem){.kind = PROBLEM_BN,
                            .eps = DEFAULT_EPS,
                            .bn = {.mb = mb, .ic = l->src.c, .ih = l->src.h, .iw = l->src.w}};
}

static struct problem gemm_problem(int64_t m, int64_t n, int64_t k)
{
    return (struct problem){.kind = PROBLEM_GEMM, .gemm = {.m = m, .n = n, .k = k}};
}

static struct formats alike(enum layout layout)
{
    return (struct formats){layout, layout};
}

/* y[mb][out] = x[mb][in] w[out][in]^T;  dx = dy w;  dw = dy^T x */
static struct net_op dense_op(const struct layer *l, enum phase phase, int64_t mb)
{
    int64_t in = l->src.c, out = l->dst.c;
    switch (phase) {
    case FWD: return (struct net_op){"gemm", gemm_problem(mb, out, in), alike(GEMM_NT)};
    case BWD_DATA: return (struct net_op){"gemm", gemm_problem(mb, in, out), alike(GEMM_NN)};
    default: return (struct net_op){"gemm", gemm_problem(out, in, mb), alike(GEMM_TN)};
    }
}

static const char *bn_fwd_op(const struct layer *l, bool training, struct joined joined)
{
    if (!layer_by_batch(l, training))
        return "bn_fwd_infer";
    /* What is gathered has only to be applied. */
    if (joined.gathered)
        return joined.relu ? "bn_relu_fwd_infer" : "bn_fwd_infer";
    return joined.relu ? "bn_relu_fwd_train" : "bn_fwd_train";
}

struct net_op net_op(const struct net_text *text, int layer, enum phase phase, int64_t mb,
                     bool training, struct joined joined, enum layout before, enum layout layout)
{
    const char *const conv[] = {joined.gathers ? "conv_stats" : "conv_fwd", "conv_bwd_data",
                                "conv_bwd_weights"};
    const struct layer *l = &text->layers[layer];
    int first = first_trained(text);
    struct net_op none = {0};
    bool backward = phase != FWD && phase != REORDER_FWD;
    if (backward && (!training || layer < first))
        return none;
    if (phase == REORDER_FWD || phase == REORDER_BWD) {
        if (before == layout || (backward && layer == first))
            return none;
        struct formats there = {before, layout}, back = {layout, before};
        return (struct net_op){"reorder", reorder_problem(l, mb), backward ? back : there};
    }
    switch (l->kind) {
    case LAYER_CONV:
        if (phase == BWD_DATA && layer == first)
            return none;
        return (struct net_op){conv[phase], conv_problem(l, mb), alike(layout)};
    case LAYER_DENSE: return phase == BWD_DATA && layer == first ? none : dense_op(l, phase, mb);
    case LAYER_BN:
        /* The way back through a frozen one is no operation of the registry. */
        if (phase == BWD_WEIGHTS || (backward && l->frozen) || joined.pools)
            return none;
        return (struct net_op){!backward     ? bn_fwd_op(l, training, joined)
                               : joined.relu ? "bn_relu_bwd"
                                             : "bn_bwd",
                               bn_problem(l, mb), alike(layout)};
    default: return none;
    }
}

bool net_layer_takes(const struct layer *l, enum layout layout)
{
    /* Channels that fill up a block stay zero, which sigmoid would not leave them. */
    if (layout == NCHW16C && l->kind == LAYER_SIGMOID && l->src.c % 16)
        return false;
    return layout == NCHW ||
           (l->kind != LAYER_DENSE && l->kind != LAYER_FLATTEN && l->src.h * l->src.w > 1);
}

static bool allowed(const struct net *n, const char *op, const struct problem *p, struct formats f)
{
    const struct net_options *o = &n->options;
    return kernel_choice_has(o->kernels, o->isa, o->hints.threads, op, p, f);
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
static bool choose(struct net *n, struct pass *pass, int layer, enum phase phase,
                   char error[ERROR_TEXT])
{
    const struct net_options *o = &n->options;
    struct call *c = &pass->calls[layer][phase];
    const struct joined joined = {.gathers = pass->gathers[layer],
                                  .gathered = layer && pass->gathers[layer - 1],
                                  .relu = pass->fused[layer],
                                  .pools = pass->training && pools(n, layer)};
    struct net_op is = net_op(&n->text, layer, phase, pass->mb, pass->training, joined,
                              layer ? n->state[layer - 1].layout : NCHW, n->state[layer].layout);
    if (!is.op)
        return true;
    const struct op *op = op_find(is.op);
    const char *refusal = op->refuse ? op->refuse(&is.problem) : NULL;
    char why[ERROR_TEXT];
    if (refusal)
        return explain(error, "network, column %d, bn with a batch of %lld: %s",
                       n->text.layers[layer].column, (long long)pass->mb, refusal);
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

/* The tensors of a layer's calls. What a call does not use is ignored. */
static void bind_conv(const struct layer_state *s, struct call *c)
{
    float **fwd = c[FWD].args.t, **data = c[BWD_DATA].args.t, **weights = c[BWD_WEIGHTS].args.t;
    fwd[SRC] = weights[SRC] = s->src;
    fwd[WEIGHTS] = data[WEIGHTS] = s->weight;
    fwd[BIAS] = s->bias;
    fwd[DST] = s->dst;
    data[DIFF_DST] = weights[DIFF_DST] = s->diff_dst;
    data[DIFF_SRC] = s->diff_src;
    weights[DIFF_WEIGHTS] = s->diff_weight;
    weights[DIFF_BIAS] = s->diff_bias;
}

static void bind_dense(const struct layer_state *s, struct call *c)
{
    float **fwd = c[FWD].args.t, **data = c[BWD_DATA].args.t, **weights = c[BWD_WEIGHTS].args.t;
    fwd[SRC] = weights[WEIGHTS] = s->src;
    fwd[WEIGHTS] = data[WEIGHTS] = s->weight;
    fwd[BIAS] = s->bias;
    fwd[DST] = s->dst;
    data[SRC] = weights[SRC] = s->diff_dst;
    data[DST] = s->diff_src;
    weights[DST] = s->diff_weight;
}

static void bind_bn(const struct layer *l, const struct layer_state *s, struct call *c,
                    const struct pass *p, bool fused)
{
    const bool by_batch = layer_by_batch(l, p->training);
    float **fwd = c[FWD].args.t, **data = c[BWD_DATA].args.t;
    fwd[SRC] = data[SRC] = s->src;
    fwd[GAMMA] = data[GAMMA] = s->weight;
    fwd[BETA] = s->bias;
    data[BETA] = fused ? s->bias : NULL;
    fwd[DST] = s->dst;
    fwd[MEAN] = by_batch ? s->mean : s->running_mean;
    fwd[VARIANCE] = by_batch ? s->variance : s->running_var;
    data[MEAN] = s->mean;
    data[VARIANCE] = s->variance;
    data[DIFF_DST] = s->diff_dst;
    data[DIFF_SRC] = s->diff_src;
    data[DIFF_GAMMA] = s->diff_weight;
    data[DIFF_BETA] = s->diff_bias;
}

static void bind_reorders(struct net *n, int i, struct call *c)
{
    struct layer_state *s = &n->state[i];
    c[REORDER_FWD].args.t[SRC] = i ? n->state[i - 1].dst : n->input;
    c[REORDER_FWD].args.t[DST] = s->src;
    c[REORDER_BWD].args.t[SRC] = s->diff_src;
    c[REORDER_BWD].args.t[DST] = i ? n->state[i - 1].diff_dst : NULL;
}

/* Can bn and the relu after it be one operation? False with `error` untouched where they simply are not. */
static bool fusible(const struct net *n, const struct pass *p, int i)
{
    if (!p->training || n->options.fuse == FUSE_OFF || !net_can_rectify(&n->text, i) ||
        reordered(n, i + 1))
        return false;
    struct problem problem = bn_problem(&n->text.layers[i], p->mb);
    struct formats f = alike(n->state[i].layout);
    return n->options.fuse >= FUSE_ON ||
           (allowed(n, "bn_relu_fwd_train", &problem, f) && allowed(n, "bn_relu_bwd", &problem, f));
}

/* Does the conv at i gather the statistics of the bn after it? Left open, as planned; without a plan only if the variant
 * that gathers is the one that would convolve anyway: then it costs nothing. */
static bool gathers(const struct net *n, const struct pass *p, int i)
{
    const struct layer *l = &n->text.layers[i];
    const struct net_options *o = &n->options;
    if (!p->training || o->fuse == FUSE_OFF || o->fuse == FUSE_ON || !net_can_gather(&n->text, i))
        return false;
    if (o->fuse == FUSE_STATS)
        return true;
    struct problem problem = conv_problem(l, p->mb);
    struct formats f = alike(n->state[i].layout);
    char error[ERROR_TEXT];
    const struct entry *apart = n->has_plan ? n->plan.layers[i].kernels[FWD] : NULL;
    if (apart)
        return !strcmp(apart->op, "conv_stats");
    const struct entry *both =
        kernel_choose(o->kernels, o->isa, o->hints.threads, "conv_stats", &problem, f, error);
    apart = kernel_choose(o->kernels, o->isa, o->hints.threads, "conv_fwd", &problem, f, error);
    return apart && both && !strcmp(apart->name, both->name) && !kernel_choice_names_bn(o->kernels);
}

static bool lower(struct net *n, struct pass *p, int i, char error[ERROR_TEXT])
{
    struct call *c = p->calls[i];
    enum layer_kind kind = n->text.layers[i].kind;
    p->gathers[i] = gathers(n, p, i);
    p->fused[i] = fusible(n, p, i);
    for (int phase = 0; phase < PHASES; phase++)
        if (!choose(n, p, i, (enum phase)phase, error))
            return false;
    if (kind == LAYER_CONV)
        bind_conv(&n->state[i], c);
    else if (kind == LAYER_DENSE)
        bind_dense(&n->state[i], c);
    else if (kind == LAYER_BN)
        bind_bn(&n->text.layers[i], &n->state[i], c, p, p->fused[i]);
    if (p->gathers[i]) {
        c[FWD].args.t[MEAN] = n->state[i + 1].mean;
        c[FWD].args.t[VARIANCE] = n->state[i + 1].variance;
    }
    bind_reorders(n, i, c);
    return true;
}

static bool add_pass(struct net *n, int64_t mb, bool training, char error[ERROR_TEXT])
{
    bool good = true;
    struct pass *p = &n->passes[n->pass_count];
    p->mb = mb;
    p->training = training;
    p->calls = own(n, (double)((size_t)n->text.count * sizeof *p->calls), &good);
    p->fused = own(n, (double)((size_t)n->text.count * sizeof *p->fused), &good);
    p->gathers = own(n, (double)((size_t)n->text.count * sizeof *p->gathers), &good);
    if (!good)
        return explain(error, "out of memory for the plan of the network");
    n->pass_count++;
    for (int i = 0; i < n->text.count; i++)
        if (!lower(n, p, i, error))
            return false;
    return true;
}

/* Call i of all, counting the places where a layer has none. */
static struct call *call_place(const struct net *n, int i)
{
    int each = n->text.count * PHASES;
    return &n->passes[i / each].calls[i % each / PHASES][i % PHASES];
}

/* What is known only when all passes are planned: the scratch, and the address of each problem. */
static bool finish_calls(struct net *n, char error[ERROR_TEXT])
{
    bool good = true;
    if (!memory_holds((double)n->scratch_size, "the kernels' scratch", error, ERROR_TEXT))
        return false;
    n->scratch = own(n, (double)n->scratch_size, &good);
    if (!good)
        return explain(error, "out of memory for %zu bytes of scratch", n->scratch_size);
    for (int i = 0; i < n->pass_count * n->text.count * PHASES; i++) {
        struct call *c = call_place(n, i);
        if (!c->entry)
            continue;
        c->args.problem = &c->problem;
        c->args.scratch = n->scratch;
        if (c->entry->variant->prepare)
            c->args.handle = c->entry->variant->prepare(&c->args);
    }
    return true;
}

static bool build(struct net *n, char error[ERROR_TEXT])
{
    const struct net_options *o = &n->options;
    bool good = true;
    n->state = own(n, (double)((size_t)n->text.count * sizeof *n->state), &good);
    for (int i = 0; good && i < n->text.count; i++)
        n->state[i].layout = n->has_plan ? n->plan.layers[i].layout : NCHW;
    if (good && (!check_shape(n, error) || !check_memory(n, error)))
        return false;
    n->layer_bytes = own(n, (double)((size_t)n->text.count * sizeof *n->layer_bytes), &good);
    n->layer_seconds = own(n, (double)((size_t)n->text.count * sizeof *n->layer_seconds), &good);
    if (!good || !make_parameters(n) || !make_activations(n))
        return explain(error, "out of memory for the network; use a smaller batch or layer");
    init_weights(n);
    const int64_t sizes[MAX_PASSES] = {o->batch, o->tail, o->eval_batch, o->eval_tail};
    for (int i = 0; i < MAX_PASSES; i++)
        if (sizes[i] && !add_pass(n, sizes[i], i < 2, error))
            return false;
    return finish_calls(n, error);
}

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
    if (!build(n, error)) {
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
    for (int i = 0; i < n->owned_count; i++)
        free(n->owned[i]);
    free(n->owned);
    free(n);
}

/* Running */

static void run_call(const struct call *c)
{
    crash_during = c->name;
    c->entry->variant->run(&c->args);
    crash_during = NULL;
}

/* Channels that lie together. */
static int64_t lanes_of(const struct layer *l, enum layout layout)
{
    return layout == NCHW16C ? 16 : layout == NHWC ? l->src.c : 1;
}

struct maxpool net_pool(const struct layer *l, int64_t mb, enum layout layout)
{
    const int64_t lanes = lanes_of(l, layout);
    return (struct maxpool){.planes = mb * div_up(l->src.c, lanes),
                            .lanes = lanes,
                            .ih = l->src.h,
                            .iw = l->src.w,
                            .oh = l->dst.h,
                            .ow = l->dst.w,
                            .kh = l->kh,
                            .kw = l->kw,
                            .s = l->stride};
}

struct avgpool net_avgpool(const struct layer *l, int64_t mb, enum layout layout)
{
    struct maxpool p = net_pool(l, mb, layout);
    return (struct avgpool){p.planes, p.lanes,     p.ih,        p.iw,          p.oh,
                            p.ow,     .kh = l->kh, .kw = l->kw, .s = l->stride};
}

/* A call that a layer may not have, on the clock of its kind. */
static void run_reorder(struct net *n, const struct call *c)
{
    if (!c->entry)
        return;
    double then = now();
    run_call(c);
    n->layer_seconds[c->layer][TIME_REORDER] += now() - then;
}

/* Does the bn before it do the relu? */
static bool bn_rectifies(const struct pass *p, int i)
{
    return i && p->fused[i - 1];
}

/* Does the maxpool after it do the relu, on as many values as it has windows? The largest value of a window is positive
 * before the relu where it is behind it, and only there a gradient passes. */
static bool pool_rectifies(const struct net *n, const struct pass *p, int i)
{
    return n->options.fuse != FUSE_OFF && i + 1 < n->text.count &&
           n->text.layers[i].kind == LAYER_RELU && n->text.layers[i + 1].kind == LAYER_MAXPOOL &&
           max_i64(n->text.layers[i + 1].kh, n->text.layers[i + 1].kw) < MAXPOOL_MAX_K &&
           !reordered(n, i + 1) && !bn_rectifies(p, i);
}

static bool relu_is_fused(const struct net *n, const struct pass *p, int i)
{
    return bn_rectifies(p, i) || pool_rectifies(n, p, i);
}

uint64_t net_dropout_key(const struct net *n, int layer)
{
    return rng_stream(rng_stream(n->options.seed, USE_DROPOUT, (uint64_t)n->steps), USE_DROPOUT,
                      (uint64_t)layer);
}

static enum curve curve_of(const struct layer *l)
{
    return l->kind == LAYER_SIGMOID ? CURVE_SIGMOID : CURVE_TANH;
}

/* The bn at i, the relu and the maxpool after it, forward or backward. */
static void run_bn_pool(const struct net *n, const struct pass *p, int i, bool backward)
{
    const struct layer *l = &n->text.layers[i];
    const struct layer_state *s = &n->state[i], *end = s + 2;
    struct bn_pool pool = {.pool = net_pool(l + 2, p->mb, NCHW),
                           .channels = l->src.c,
                           .eps = l->eps,
                           .gathered = i && p->gathers[i - 1]};
    const struct bn_pool_tensors t = {.src = s->src,
                                      .gamma = s->weight,
                                      .beta = s->bias,
                                      .mean = s->mean,
                                      .variance = s->variance,
                                      .dst = end->dst,
                                      .chosen = end->chosen,
                                      .diff_dst = end->diff_dst,
                                      .diff_src = s->diff_src,
                                      .diff_gamma = s->diff_weight,
                                      .diff_beta = s->diff_bias};
    pool.pool.relu = true;
    (backward ? n->layers->bn_pool_bwd : n->layers->bn_pool_fwd)(&pool, &t,
                                                                 n->options.hints.threads);
}

/* Back through a bn that keeps to its running statistics. */
static void run_frozen(const struct net *n, const struct pass *p, int i)
{
    const struct layer *l = &n->text.layers[i];
    const struct layer_state *s = &n->state[i];
    const struct bn_frozen frozen = {.images = p->mb,
                                     .channels = l->src.c,
                                     .lanes = lanes_of(l, s->layout),
                                     .pixels = l->src.h * l->src.w,
                                     .eps = l->eps};
    const struct bn_frozen_tensors t = {.src = s->src,
                                        .gamma = s->weight,
                                        .mean = s->running_mean,
                                        .variance = s->running_var,
                                        .diff_dst = s->diff_dst,
                                        .diff_src = s->diff_src,
                                        .diff_gamma = s->diff_weight,
                                        .diff_beta = s->diff_bias};
    n->layers->bn_frozen_bwd(&frozen, &t, n->options.hints.threads);
}

static void layer_forward(struct net *n, const struct pass *p, int i)
{
    const struct layer *l = &n->text.layers[i];
    struct layer_state *s = &n->state[i];
    int threads = n->options.hints.threads;
    if (p->training && pooled(n, i))
        return;
    run_reorder(n, &p->calls[i][REORDER_FWD]);
    if (p->training && pools(n, i))
        run_bn_pool(n, p, i, false);
    if (p->calls[i][FWD].entry)
        run_call(&p->calls[i][FWD]);
    if (l->kind == LAYER_BN && p->training && !n->looking) {
        if (l->running && !l->frozen)
            bn_running_update(l->src.c, p->mb * l->src.h * l->src.w,
                              l->cumulative ? 1 / (double)n->steps : l->momentum, l->population,
                              s->mean, s->variance, s->running_mean, s->running_var);
    } else if (l->kind == LAYER_RELU && !relu_is_fused(n, p, i)) {
        n->layers->relu_fwd(s->dst, p->mb * volume_in(&l->dst, s->layout), threads);
    } else if (l->kind == LAYER_SIGMOID || l->kind == LAYER_TANH) {
        n->layers->curve_fwd(curve_of(l), s->dst, p->mb * volume_in(&l->dst, s->layout), threads);
    } else if (l->kind == LAYER_DROPOUT) {
        int64_t size = p->mb * volume_in(&l->dst, s->layout);
        double rate = p->training && !n->undropped ? l->rate : 0;
        n->layers->dropout(s->src, s->dst, size, rate, net_dropout_key(n, i), threads);
    } else if (l->kind == LAYER_SOFTMAX) {
        softmax_fwd(p->mb, l->dst.c, s->dst);
    } else if (l->kind == LAYER_MAXPOOL) {
        struct maxpool pool = net_pool(l, p->mb, s->layout);
        pool.relu = i && pool_rectifies(n, p, i - 1);
        n->layers->maxpool_fwd(&pool, s->src, s->dst, s->chosen, threads);
    } else if (l->kind == LAYER_AVGPOOL) {
        struct avgpool pool = net_avgpool(l, p->mb, s->layout);
        n->layers->avgpool_fwd(&pool, s->src, s->dst, threads);
    }
}

static void layer_backward(struct net *n, const struct pass *p, int i)
{
    const struct layer *l = &n->text.layers[i];
    struct layer_state *s = &n->state[i];
    int threads = n->options.hints.threads;
    if (pooled(n, i))
        return;
    if (pools(n, i))
        run_bn_pool(n, p, i, true);
    if (p->calls[i][BWD_WEIGHTS].entry)
        run_call(&p->calls[i][BWD_WEIGHTS]);
    if (p->calls[i][BWD_DATA].entry)
        run_call(&p->calls[i][BWD_DATA]);
    if (l->kind == LAYER_BN && l->frozen)
        run_frozen(n, p, i);
    if (l->kind == LAYER_DENSE && s->bias) {
        n->layers->column_sums(p->mb, l->dst.c, s->diff_dst, s->diff_bias);
    } else if (l->kind == LAYER_RELU && !relu_is_fused(n, p, i)) {
        n->layers->relu_bwd(s->dst, s->diff_dst, p->mb * volume_in(&l->dst, s->layout), threads);
    } else if (l->kind == LAYER_SIGMOID || l->kind == LAYER_TANH) {
        n->layers->curve_bwd(curve_of(l), s->dst, s->diff_dst,
                             p->mb * volume_in(&l->dst, s->layout), threads);
    } else if (l->kind == LAYER_DROPOUT) {
        n->layers->dropout(s->diff_dst, s->diff_src, p->mb * volume_in(&l->dst, s->layout), l->rate,
                           net_dropout_key(n, i), threads);
    } else if (l->kind == LAYER_SOFTMAX) {
        softmax_bwd(p->mb, l->dst.c, s->dst, s->diff_dst);
    } else if (l->kind == LAYER_MAXPOOL) {
        struct maxpool pool = net_pool(l, p->mb, s->layout);
        pool.relu = i && pool_rectifies(n, p, i - 1);
        n->layers->maxpool_bwd(&pool, s->diff_dst, s->chosen, s->diff_src, threads);
    } else if (l->kind == LAYER_AVGPOOL) {
        struct avgpool pool = net_avgpool(l, p->mb, s->layout);
        n->layers->avgpool_bwd(&pool, s->diff_dst, s->diff_src, threads);
    }
    run_reorder(n, &p->calls[i][REORDER_BWD]);
}

static const struct pass *find_pass(const struct net *n, int64_t mb, bool training)
{
    for (int i = 0; i < n->pass_count; i++)
        if (n->passes[i].mb == mb && n->passes[i].training == training)
            return &n->passes[i];
    abort(); /* the caller's mistake: no pass was planned for so many images */
}

const struct layers *net_layers(const struct net *n)
{
    return n->layers;
}

float *net_input(struct net *n)
{
    return n->input;
}

struct outcome net_gradients(struct net *n, int64_t mb, const uint8_t *labels)
{
    const struct pass *p = find_pass(n, mb, true);
    n->steps++;
    struct layer_state *last = &n->state[n->text.count - 1];
    double then = now(), t;
    for (int i = 0; i < n->text.count; i++, then = t) {
        layer_forward(n, p, i);
        t = now();
        n->layer_seconds[i][TIME_FWD] += t - then;
    }
    struct outcome out = loss_of(&n->options.loss, mb, n->text.layers[n->text.count - 1].dst.c,
                                 last->dst, labels, last->diff_dst);
    t = now();
    n->loss_seconds += t - then;
    then = t;
    for (int i = n->text.count - 1; i >= n->first_trained; i--, then = t) {
        layer_backward(n, p, i);
        t = now();
        n->layer_seconds[i][TIME_BWD] += t - then;
    }
    return out;
}

/* Forward in a training pass. */
static struct outcome look(struct net *n, const struct pass *p, const uint8_t *labels,
                           float *gradient)
{
    n->looking = true;
    for (int i = 0; i < n->text.count; i++)
        layer_forward(n, p, i);
    n->looking = false;
    const struct layer_state *last = &n->state[n->text.count - 1];
    return loss_of(&n->options.loss, p->mb, n->text.layers[n->text.count - 1].dst.c, last->dst,
                   labels, gradient);
}

struct outcome net_evaluate_batch(struct net *n, int64_t mb, const uint8_t *labels)
{
    n->undropped = true;
    struct outcome out = look(n, find_pass(n, mb, true), labels, NULL);
    n->undropped = false;
    return out;
}

struct outcome net_gradients_again(struct net *n, int64_t mb, const uint8_t *labels)
{
    const struct pass *p = find_pass(n, mb, true);
    struct outcome out = look(n, p, labels, n->state[n->text.count - 1].diff_dst);
    for (int i = n->text.count - 1; i >= n->first_trained; i--)
        layer_backward(n, p, i);
    return out;
}

const float *net_output(const struct net *n, int layer)
{
    return n->state[layer].dst;
}

bool net_decisions(const struct net *n, int layer, int64_t mb, float *out)
{
    const struct layer *l = &n->text.layers[layer];
    const struct layer_state *s = &n->state[layer];
    const bool chosen = l->kind == LAYER_MAXPOOL;
    if (!chosen && (l->kind != LAYER_RELU || pooled(n, layer)))
        return false;
    const int64_t lanes = lanes_of(l, s->layout), pixels = l->dst.h * l->dst.w,
                  planes = div_up(l->dst.c, lanes);
    for (int64_t image = 0; image < mb; image++)
        for (int64_t c = 0; c < l->dst.c; c++)
            for (int64_t i = 0; i < pixels; i++, out++) {
                const int64_t at = ((image * planes + c / lanes) * pixels + i) * lanes + c % lanes;
                if (chosen)
                    *out = s->chosen[at] == MAXPOOL_NONE ? -1 : s->chosen[at];
                else
                    *out = s->dst[at] > 0;
            }
    return true;
}

void net_update(struct net *n, const struct optimizer *optimizer)
{
    double then = now();
    if (!n->part_count)
        return;
    n->layers->update(optimizer, n->part_count, n->parts, n->weights, n->gradients, n->m, n->v,
                      n->options.hints.threads);
    n->update_seconds += now() - then;
}

const float *net_forward(struct net *n, int64_t mb)
{
    const struct pass *p = find_pass(n, mb, false);
    for (int i = 0; i < n->text.count; i++)
        layer_forward(n, p, i);
    return n->state[n->text.count - 1].dst;
}

struct outcome net_evaluate(struct net *n, int64_t mb, const uint8_t *labels)
{
    const float *logits = net_forward(n, mb);
    return loss_of(&n->options.loss, mb, n->text.layers[n->text.count - 1].dst.c, logits, labels,
                   NULL);
}

/* What the caller may look at */

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
    return n->steps;
}

void net_set_steps(struct net *n, int64_t steps)
{
    n->steps = steps;
}

int net_call_count(const struct net *n)
{
    int count = 0;
    for (int i = 0; i < n->pass_count * n->text.count * PHASES; i++)
        count += call_place(n, i)->entry != NULL;
    return count;
}

const struct call *net_call(const struct net *n, int i)
{
    for (int place = 0;; place++)
        if (call_place(n, place)->entry && i-- == 0)
            return call_place(n, place);
}

bool net_pools(const struct net *n, int layer)
{
    return pools(n, layer);
}

int64_t net_parameters(const struct net *n)
{
    return n->parameters;
}

double net_bytes(const struct net *n)
{
    return n->bytes;
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
    for (int i = 0; i < n->text.count; i++) {
        const double *each = n->layer_seconds[i];
        double seconds = each[TIME_FWD] + each[TIME_BWD] - each[TIME_REORDER];
        s.reorder += each[TIME_REORDER];
        switch (n->text.layers[i].kind) {
        case LAYER_CONV: s.conv += seconds; break;
        case LAYER_BN: s.bn += seconds; break;
        case LAYER_DENSE: s.dense += seconds; break;
        case LAYER_RELU:
        case LAYER_SIGMOID:
        case LAYER_TANH:
        case LAYER_SOFTMAX:
        case LAYER_DROPOUT:
        case LAYER_MAXPOOL:
        case LAYER_AVGPOOL:
        case LAYER_FLATTEN: s.other += seconds; break;
        }
    }
    return s;
}

void net_seconds_reset(struct net *n)
{
    memset(n->layer_seconds, 0, (size_t)n->text.count * sizeof *n->layer_seconds);
    n->loss_seconds = n->update_seconds = 0;
}
