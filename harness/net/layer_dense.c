/* dense, flatten */
#include "net/layer.h"

#include <stdio.h>

static bool read_dense(struct reader *r, struct layer *l)
{
    l->bias = true;
    l->dst = (struct shape){0, 1, 1};
    if (!reader_count(r, "write the number of outputs, as in dense 10", &l->dst.c))
        return false;
    if (reader_accept(r, "nobias"))
        l->bias = false;
    return true;
}

static void print_dense(const struct layer *l, char *at, size_t room)
{
    snprintf(at, room, " %lld%s", (long long)l->dst.c, l->bias ? "" : " nobias");
}

static struct layer_weights dense_weights(const struct layer *l)
{
    return (struct layer_weights){2, {l->dst.c, l->src.c}, l->bias ? l->dst.c : 0};
}

static double dense_flops(const struct layer *l)
{
    return 2 * (double)l->dst.c * (double)l->src.c;
}

/* y[mb][out] = x[mb][in] w[out][in]^T;  dx = dy w;  dw = dy^T x */
static struct net_op dense_op(const struct layer *l, const struct call_site *at)
{
    const struct gemm gemms[] = {
        [FWD] = {.m = at->mb, .n = l->dst.c, .k = l->src.c},
        [BWD_DATA] = {.m = at->mb, .n = l->src.c, .k = l->dst.c},
        [BWD_WEIGHTS] = {.m = l->dst.c, .n = l->src.c, .k = at->mb},
    };
    static const enum layout turned[] = {GEMM_NT, GEMM_NN, GEMM_TN};
    if (at->phase == BWD_DATA && at->bottom)
        return (struct net_op){0};
    const struct problem p = {.kind = PROBLEM_GEMM, .gemm = gemms[at->phase]};
    return (struct net_op){"gemm", p, same_layout(turned[at->phase])};
}

static void bind_dense(struct layer_pass *p)
{
    const struct layer_state *s = p->s;
    struct call *c = p->calls;
    float **fwd = c[FWD].args.t, **data = c[BWD_DATA].args.t, **grad = c[BWD_WEIGHTS].args.t;
    fwd[SRC] = grad[WEIGHTS] = s->src;
    fwd[WEIGHTS] = data[WEIGHTS] = s->weight;
    fwd[BIAS] = s->bias;
    fwd[DST] = s->dst;
    data[SRC] = grad[SRC] = s->diff_dst;
    data[DST] = s->diff_src;
    grad[DST] = s->diff_weight;
}

static void dense_backward(const struct layer_pass *p)
{
    const struct layer_state *s = p->s;
    if (s->bias)
        p->kernels->column_sums(p->mb, p->l->dst.c, s->diff_dst, s->diff_bias);
}

const struct layer_type layer_dense = {
    .name = "dense",
    .others = {{"linear fc fullyconnected gemm", "dense"}},
    .read = read_dense,
    .print = print_dense,
    .weights = dense_weights,
    .flops = dense_flops,
    .clock = CLOCK_DENSE,
    .nchw_only = true,
    .op = dense_op,
    .bind = bind_dense,
    .backward = dense_backward,
};

static bool read_flatten(struct reader *r, struct layer *l)
{
    (void)r;
    l->dst = (struct shape){l->src.c * l->src.h * l->src.w, 1, 1};
    return true;
}

const struct layer_type layer_flatten = {
    .name = "flatten",
    .read = read_flatten,
    .in_place = true,
    .nchw_only = true,
};
