/* What neighbouring layers do as one operation. */
#include "net/kernel_choice.h"
#include "net/net_state.h"

#include <string.h>

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

/* Are the bn at i and the relu and maxpool after it one operation in training? With FUSE_AUTO the plan decides;
 * without a plan, only if rows are wide enough for vectors and --kernels does not name the bn's variant. */
bool net_pools(const struct net *n, int i)
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
bool net_pooled(const struct net *n, int i)
{
    return (i >= 1 && net_pools(n, i - 1)) || (i >= 2 && net_pools(n, i - 2));
}

static bool allowed(const struct net *n, const char *op, const struct problem *p, struct formats f)
{
    const struct net_options *o = &n->options;
    return kernel_choice_has(o->kernels, o->isa, o->hints.threads, op, p, f);
}

/* Are the bn at i and the relu after it one operation? */
static bool rectifies(const struct net *n, const struct pass *p, int i)
{
    if (!p->training || n->options.fuse == FUSE_OFF || !net_can_rectify(&n->text, i) ||
        net_reordered(n, i + 1))
        return false;
    const struct layer *l = &n->text.layers[i];
    struct problem problem = plane_problem(l, l->eps, p->mb);
    struct formats f = same_layout(n->state[i].layout);
    return n->options.fuse >= FUSE_ON ||
           (allowed(n, "bn_relu_fwd_train", &problem, f) && allowed(n, "bn_relu_bwd", &problem, f));
}

/* Does the conv at i compute the statistics of the bn after it? With FUSE_AUTO the plan decides; without a plan,
 * only if the variant that would convolve anyway can do it: then it costs nothing. */
static bool gathers(const struct net *n, const struct pass *p, int i)
{
    const struct layer *l = &n->text.layers[i];
    const struct net_options *o = &n->options;
    if (!p->training || o->fuse == FUSE_OFF || o->fuse == FUSE_ON || !net_can_gather(&n->text, i))
        return false;
    if (o->fuse == FUSE_STATS)
        return true;
    struct problem problem = conv_problem(l, p->mb);
    struct formats f = same_layout(n->state[i].layout);
    char error[ERROR_TEXT];
    const struct entry *apart = n->has_plan ? n->plan.layers[i].kernels[FWD] : NULL;
    if (apart)
        return !strcmp(apart->op, "conv_stats");
    const struct entry *both =
        kernel_choose(o->kernels, o->isa, o->hints.threads, "conv_stats", &problem, f, error);
    apart = kernel_choose(o->kernels, o->isa, o->hints.threads, "conv_fwd", &problem, f, error);
    return apart && both && !strcmp(apart->name, both->name) && !kernel_choice_names_bn(o->kernels);
}

/* Does the maxpool after the relu at i do the relu on its results? That is the same: the largest value of a window
 * is positive before the relu exactly where it is positive after it, and only there a gradient passes. */
static bool pool_rectifies(const struct net *n, const struct pass *p, int i)
{
    return n->options.fuse != FUSE_OFF && i + 1 < n->text.count &&
           n->text.layers[i].kind == LAYER_RELU && n->text.layers[i + 1].kind == LAYER_MAXPOOL &&
           max_i64(n->text.layers[i + 1].kh, n->text.layers[i + 1].kw) < MAXPOOL_MAX_K &&
           !net_reordered(n, i + 1) && !(i && p->layers[i - 1].joined.relu);
}

void net_join(const struct net *n, const struct pass *p, int i)
{
    struct layer_pass *here = &p->layers[i];
    const struct joined before = i ? here[-1].joined : (struct joined){0};
    here->joined = (struct joined){.gathers = gathers(n, p, i),
                                   .gathered = before.gathers,
                                   .relu = rectifies(n, p, i),
                                   .pools = p->training && net_pools(n, i)};
    here->relu = i && pool_rectifies(n, p, i - 1);
    here->done = before.relu || pool_rectifies(n, p, i) || (p->training && net_pooled(n, i));
}
