/* A convolution of oneDNN, in each of the three passes. The variant file sets
 *   ONEDNN_PASS       ONEDNN_FWD, ONEDNN_BWD_DATA or ONEDNN_BWD_WEIGHTS
 *   ONEDNN_ALGORITHM  dnnl_convolution_direct or dnnl_convolution_winograd
 *   ONEDNN_LAYOUT     onednn_any: the library chooses the layouts of activations, and onednn.h says who converts;
 *                     onednn_same: it must take ours. It always chooses the layout of the weights.
 * Entry points: onednn_conv_fits, onednn_conv_prepare, onednn_direct_flops; the rest are onednn.h's. */
#include "peers/onednn.h"
#include "shared/conv_flops.h"

enum onednn_pass { ONEDNN_FWD, ONEDNN_BWD_DATA, ONEDNN_BWD_WEIGHTS };

/* The operands as they lie in our memory. */
struct onednn_conv {
    dnnl_memory_desc_t src, weights, bias, dst;
};

static inline struct onednn_conv onednn_conv_operands(const struct conv *c, struct formats f)
{
    const dnnl_dims_t plain = {c->oc, c->ic, c->kh, c->kw},
                      grouped = {c->g, c->oc / c->g, c->ic / c->g, c->kh, c->kw};
    struct onednn_conv o = {
        .src = onednn_activation(f.src, c->mb, c->ic, c->ih, c->iw),
        .dst = onednn_activation(f.dst, c->mb, c->oc, c->oh, c->ow),
        .bias = onednn_vector(c->oc),
    };
    if (c->g == 1)
        dnnl_memory_desc_init_by_tag(&o.weights, 4, plain, dnnl_f32, dnnl_oihw);
    else
        dnnl_memory_desc_init_by_tag(&o.weights, 5, grouped, dnnl_f32, dnnl_goihw);
    return o;
}

static inline int64_t onednn_conv_padding(int64_t in, int64_t out, int64_t k, int64_t stride,
                                          int64_t dilation, int64_t before)
{
    return (out - 1) * stride + (k - 1) * (dilation + 1) + 1 - in - before;
}

/* The forward pass is also what backward ones are made after. */
static inline dnnl_status_t onednn_conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           const struct conv *c, const struct onednn_conv *o,
                                           bool bias, enum onednn_pass pass,
                                           const_dnnl_primitive_desc_t forward)
{
    const dnnl_dims_t strides = {c->sh, c->sw}, dilates = {c->dh, c->dw}, left = {c->ph, c->pw};
    const dnnl_dims_t right = {onednn_conv_padding(c->ih, c->oh, c->kh, c->sh, c->dh, c->ph),
                               onednn_conv_padding(c->iw, c->ow, c->kw, c->sw, c->dw, c->pw)};
    const dnnl_memory_desc_t src = ONEDNN_LAYOUT(&o->src), weights = onednn_any(&o->weights),
                             dst = ONEDNN_LAYOUT(&o->dst), *with = bias ? &o->bias : NULL;
    dnnl_convolution_desc_t d;
    dnnl_status_t status;
    if (pass == ONEDNN_FWD)
        status = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training,
                                                            ONEDNN_ALGORITHM, &src, &weights, with,
                                                            &dst, strides, dilates, left, right);
    else if (pass == ONEDNN_BWD_DATA)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &d, ONEDNN_ALGORITHM, &src, &weights, &dst, strides, dilates, left, right);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &d, ONEDNN_ALGORITHM, &src, &weights, with, &dst, strides, dilates, left, right);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, forward)
                                  : status;
}

/* The descriptor of the pass of this file. */
static inline dnnl_status_t onednn_conv_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                 const struct conv *c, const struct onednn_conv *o,
                                                 bool bias)
{
    dnnl_primitive_desc_t forward = NULL;
    if (ONEDNN_PASS == ONEDNN_FWD)
        return onednn_conv_pd(pd, engine, c, o, bias, ONEDNN_FWD, NULL);
    /* Backward passes of an algorithm whose forward pass does not apply are asked for without. */
    onednn_conv_pd(&forward, engine, c, o, bias, ONEDNN_FWD, NULL);
    const dnnl_status_t status = onednn_conv_pd(pd, engine, c, o, bias, ONEDNN_PASS, forward);
    dnnl_primitive_desc_destroy(forward);
    return status;
}

/* Of the direct algorithm: its kernels leave products with padding out wherever they can. */
static inline double onednn_direct_flops(const struct problem *p, struct formats f)
{
    (void)f;
    return conv_flops(&p->conv, false);
}

static const char *onednn_conv_fits(const struct problem *p, struct formats f)
{
    const struct conv *c = &p->conv;
    if (ONEDNN_PASS == ONEDNN_BWD_DATA && ONEDNN_ALGORITHM == dnnl_convolution_winograd &&
        (onednn_conv_padding(c->ih, c->oh, c->kh, c->sh, c->dh, c->ph) != c->ph ||
         onednn_conv_padding(c->iw, c->ow, c->kw, c->sw, c->dw, c->pw) != c->pw))
        return "oneDNN's Winograd gives wrong gradients where the padding differs from side to side";
    const struct onednn_conv o = onednn_conv_operands(c, f);
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        return "oneDNN finds no CPU";
    const dnnl_status_t status = onednn_conv_describe(&pd, engine, &p->conv, &o, true);
    dnnl_primitive_desc_destroy(pd);
    dnnl_engine_destroy(engine);
    return status == dnnl_success ? NULL : "oneDNN has no such convolution for this problem";
}

static void *onednn_conv_prepare(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    const struct onednn_conv o = onednn_conv_operands(c, a->formats);
    const bool bias = ONEDNN_PASS == ONEDNN_FWD           ? a->t[BIAS] != NULL
                      : ONEDNN_PASS == ONEDNN_BWD_WEIGHTS ? a->t[DIFF_BIAS] != NULL
                                                          : false;
    struct onednn *h = onednn_open(a);
    dnnl_primitive_desc_t pd = NULL;
    if (!h || !h->good)
        return h;
    const int team = onednn_team(a);
    onednn_check(h, onednn_conv_describe(&pd, h->engine, c, &o, bias));
    if (ONEDNN_PASS == ONEDNN_FWD) {
        onednn_operand(h, pd, DNNL_ARG_SRC, &o.src, a->t[SRC], false);
        onednn_operand(h, pd, DNNL_ARG_WEIGHTS, &o.weights, a->t[WEIGHTS], false);
        if (bias)
            onednn_operand(h, pd, DNNL_ARG_BIAS, &o.bias, a->t[BIAS], false);
        onednn_operand(h, pd, DNNL_ARG_DST, &o.dst, a->t[DST], true);
    } else if (ONEDNN_PASS == ONEDNN_BWD_DATA) {
        onednn_operand(h, pd, DNNL_ARG_DIFF_DST, &o.dst, a->t[DIFF_DST], false);
        onednn_operand(h, pd, DNNL_ARG_WEIGHTS, &o.weights, a->t[WEIGHTS], false);
        onednn_operand(h, pd, DNNL_ARG_DIFF_SRC, &o.src, a->t[DIFF_SRC], true);
    } else {
        onednn_operand(h, pd, DNNL_ARG_SRC, &o.src, a->t[SRC], false);
        onednn_operand(h, pd, DNNL_ARG_DIFF_DST, &o.dst, a->t[DIFF_DST], false);
        onednn_operand(h, pd, DNNL_ARG_DIFF_WEIGHTS, &o.weights, a->t[DIFF_WEIGHTS], true);
        if (bias)
            onednn_operand(h, pd, DNNL_ARG_DIFF_BIAS, &o.bias, a->t[DIFF_BIAS], true);
    }
    if (h->good)
        onednn_check(h, dnnl_primitive_create(&h->primitive, pd));
    dnnl_primitive_desc_destroy(pd);
    omp_set_num_threads(team);
    return h;
}

#define ONEDNN_CONV                                                                                \
    .peer = onednn_peer, .fits = onednn_conv_fits, .prepare = onednn_conv_prepare,                 \
    .finish = onednn_finish, .release = onednn_release, .run = onednn_run
#define ONEDNN_DIRECT                                                                              \
    ONEDNN_CONV, .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},                      \
                 .algebra = SUM_OF_PRODUCTS, .flops = onednn_direct_flops
#define ONEDNN_WINOGRAD                                                                            \
    ONEDNN_CONV, .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = WINOGRAD_F4
#define ONEDNN_PLAIN                                                                               \
    ONEDNN_CONV, .formats = {{NCHW, NCHW}, {NHWC, NHWC}}, .algebra = SUM_OF_PRODUCTS,              \
                 .flops = onednn_direct_flops
