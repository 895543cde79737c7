/* Direct convolution, gradient of the data: see direct_data.tmpl.h. Defines direct_scratch() and
 * direct_run(). */
#include "shared/partition.h"

static const bool DIRECT_STATISTICS = false;

#include "algorithms/conv/direct_data.tmpl.h"
#include "shared/taps.h"

static struct pass direct_pass(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    int64_t taps = c->kh * c->kw, inputs = c->oc / c->g, outputs = c->ic / c->g;
    return (struct pass){
        .conv = c,
        .in = {a->t[DIFF_DST], a->formats.dst, c->oc, c->oh, c->ow},
        .out = {a->t[DIFF_SRC], a->formats.src, c->ic, c->ih, c->iw},
        .weights = a->t[WEIGHTS],
        .inputs = inputs,
        .outputs = outputs,
        .group = outputs * inputs * taps,
        .output = taps,
        .input = outputs * taps,
        .phases_y = c->sh,
        .phases_x = c->sw,
    };
}

/* Pixel out0 + j stride takes part in tap k when stride divides out0 + pad - k dilation. If any tap
 * of the kernel does, those that do are stride / gcd(stride, dilation) apart. */
static struct axis direct_axis(const struct conv *p, bool vertical, int64_t phase)
{
    int64_t stride = vertical ? p->sh : p->sw, dilation = (vertical ? p->dh : p->dw) + 1;
    int64_t kernel = vertical ? p->kh : p->kw, size = vertical ? p->ih : p->iw;
    int64_t common = common_divisor(stride, dilation);
    struct axis a = {.out0 = phase, .out_step = stride, .in_step = 1, .k_step = stride / common};
    a.count = phase < size ? div_up(size - phase, stride) : 0;
    int64_t at = phase + (vertical ? p->ph : p->pw);
    while (a.k0 < min_i64(kernel, a.k_step) && (at - a.k0 * dilation) % stride)
        a.k0++;
    if (a.k0 < min_i64(kernel, a.k_step)) {
        a.taps = div_up(kernel - a.k0, a.k_step);
        a.shift0 = (at - a.k0 * dilation) / stride;
        a.shift_step = -dilation / common;
    }
    return a;
}
