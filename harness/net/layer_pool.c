/* maxpool, avgpool, and both on signals */
#include "net/layer.h"

#include <stdio.h>

static bool read_window(struct reader *r, const char *what, struct layer *l)
{
    struct reader size = *r;
    if (!reader_count(r, what, &l->kh))
        return false;
    l->kw = l->stride = l->kh;
    if (l->line)
        l->kh = 1;
    if (reader_accept(r, "stride") && !reader_count(r, "write the stride as a number", &l->stride))
        return false;
    if (l->kw > 16)
        return reader_wrong(&size, "windows go up to 16");
    char why[160];
    if (l->kh > l->src.h || l->kw > l->src.w) {
        snprintf(why, sizeof why,
                 "larger than the %lldx%lld image it is given; write a smaller window",
                 (long long)l->src.h, (long long)l->src.w);
        return reader_wrong(&size, why);
    }
    l->dst.h = (l->src.h - l->kh) / l->stride + 1;
    l->dst.w = (l->src.w - l->kw) / l->stride + 1;
    return true;
}

static bool read_maxpool(struct reader *r, struct layer *l)
{
    return read_window(r, "write the size of the window, as in maxpool 2", l);
}

static bool read_avgpool(struct reader *r, struct layer *l)
{
    if (!reader_accept(r, "global"))
        return read_window(r, "write the size of the window, as in avgpool 2, or avgpool global",
                           l);
    l->kh = l->src.h;
    l->kw = l->src.w;
    l->stride = 1;
    l->dst.h = l->dst.w = 1;
    return true;
}

static void print_window(const struct layer *l, char *at, size_t room)
{
    if (l->stride != l->kw)
        snprintf(at, room, " %lld stride %lld", (long long)l->kw, (long long)l->stride);
    else
        snprintf(at, room, " %lld", (long long)l->kw);
}

static void print_avgpool(const struct layer *l, char *at, size_t room)
{
    if (!l->line && l->kh == l->src.h && l->kw == l->src.w)
        snprintf(at, room, " global");
    else
        print_window(l, at, room);
}

static struct maxpool shape_of(const struct layer_pass *p)
{
    const struct layer *l = p->l;
    const int64_t lanes = layer_lanes(l, p->s->layout);
    return (struct maxpool){.planes = p->mb * div_up(l->src.c, lanes),
                            .lanes = lanes,
                            .ih = l->src.h,
                            .iw = l->src.w,
                            .oh = l->dst.h,
                            .ow = l->dst.w,
                            .kh = l->kh,
                            .kw = l->kw,
                            .s = l->stride,
                            .relu = p->relu};
}

static void make_maxpool(const struct layer *l, struct layer_state *s, int64_t mb, struct memory *m)
{
    s->chosen = memory_take(m, (double)(mb * shape_floats(&l->dst, s->layout)));
}

static void maxpool_forward(const struct layer_pass *p)
{
    const struct maxpool pool = shape_of(p);
    p->kernels->maxpool_fwd(&pool, p->s->src, p->s->dst, p->s->chosen, p->threads);
}

static void maxpool_backward(const struct layer_pass *p)
{
    const struct maxpool pool = shape_of(p);
    p->kernels->maxpool_bwd(&pool, p->s->diff_dst, p->s->chosen, p->s->diff_src, p->threads);
}

const struct layer_type layer_maxpool = {
    .name = "maxpool",
    .has_line = true,
    .others = {{"maxpool2d maxpooling2d max_pool pool", "maxpool"}, {"maxpooling1d", "maxpool1d"}},
    .read = read_maxpool,
    .print = print_window,
    .decision = "chosen",
    .planned = true,
    .make = make_maxpool,
    .forward = maxpool_forward,
    .backward = maxpool_backward,
};

static struct avgpool mean_of(const struct layer_pass *p)
{
    const struct maxpool m = shape_of(p);
    return (struct avgpool){m.planes, m.lanes, m.ih, m.iw, m.oh, m.ow, m.kh, m.kw, m.s};
}

static void avgpool_forward(const struct layer_pass *p)
{
    const struct avgpool pool = mean_of(p);
    p->kernels->avgpool_fwd(&pool, p->s->src, p->s->dst, p->threads);
}

static void avgpool_backward(const struct layer_pass *p)
{
    const struct avgpool pool = mean_of(p);
    p->kernels->avgpool_bwd(&pool, p->s->diff_dst, p->s->diff_src, p->threads);
}

const struct layer_type layer_avgpool = {
    .name = "avgpool",
    .has_line = true,
    .others = {{"avgpool2d averagepooling2d averagepool avg_pool", "avgpool"},
               {"averagepooling1d", "avgpool1d"},
               {"adaptiveavgpool1d adaptiveavgpool2d globalaveragepooling1d globalaveragepooling2d "
                "globalaveragepool",
                "avgpool global"}},
    .read = read_avgpool,
    .print = print_avgpool,
    .planned = true,
    .forward = avgpool_forward,
    .backward = avgpool_backward,
};
