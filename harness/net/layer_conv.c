/* conv, conv1d */
#include "net/layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Rows and columns of a kernel. */
enum { MOST_KERNEL = 1000 };

static bool read_kernel(struct reader *r, struct layer *l)
{
    const char *what = l->line ? "write the length of the kernel, as in conv1d 16 3"
                               : "write the size of the kernel, as in conv 16 3x3";
    char *end;
    errno = 0;
    long long kh = strtoll(r->word, &end, 10), kw = kh;
    if (end == r->word || (*end && (*end != 'x' || l->line)))
        return reader_wrong(r, what);
    if (*end == 'x') {
        const char *second = end + 1;
        kw = strtoll(second, &end, 10);
        if (end == second || *end)
            return reader_wrong(r, what);
    } else if (l->src.h == 1) {
        kh = 1;
    }
    if (errno || kh < 1 || kw < 1 || kh > MOST_KERNEL || kw > MOST_KERNEL)
        return reader_wrong_number(r, what, MOST_KERNEL);
    l->kh = kh;
    l->kw = kw;
    return true;
}

/* The padding on both sides together that gives ceil(size / stride) outputs. */
static int64_t same_padding(int64_t size, int64_t kernel, int64_t stride)
{
    return max_i64(0, (div_up(size, stride) - 1) * stride + kernel - size);
}

static bool read(struct reader *r, struct layer *l)
{
    bool same = false;
    l->stride = 1;
    l->bias = true;
    if (!reader_count(r, "write the number of filters, as in conv 16 3x3", &l->dst.c))
        return false;
    struct reader kernel = *r;
    if (!read_kernel(r, l))
        return false;
    reader_next(r);
    while (!reader_at_end(r)) {
        if (reader_accept(r, "same"))
            same = true;
        else if (reader_accept(r, "nobias"))
            l->bias = false;
        else if (!reader_accept(r, "stride"))
            return reader_wrong_option(r, "conv takes same, stride S and nobias");
        else if (!reader_count(r, "write the stride as a number", &l->stride))
            return false;
    }
    /* If it is odd, there is one more below and to the right. */
    const int64_t all_h = same ? same_padding(l->src.h, l->kh, l->stride) : 0,
                  all_w = same ? same_padding(l->src.w, l->kw, l->stride) : 0;
    l->ph = all_h / 2;
    l->pw = all_w / 2;
    char why[160];
    if (l->src.h + all_h < l->kh || l->src.w + all_w < l->kw) {
        snprintf(why, sizeof why,
                 "larger than the %lldx%lld image it is given; write same, or a smaller kernel",
                 (long long)l->src.h, (long long)l->src.w);
        return reader_wrong(&kernel, why);
    }
    l->dst.h = (l->src.h + all_h - l->kh) / l->stride + 1;
    l->dst.w = (l->src.w + all_w - l->kw) / l->stride + 1;
    return true;
}

static void print(const struct layer *l, char *at, size_t room)
{
    char kernel[32], stride[32] = "";
    const bool same = l->dst.h == div_up(l->src.h, l->stride) &&
                      l->dst.w == div_up(l->src.w, l->stride) && l->kh * l->kw > 1;
    if (l->line)
        snprintf(kernel, sizeof kernel, "%lld", (long long)l->kw);
    else
        snprintf(kernel, sizeof kernel, "%lldx%lld", (long long)l->kh, (long long)l->kw);
    if (l->stride > 1)
        snprintf(stride, sizeof stride, " stride %lld", (long long)l->stride);
    snprintf(at, room, " %lld %s%s%s%s", (long long)l->dst.c, kernel, same ? " same" : "", stride,
             l->bias ? "" : " nobias");
}

static struct layer_weights weights(const struct layer *l)
{
    const int64_t bias = l->bias ? l->dst.c : 0;
    if (l->line)
        return (struct layer_weights){3, {l->dst.c, l->src.c, l->kw}, bias};
    return (struct layer_weights){4, {l->dst.c, l->src.c, l->kh, l->kw}, bias};
}

static double flops(const struct layer *l)
{
    return 2 * (double)(l->dst.c * l->dst.h * l->dst.w) * (double)(l->src.c * l->kh * l->kw);
}

struct problem conv_problem(const struct layer *l, int64_t mb)
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

static struct net_op op(const struct layer *l, const struct call_site *at)
{
    const char *const names[] = {at->joined.gathers ? "conv_stats" : "conv_fwd", "conv_bwd_data",
                                 "conv_bwd_weights"};
    if (at->phase == BWD_DATA && at->bottom)
        return (struct net_op){0};
    return (struct net_op){names[at->phase], conv_problem(l, at->mb), same_layout(at->layout)};
}

static void bind(struct layer_pass *p)
{
    const struct layer_state *s = p->s;
    struct call *c = p->calls;
    float **fwd = c[FWD].args.t, **data = c[BWD_DATA].args.t, **grad = c[BWD_WEIGHTS].args.t;
    fwd[SRC] = grad[SRC] = s->src;
    fwd[WEIGHTS] = data[WEIGHTS] = s->weight;
    fwd[BIAS] = s->bias;
    fwd[DST] = s->dst;
    data[DIFF_DST] = grad[DIFF_DST] = s->diff_dst;
    data[DIFF_SRC] = s->diff_src;
    grad[DIFF_WEIGHTS] = s->diff_weight;
    grad[DIFF_BIAS] = s->diff_bias;
}

const struct layer_type layer_conv = {
    .name = "conv",
    .has_line = true,
    .others = {{"conv2d convolution convolution2d", "conv"}, {"convolution1d", "conv1d"}},
    .read = read,
    .print = print,
    .weights = weights,
    .flops = flops,
    .clock = CLOCK_CONV,
    .op = op,
    .bind = bind,
};
