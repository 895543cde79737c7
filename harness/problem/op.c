/* The operations: operands, costs and refusals. */
#include "problem/op.h"

#include <stdio.h>
#include <string.h>

const char *const role_names[ROLE_COUNT] = {
    [SRC] = "src",
    [WEIGHTS] = "weights",
    [BIAS] = "bias",
    [DST] = "dst",
    [DIFF_DST] = "diff_dst",
    [DIFF_SRC] = "diff_src",
    [DIFF_WEIGHTS] = "diff_weights",
    [DIFF_BIAS] = "diff_bias",
    [MEAN] = "mean",
    [VARIANCE] = "variance",
    [GAMMA] = "gamma",
    [BETA] = "beta",
    [DIFF_GAMMA] = "diff_gamma",
    [DIFF_BETA] = "diff_beta",
};

const char *const layout_names[LAYOUT_COUNT] = {
    [LAYOUT_NONE] = "none", [NCHW] = "nchw",  [NHWC] = "nhwc",  [NCHW16C] = "nchw16c",
    [GEMM_NN] = "nn",       [GEMM_NT] = "nt", [GEMM_TN] = "tn", [FLAT] = "flat",
};

char *formats_print(struct formats f, char text[FORMATS_TEXT])
{
    if (f.src == f.dst)
        snprintf(text, FORMATS_TEXT, "%s", layout_names[f.src]);
    else
        snprintf(text, FORMATS_TEXT, "%s:%s", layout_names[f.src], layout_names[f.dst]);
    return text;
}

bool formats_parse(const char *text, struct formats *out)
{
    size_t first = strcspn(text, ":");
    const char *second = text[first] ? text + first + 1 : text;
    *out = (struct formats){LAYOUT_NONE, LAYOUT_NONE};
    for (int l = NCHW; l < LAYOUT_COUNT; l++) {
        if (strlen(layout_names[l]) == first && !strncmp(text, layout_names[l], first))
            out->src = (enum layout)l;
        if (!strcmp(second, layout_names[l]))
            out->dst = (enum layout)l;
    }
    return out->src != LAYOUT_NONE && out->dst != LAYOUT_NONE;
}

int64_t tensor_logical(const struct tensor_spec *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dims[i];
    return n;
}

int64_t tensor_physical(const struct tensor_spec *t)
{
    if (t->layout != NCHW16C)
        return tensor_logical(t);
    return t->dims[0] * div_up(t->dims[1], 16) * 16 * t->dims[2] * t->dims[3];
}

static struct tensor_spec activation(enum role role, bool output, enum layout layout, int64_t n,
                                     int64_t c, int64_t h, int64_t w)
{
    return (struct tensor_spec){
        .role = role, .output = output, .layout = layout, .ndim = 4, .dims = {n, c, h, w}};
}

static struct tensor_spec vector(enum role role, bool output, bool optional, int64_t n)
{
    return (struct tensor_spec){.role = role,
                                .output = output,
                                .optional = optional,
                                .layout = FLAT,
                                .ndim = 1,
                                .dims = {n}};
}

static struct tensor_spec matrix(enum role role, bool output, int64_t rows, int64_t columns)
{
    return (struct tensor_spec){
        .role = role, .output = output, .layout = FLAT, .ndim = 2, .dims = {rows, columns}};
}

static struct tensor_spec conv_weights(enum role role, bool output, const struct conv *c)
{
    return (struct tensor_spec){.role = role,
                                .output = output,
                                .layout = FLAT,
                                .ndim = 4,
                                .dims = {c->oc, c->ic / c->g, c->kh, c->kw}};
}

/* Convolutions */

static int conv_fwd_tensors(const struct problem *p, struct formats f,
                            struct tensor_spec out[ROLE_COUNT])
{
    const struct conv *c = &p->conv;
    out[0] = activation(SRC, false, f.src, c->mb, c->ic, c->ih, c->iw);
    out[1] = conv_weights(WEIGHTS, false, c);
    out[2] = vector(BIAS, false, true, c->oc);
    out[3] = activation(DST, true, f.dst, c->mb, c->oc, c->oh, c->ow);
    return 4;
}

static int conv_bwd_data_tensors(const struct problem *p, struct formats f,
                                 struct tensor_spec out[ROLE_COUNT])
{
    const struct conv *c = &p->conv;
    out[0] = activation(DIFF_DST, false, f.dst, c->mb, c->oc, c->oh, c->ow);
    out[1] = conv_weights(WEIGHTS, false, c);
    out[2] = activation(DIFF_SRC, true, f.src, c->mb, c->ic, c->ih, c->iw);
    return 3;
}

static int conv_bwd_weights_tensors(const struct problem *p, struct formats f,
                                    struct tensor_spec out[ROLE_COUNT])
{
    const struct conv *c = &p->conv;
    out[0] = activation(SRC, false, f.src, c->mb, c->ic, c->ih, c->iw);
    out[1] = activation(DIFF_DST, false, f.dst, c->mb, c->oc, c->oh, c->ow);
    out[2] = conv_weights(DIFF_WEIGHTS, true, c);
    out[3] = vector(DIFF_BIAS, true, true, c->oc);
    return 4;
}

static int conv_bn_infer_tensors(const struct problem *p, struct formats f,
                                 struct tensor_spec out[ROLE_COUNT])
{
    int n = conv_fwd_tensors(p, f, out);
    int64_t oc = p->conv.oc;
    out[n++] = vector(MEAN, false, false, oc);
    out[n++] = vector(VARIANCE, false, false, oc);
    out[n++] = vector(GAMMA, false, true, oc);
    out[n++] = vector(BETA, false, true, oc);
    return n;
}

static int conv_stats_tensors(const struct problem *p, struct formats f,
                              struct tensor_spec out[ROLE_COUNT])
{
    int n = conv_fwd_tensors(p, f, out);
    out[n++] = vector(MEAN, true, false, p->conv.oc);
    out[n++] = vector(VARIANCE, true, false, p->conv.oc);
    return n;
}

/* Kernel taps that fall on real pixels, summed over the output positions of one dimension. */
static double real_taps(int64_t in, int64_t out, int64_t k, int64_t stride, int64_t dilation,
                        int64_t pad)
{
    double taps = 0;
    for (int64_t o = 0; o < out; o++) {
        for (int64_t i = 0; i < k; i++) {
            int64_t at = o * stride - pad + i * (dilation + 1);
            taps += at >= 0 && at < in;
        }
    }
    return taps;
}

static struct cost conv_cost(const struct problem *p)
{
    const struct conv *c = &p->conv;
    double pairs = 2.0 * (double)c->mb * (double)c->oc * (double)(c->ic / c->g);
    double src = (double)c->mb * (double)(c->ic * c->ih * c->iw);
    double dst = (double)c->mb * (double)(c->oc * c->oh * c->ow);
    double weights = (double)c->oc * (double)(c->ic / c->g * c->kh * c->kw);
    return (struct cost){
        .flops = pairs * real_taps(c->ih, c->oh, c->kh, c->sh, c->dh, c->ph) *
                 real_taps(c->iw, c->ow, c->kw, c->sw, c->dw, c->pw),
        .flops_nominal = pairs * (double)(c->oh * c->ow) * (double)(c->kh * c->kw),
        .bytes = 4 * (src + dst + weights),
    };
}

/* Batch normalization */

static int bn_fwd_train_tensors(const struct problem *p, struct formats f,
                                struct tensor_spec out[ROLE_COUNT])
{
    const struct bn *b = &p->bn;
    out[0] = activation(SRC, false, f.src, b->mb, b->ic, b->ih, b->iw);
    out[1] = vector(GAMMA, false, true, b->ic);
    out[2] = vector(BETA, false, true, b->ic);
    out[3] = activation(DST, true, f.dst, b->mb, b->ic, b->ih, b->iw);
    out[4] = vector(MEAN, true, false, b->ic);
    out[5] = vector(VARIANCE, true, false, b->ic);
    return 6;
}

static int bn_fwd_infer_tensors(const struct problem *p, struct formats f,
                                struct tensor_spec out[ROLE_COUNT])
{
    int n = bn_fwd_train_tensors(p, f, out);
    out[4].output = out[5].output = false;
    return n;
}

static int bn_bwd_tensors(const struct problem *p, struct formats f,
                          struct tensor_spec out[ROLE_COUNT])
{
    const struct bn *b = &p->bn;
    out[0] = activation(SRC, false, f.src, b->mb, b->ic, b->ih, b->iw);
    out[1] = activation(DIFF_DST, false, f.dst, b->mb, b->ic, b->ih, b->iw);
    out[2] = vector(MEAN, false, false, b->ic);
    out[3] = vector(VARIANCE, false, false, b->ic);
    out[4] = vector(GAMMA, false, true, b->ic);
    out[5] = activation(DIFF_SRC, true, f.src, b->mb, b->ic, b->ih, b->iw);
    out[6] = vector(DIFF_GAMMA, true, false, b->ic);
    out[7] = vector(DIFF_BETA, true, false, b->ic);
    return 8;
}

static int bn_relu_bwd_tensors(const struct problem *p, struct formats f,
                               struct tensor_spec out[ROLE_COUNT])
{
    int n = bn_bwd_tensors(p, f, out);
    out[n++] = vector(BETA, false, true, p->bn.ic); /* the mask is recomputed from src */
    return n;
}

/* Batch normalization, ReLU and the maximum of windows of 2x2, which leave out an odd row and column. */

static struct tensor_spec pooled(enum role role, bool output, enum layout layout,
                                 const struct bn *b)
{
    return activation(role, output, layout, b->mb, b->ic, b->ih / 2, b->iw / 2);
}

static int bn_pool_fwd_train_tensors(const struct problem *p, struct formats f,
                                     struct tensor_spec out[ROLE_COUNT])
{
    int n = bn_fwd_train_tensors(p, f, out);
    out[3] = pooled(DST, true, f.dst, &p->bn);
    return n;
}

static int bn_pool_fwd_infer_tensors(const struct problem *p, struct formats f,
                                     struct tensor_spec out[ROLE_COUNT])
{
    int n = bn_fwd_infer_tensors(p, f, out);
    out[3] = pooled(DST, true, f.dst, &p->bn);
    return n;
}

static int bn_pool_bwd_tensors(const struct problem *p, struct formats f,
                               struct tensor_spec out[ROLE_COUNT])
{
    int n = bn_relu_bwd_tensors(p, f, out); /* which value is the largest is found again, too */
    out[1] = pooled(DIFF_DST, false, f.dst, &p->bn);
    return n;
}

static const char *refuse_no_window(const struct problem *p)
{
    return p->bn.ih < 2 || p->bn.iw < 2 ? "the images are smaller than a window of 2x2" : NULL;
}

static const char *refuse_single(int64_t values)
{
    return values > 1 ? NULL
                      : "one value per channel: its variance is zero, so training is refused; use "
                        "a larger batch or image";
}

static const char *refuse_single_value(const struct problem *p)
{
    return refuse_single(p->bn.mb * p->bn.ih * p->bn.iw);
}

static const char *refuse_single_output(const struct problem *p)
{
    return refuse_single(p->conv.mb * p->conv.oh * p->conv.ow);
}

static struct cost bn_cost(const struct problem *p, double flops, double tensors)
{
    double n = (double)p->bn.mb * (double)(p->bn.ic * p->bn.ih * p->bn.iw);
    return (struct cost){.flops = flops * n, .flops_nominal = flops * n, .bytes = tensors * 4 * n};
}

/* An element costs: mean 1, variance 3 (subtract, multiply, add), apply 2. */
static struct cost bn_fwd_train_cost(const struct problem *p)
{
    return bn_cost(p, 6, 2);
}

static struct cost bn_fwd_infer_cost(const struct problem *p)
{
    return bn_cost(p, 2, 2);
}

/* An element costs: dbeta 1, dgamma 3 (subtract, multiply, add), dx 4 (two multiply-adds). */
static struct cost bn_bwd_cost(const struct problem *p)
{
    return bn_cost(p, 8, 3);
}

/* dst and diff_dst are a quarter of src. */
static struct cost bn_pool_fwd_train_cost(const struct problem *p)
{
    return bn_cost(p, 6, 1.25);
}

static struct cost bn_pool_fwd_infer_cost(const struct problem *p)
{
    return bn_cost(p, 2, 1.25);
}

static struct cost bn_pool_bwd_cost(const struct problem *p)
{
    return bn_cost(p, 8, 2.25);
}

/* Matrix products */

static int gemm_tensors(const struct problem *p, struct formats f,
                        struct tensor_spec out[ROLE_COUNT])
{
    const struct gemm *g = &p->gemm;
    bool ta = f.src == GEMM_TN, tb = f.src == GEMM_NT;
    out[0] = matrix(SRC, false, ta ? g->k : g->m, ta ? g->m : g->k);
    out[1] = matrix(WEIGHTS, false, tb ? g->n : g->k, tb ? g->k : g->n);
    out[2] = vector(BIAS, false, true, g->n);
    out[3] = matrix(DST, true, g->m, g->n);
    return 4;
}

static struct cost gemm_cost(const struct problem *p)
{
    double m = (double)p->gemm.m, n = (double)p->gemm.n, k = (double)p->gemm.k;
    return (struct cost){.flops = 2 * m * n * k,
                         .flops_nominal = 2 * m * n * k,
                         .bytes = 4 * (m * k + k * n + m * n)};
}

/* Reorders and ceilings */

static int reorder_tensors(const struct problem *p, struct formats f,
                           struct tensor_spec out[ROLE_COUNT])
{
    const struct bn *b = &p->bn;
    out[0] = activation(SRC, false, f.src, b->mb, b->ic, b->ih, b->iw);
    out[1] = activation(DST, true, f.dst, b->mb, b->ic, b->ih, b->iw);
    return 2;
}

/* dst = src + 3 diff_dst: STREAM's triad, with its constant. */
static int triad_tensors(const struct problem *p, struct formats f,
                         struct tensor_spec out[ROLE_COUNT])
{
    int n = reorder_tensors(p, f, out);
    out[n] = out[0];
    out[n++].role = DIFF_DST;
    return n;
}

static struct cost reorder_cost(const struct problem *p)
{
    return bn_cost(p, 0, 2);
}

static struct cost triad_cost(const struct problem *p)
{
    return bn_cost(p, 2, 3);
}

/* src holds the multiplier and the addend (1 and 1), dst 64 counters: each counts the iterations. */
static int peak_fma_tensors(const struct problem *p, struct formats f,
                            struct tensor_spec out[ROLE_COUNT])
{
    (void)p;
    (void)f;
    out[0] = vector(SRC, false, false, 2);
    out[1] = vector(DST, true, false, 64);
    return 2;
}

/* What one iteration does depends on the variant's register count: its flops() says. */
static struct cost peak_fma_cost(const struct problem *p)
{
    (void)p;
    return (struct cost){0};
}

/* An operation is a row here and a folder in kernels/. */
const struct op ops[] = {
    {"conv_fwd", PROBLEM_CONV, FORWARD, conv_fwd_tensors, conv_cost, .refuse = NULL},
    {"conv_bwd_data", PROBLEM_CONV, BACKWARD_DATA, conv_bwd_data_tensors, conv_cost,
     .refuse = NULL},
    {"conv_bwd_weights", PROBLEM_CONV, BACKWARD_WEIGHTS, conv_bwd_weights_tensors, conv_cost,
     .refuse = NULL},
    {"conv_bn_infer", PROBLEM_CONV, FORWARD, conv_bn_infer_tensors, conv_cost, NULL,
     .normalizes = true},
    {"conv_stats", PROBLEM_CONV, FORWARD, conv_stats_tensors, conv_cost, refuse_single_output,
     .statistics = true},
    {"bn_fwd_train", PROBLEM_BN, FORWARD, bn_fwd_train_tensors, bn_fwd_train_cost,
     refuse_single_value, .normalizes = true, .statistics = true},
    {"bn_fwd_infer", PROBLEM_BN, FORWARD, bn_fwd_infer_tensors, bn_fwd_infer_cost, NULL,
     .normalizes = true},
    {"bn_bwd", PROBLEM_BN, BACKWARD_DATA, bn_bwd_tensors, bn_bwd_cost, refuse_single_value,
     .normalizes = true},
    {"bn_relu_fwd_train", PROBLEM_BN, FORWARD, bn_fwd_train_tensors, bn_fwd_train_cost,
     refuse_single_value, .normalizes = true, .statistics = true, .relu = true},
    {"bn_relu_fwd_infer", PROBLEM_BN, FORWARD, bn_fwd_infer_tensors, bn_fwd_infer_cost, NULL,
     .normalizes = true, .relu = true},
    {"bn_relu_bwd", PROBLEM_BN, BACKWARD_DATA, bn_relu_bwd_tensors, bn_bwd_cost,
     refuse_single_value, .normalizes = true, .relu = true},
    {"bn_pool_fwd_train", PROBLEM_BN, FORWARD, bn_pool_fwd_train_tensors, bn_pool_fwd_train_cost,
     refuse_no_window, .normalizes = true, .statistics = true, .relu = true, .pools = true},
    {"bn_pool_fwd_infer", PROBLEM_BN, FORWARD, bn_pool_fwd_infer_tensors, bn_pool_fwd_infer_cost,
     refuse_no_window, .normalizes = true, .relu = true, .pools = true},
    {"bn_pool_bwd", PROBLEM_BN, BACKWARD_DATA, bn_pool_bwd_tensors, bn_pool_bwd_cost,
     refuse_no_window, .normalizes = true, .relu = true, .pools = true},
    {"gemm", PROBLEM_GEMM, FORWARD, gemm_tensors, gemm_cost, .refuse = NULL},
    {"reorder", PROBLEM_BN, FORWARD, reorder_tensors, reorder_cost, NULL, .moves = true},
    {"copy", PROBLEM_BN, FORWARD, reorder_tensors, reorder_cost, NULL, .moves = true,
     .ceiling = true},
    {"triad", PROBLEM_BN, FORWARD, triad_tensors, triad_cost, NULL, .ceiling = true},
    {"peak_fma", PROBLEM_ITERATIONS, FORWARD, peak_fma_tensors, peak_fma_cost, NULL,
     .ceiling = true},
    {0},
};

const struct op *op_find(const char *name)
{
    for (const struct op *op = ops; op->name; op++)
        if (!strcmp(op->name, name))
            return op;
    return NULL;
}
