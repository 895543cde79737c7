/* Batch normalization of oneDNN. The variant file sets
 *   ONEDNN_BN_PASS   ONEDNN_BN_TRAIN, ONEDNN_BN_INFER or ONEDNN_BN_BWD
 *   ONEDNN_BN_FLAGS  0, or dnnl_fuse_norm_relu
 * nchw and nhwc are given to the library as they lie, so nothing is converted. In nchw16c it has its own blocked
 * layout, of 16 channels with AVX-512 (our memory) and of 8 below (converted outside the time, see onednn.h).
 * gamma and beta left out are ones and zeros. Entry points: onednn_bn_fits, onednn_bn_prepare. */
#include "peers/onednn.h"

#include <float.h>

enum onednn_bn_pass { ONEDNN_BN_TRAIN, ONEDNN_BN_INFER, ONEDNN_BN_BWD };

static inline unsigned onednn_bn_flags(void)
{
    return dnnl_use_scale | dnnl_use_shift | ONEDNN_BN_FLAGS |
           (ONEDNN_BN_PASS == ONEDNN_BN_INFER ? dnnl_use_global_stats : 0);
}

/* Without eps the library makes 0 / 0 of padded lanes; the least normal number changes no other sum. */
static inline float onednn_bn_eps(const struct problem *p)
{
    return p->eps > 0 ? (float)p->eps : FLT_MIN;
}

static inline dnnl_memory_desc_t onednn_bn_tensor(const struct bn *b, enum layout layout)
{
    const dnnl_dims_t dims = {b->mb, b->ic, b->ih, b->iw};
    dnnl_memory_desc_t md = onednn_activation(layout, b->mb, b->ic, b->ih, b->iw);
    const bool avx512 =
        (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    if (layout == NCHW16C && !avx512)
        dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_nChw8c);
    return md;
}

static inline dnnl_status_t onednn_bn_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const struct problem *p, enum layout layout,
                                              unsigned flags)
{
    const dnnl_memory_desc_t data = onednn_bn_tensor(&p->bn, layout);
    dnnl_batch_normalization_desc_t d;
    const dnnl_prop_kind_t kind =
        ONEDNN_BN_PASS == ONEDNN_BN_INFER ? dnnl_forward_inference : dnnl_forward_training;
    const dnnl_status_t status =
        dnnl_batch_normalization_forward_desc_init(&d, kind, &data, onednn_bn_eps(p), flags);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, NULL) : status;
}

static inline dnnl_status_t onednn_bn_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const struct problem *p, enum layout layout,
                                               const_dnnl_primitive_desc_t forward)
{
    const dnnl_memory_desc_t data = onednn_bn_tensor(&p->bn, layout);
    dnnl_batch_normalization_desc_t d;
    const dnnl_status_t status = dnnl_batch_normalization_backward_desc_init(
        &d, dnnl_backward, &data, &data, onednn_bn_eps(p), onednn_bn_flags());
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, forward)
                                  : status;
}

static inline dnnl_status_t onednn_bn_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const struct problem *p, enum layout layout)
{
    dnnl_primitive_desc_t forward = NULL;
    dnnl_status_t status = onednn_bn_forward(&forward, engine, p, layout, onednn_bn_flags());
    if (ONEDNN_BN_PASS != ONEDNN_BN_BWD) {
        *pd = forward;
        return status;
    }
    if (status == dnnl_success)
        status = onednn_bn_backward(pd, engine, p, layout, forward);
    dnnl_primitive_desc_destroy(forward);
    return status;
}

static const char *onednn_bn_fits(const struct problem *p, struct formats f)
{
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        return "oneDNN finds no CPU";
    const dnnl_status_t status = onednn_bn_describe(&pd, engine, p, f.src);
    dnnl_primitive_desc_destroy(pd);
    dnnl_engine_destroy(engine);
    return status == dnnl_success ? NULL
                                  : "oneDNN has no such batch normalization for this problem";
}

/* A vector the caller left out, or that the library wants and the operation does not have. */
static inline void onednn_bn_vector(struct onednn *h, const_dnnl_primitive_desc_t pd, int arg,
                                    int64_t n, float *data, float otherwise, bool output)
{
    const dnnl_memory_desc_t md = onednn_vector(n);
    onednn_operand(h, pd, arg, &md, data ? data : DNNL_MEMORY_ALLOCATE, output);
    void *own = NULL;
    if (data || !h->good)
        return;
    onednn_check(h, dnnl_memory_get_data_handle(h->operands[h->count - 1].theirs, &own));
    for (int64_t i = 0; h->good && i < n; i++)
        ((float *)own)[i] = otherwise;
}

/* Which activations the following ReLU passed: the forward pass tells the backward pass. It is computed here from the
 * operands of the backward pass, untimed, because it is part of the forward pass. */
static inline void onednn_bn_mask(struct onednn *h, const_dnnl_primitive_desc_t pd,
                                  const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    struct onednn forward = {.good = h->good, .engine = h->engine, .stream = h->stream};
    dnnl_primitive_desc_t forward_pd = NULL;
    const dnnl_memory_desc_t *mask = dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0),
                             ours = onednn_activation(a->formats.src, b->mb, b->ic, b->ih, b->iw);
    struct onednn_operand *o = &h->operands[h->count];
    if (!h->good)
        return;
    onednn_check(h, dnnl_memory_create(&o->theirs, mask, h->engine, DNNL_MEMORY_ALLOCATE));
    h->args[h->count++] = (dnnl_exec_arg_t){DNNL_ARG_WORKSPACE, o->theirs};
    onednn_check(&forward, onednn_bn_forward(&forward_pd, h->engine, a->problem, a->formats.src,
                                             onednn_bn_flags() | dnnl_use_global_stats));
    onednn_operand(&forward, forward_pd, DNNL_ARG_SRC, &ours, a->t[SRC], false);
    onednn_bn_vector(&forward, forward_pd, DNNL_ARG_MEAN, b->ic, a->t[MEAN], 0, false);
    onednn_bn_vector(&forward, forward_pd, DNNL_ARG_VARIANCE, b->ic, a->t[VARIANCE], 0, false);
    onednn_bn_vector(&forward, forward_pd, DNNL_ARG_SCALE, b->ic, a->t[GAMMA], 1, false);
    onednn_bn_vector(&forward, forward_pd, DNNL_ARG_SHIFT, b->ic, a->t[BETA], 0, false);
    onednn_operand(&forward, forward_pd, DNNL_ARG_DST, &ours, DNNL_MEMORY_ALLOCATE, true);
    if (forward.good)
        onednn_check(&forward, dnnl_primitive_create(&forward.primitive, forward_pd));
    if (forward.good) {
        forward.args[forward.count] = (dnnl_exec_arg_t){DNNL_ARG_WORKSPACE, o->theirs};
        onednn_check(&forward, dnnl_primitive_execute(forward.primitive, h->stream,
                                                      forward.count + 1, forward.args));
    }
    dnnl_primitive_desc_destroy(forward_pd);
    h->good = h->good && forward.good;
    onednn_clear(&forward);
}

static void *onednn_bn_prepare(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    const bool backward = ONEDNN_BN_PASS == ONEDNN_BN_BWD,
               train = ONEDNN_BN_PASS == ONEDNN_BN_TRAIN, relu = ONEDNN_BN_FLAGS != 0;
    const dnnl_memory_desc_t ours = onednn_activation(a->formats.src, b->mb, b->ic, b->ih, b->iw);
    struct onednn *h = onednn_open(a);
    dnnl_primitive_desc_t pd = NULL;
    if (!h || !h->good)
        return h;
    const int team = onednn_team(a);
    onednn_check(h, onednn_bn_describe(&pd, h->engine, a->problem, a->formats.src));
    onednn_operand(h, pd, DNNL_ARG_SRC, &ours, a->t[SRC], false);
    onednn_bn_vector(h, pd, DNNL_ARG_MEAN, b->ic, a->t[MEAN], 0, train);
    onednn_bn_vector(h, pd, DNNL_ARG_VARIANCE, b->ic, a->t[VARIANCE], 0, train);
    onednn_bn_vector(h, pd, DNNL_ARG_SCALE, b->ic, a->t[GAMMA], 1, false);
    onednn_bn_vector(h, pd, DNNL_ARG_SHIFT, b->ic, a->t[BETA], 0, false);
    if (backward) {
        onednn_operand(h, pd, DNNL_ARG_DIFF_DST, &ours, a->t[DIFF_DST], false);
        onednn_operand(h, pd, DNNL_ARG_DIFF_SRC, &ours, a->t[DIFF_SRC], true);
        onednn_bn_vector(h, pd, DNNL_ARG_DIFF_SCALE, b->ic, a->t[DIFF_GAMMA], 0, true);
        onednn_bn_vector(h, pd, DNNL_ARG_DIFF_SHIFT, b->ic, a->t[DIFF_BETA], 0, true);
        if (relu)
            onednn_bn_mask(h, pd, a);
    } else {
        onednn_operand(h, pd, DNNL_ARG_DST, &ours, a->t[DST], true);
        if (relu && train && h->good) {
            struct onednn_operand *o = &h->operands[h->count];
            onednn_check(
                h, dnnl_memory_create(&o->theirs,
                                      dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0),
                                      h->engine, DNNL_MEMORY_ALLOCATE));
            h->args[h->count++] = (dnnl_exec_arg_t){DNNL_ARG_WORKSPACE, o->theirs};
        }
    }
    if (h->good)
        onednn_check(h, dnnl_primitive_create(&h->primitive, pd));
    dnnl_primitive_desc_destroy(pd);
    omp_set_num_threads(team);
    return h;
}

#define ONEDNN_BN                                                                                  \
    .peer = onednn_peer, .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},              \
    .algebra = TWO_PASS, .fits = onednn_bn_fits, .prepare = onednn_bn_prepare,                     \
    .finish = onednn_finish, .release = onednn_release, .run = onednn_run
