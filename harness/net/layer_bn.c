/* bn */
#include "net/layer.h"

#include <math.h>
#include <stdio.h>

/* What other libraries do by default. */
static const struct {
    const char *name;
    double eps, momentum;
    bool population;
} conventions[] = {{"pytorch", DEFAULT_EPS, 0.1, false},
                   {"keras", 1e-3, 0.01, false},
                   {"keras3", 1e-3, 0.01, true},
                   {"onnx", DEFAULT_EPS, 0.1, true}};
enum { CONVENTIONS = sizeof conventions / sizeof conventions[0] };

static void follow(int convention, struct layer *l)
{
    l->eps = conventions[convention].eps;
    l->momentum = conventions[convention].momentum;
    l->population = conventions[convention].population;
}

struct layer layer_plain_bn(void)
{
    struct layer l = {.kind = LAYER_BN, .affine = true, .running = true};
    follow(0, &l);
    return l;
}

/* "off" after the name of something a bn has. */
static bool read_off(struct reader *r, bool *has)
{
    *has = false;
    return reader_accept(r, "off") ||
           reader_wrong(r, "write off, as in bn affine off; on is the default");
}

static bool read_momentum(struct reader *r, struct layer *l)
{
    if ((l->cumulative = reader_accept(r, "cumulative")))
        return true;
    return reader_real(
        r, 0, 1, "momentum is a number from 0 to 1, the weight of the new value, or cumulative",
        &l->momentum);
}

static bool read(struct reader *r, struct layer *l)
{
    const struct reader first = *r;
    l->affine = l->running = true;
    follow(0, l);
    for (int i = 0; i < CONVENTIONS; i++) {
        if (reader_accept(r, conventions[i].name)) {
            follow(i, l);
            break;
        }
    }
    while (!reader_at_end(r)) {
        bool good = true;
        if (reader_accept(r, "eps"))
            good = reader_real(r, 1e-12, 1, "eps is a number from 1e-12 to 1", &l->eps);
        else if (reader_accept(r, "momentum"))
            good = read_momentum(r, l);
        else if (reader_accept(r, "population"))
            l->population = true;
        else if (reader_accept(r, "affine"))
            good = read_off(r, &l->affine);
        else if (reader_accept(r, "running"))
            good = read_off(r, &l->running);
        else if (reader_accept(r, "frozen"))
            l->frozen = true;
        else
            good = reader_wrong_option(
                r, "bn takes pytorch, keras, keras3 or onnx first, then eps E, momentum M "
                   "or cumulative, population, affine off, running off, frozen");
        if (!good)
            return false;
    }
    return (l->running || !l->frozen) ||
           reader_wrong(&first, "frozen keeps to running statistics, which running off leaves out");
}

static void print(const struct layer *l, char *at, size_t room)
{
    char eps[REAL_TEXT], momentum[REAL_TEXT], numbers[2 * REAL_TEXT + 16] = "";
    const struct layer plain = layer_plain_bn();
    if (l->eps != plain.eps || l->momentum != plain.momentum || l->cumulative)
        snprintf(numbers, sizeof numbers, " eps %s momentum %s", real_print(l->eps, eps),
                 l->cumulative ? "cumulative" : real_print(l->momentum, momentum));
    snprintf(at, room, "%s%s%s%s%s", numbers, l->population ? " population" : "",
             l->affine ? "" : " affine off", l->running ? "" : " running off",
             l->frozen ? " frozen" : "");
}

bool layer_by_batch(const struct layer *l, bool training)
{
    return !l->running || (training && !l->frozen);
}

static struct layer_weights weights(const struct layer *l)
{
    return l->affine ? (struct layer_weights){1, {l->src.c}, l->src.c} : (struct layer_weights){0};
}

static double flops(const struct layer *l)
{
    return 6 * (double)(l->dst.c * l->dst.h * l->dst.w);
}

/* Without gamma and beta it computes with 1 and 0; nobody reads their gradients. */
static void make(const struct layer *l, struct layer_state *s, int64_t mb, struct memory *m)
{
    (void)mb;
    s->mean = memory_floats(m, l->src.c);
    s->variance = memory_floats(m, l->src.c);
    s->scale = memory_floats(m, l->src.c);
    s->shift = memory_floats(m, l->src.c);
    if (l->running) {
        s->running_mean = memory_floats(m, l->src.c);
        s->running_var = memory_floats(m, l->src.c);
    }
    if (!l->affine) {
        s->weight = memory_floats(m, l->src.c);
        s->bias = memory_floats(m, l->src.c);
        s->diff_weight = memory_floats(m, l->src.c);
        s->diff_bias = memory_floats(m, l->src.c);
    }
    for (int64_t c = 0; !m->failed && c < l->src.c; c++) {
        s->weight[c] = 1;
        if (l->running)
            s->running_var[c] = 1;
    }
}

struct problem plane_problem(const struct layer *l, double eps, int64_t mb)
{
    return (struct problem){.kind = PROBLEM_BN,
                            .eps = eps,
                            .bn = {.mb = mb, .ic = l->src.c, .ih = l->src.h, .iw = l->src.w}};
}

static struct net_op op(const struct layer *l, const struct call_site *at)
{
    enum { TRAIN, INFER, BWD };
    static const char *const names[][3] = {
        {"bn_fwd_train", "bn_fwd_infer", "bn_bwd"},
        {"bn_relu_fwd_train", "bn_relu_fwd_infer", "bn_relu_bwd"},
        {"bn_pool_fwd_train", "bn_pool_fwd_infer", "bn_pool_bwd"}};
    const int with = at->joined.pools ? 2 : at->joined.relu, backward = at->phase != FWD;
    /* Statistics that were gathered have only to be applied. */
    const bool given = at->joined.gathered || !layer_by_batch(l, at->training);
    if (at->phase == BWD_WEIGHTS || (backward && l->frozen))
        return (struct net_op){0};
    return (struct net_op){names[with][backward ? BWD
                                       : given  ? INFER
                                                : TRAIN],
                           plane_problem(l, l->eps, at->mb), same_layout(at->layout)};
}

static void bind(struct layer_pass *p)
{
    const struct layer_state *s = p->s, *end = p->joined.pools ? s + 2 : s;
    const bool by_batch = layer_by_batch(p->l, p->training);
    float **fwd = p->calls[FWD].args.t, **data = p->calls[BWD_DATA].args.t;
    fwd[SRC] = data[SRC] = s->src;
    fwd[GAMMA] = data[GAMMA] = s->weight;
    fwd[BETA] = s->bias;
    data[BETA] = p->joined.relu || p->joined.pools ? s->bias : NULL;
    fwd[DST] = end->dst;
    fwd[MEAN] = by_batch ? s->mean : s->running_mean;
    fwd[VARIANCE] = by_batch ? s->variance : s->running_var;
    data[MEAN] = s->mean;
    data[VARIANCE] = s->variance;
    data[DIFF_DST] = end->diff_dst;
    data[DIFF_SRC] = s->diff_src;
    data[DIFF_GAMMA] = s->diff_weight;
    data[DIFF_BETA] = s->diff_bias;
}

static void forward(const struct layer_pass *p)
{
    const struct layer *l = p->l;
    const struct layer_state *s = p->s;
    for (int64_t c = 0; p->joined.pools && c < l->src.c; c++) {
        s->scale[c] = (float)((double)s->weight[c] / sqrt((double)s->variance[c] + l->eps));
        s->shift[c] = s->bias[c];
    }
    if (p->step->counts && l->running && !l->frozen)
        bn_running_update(l->src.c, p->mb * l->src.h * l->src.w,
                          l->cumulative ? 1 / (double)p->step->number : l->momentum, l->population,
                          s->mean, s->variance, s->running_mean, s->running_var);
}

int layer_pooled_place(const struct layer *l, const struct layer_state *s, int64_t image, int64_t c,
                       int64_t i)
{
    const int64_t w = l->src.w, row = i / (w / 2), column = i % (w / 2);
    const float *window = s->src + ((image * l->src.c + c) * l->src.h + 2 * row) * w + 2 * column;
    float best = 0;
    int place = -1;
    for (int k = 0; k < 4; k++) {
        const float y = fmaf(window[k / 2 * w + k % 2] - s->mean[c], s->scale[c], s->shift[c]);
        place = y > best ? k : place;
        best = y > best ? y : best;
    }
    return place;
}

/* Back through a bn that keeps to its running statistics. */
static void backward(const struct layer_pass *p)
{
    const struct layer *l = p->l;
    const struct layer_state *s = p->s;
    if (!l->frozen)
        return;
    const struct bn_frozen frozen = {.images = p->mb,
                                     .channels = l->src.c,
                                     .lanes = layer_lanes(l, s->layout),
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
    p->kernels->bn_frozen_bwd(&frozen, &t, p->threads);
}

const struct layer_type layer_bn = {
    .name = "bn",
    .others = {{"batchnorm batchnorm2d batchnorm1d batch_norm batchnormalization", "bn"}},
    .read = read,
    .print = print,
    .weights = weights,
    .flops = flops,
    .clock = CLOCK_BN,
    .make = make,
    .op = op,
    .bind = bind,
    .forward = forward,
    .backward = backward,
};
