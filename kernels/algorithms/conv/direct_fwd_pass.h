/* What the drivers of direct_data.tmpl.h read and write in the forward pass. */
#ifndef BATCHMARK_DIRECT_FWD_PASS_H
#define BATCHMARK_DIRECT_FWD_PASS_H

static struct pass direct_pass(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    int64_t taps = c->kh * c->kw, inputs = c->ic / c->g, outputs = c->oc / c->g;
    return (struct pass){
        .conv = c,
        .in = {a->t[SRC], a->formats.src, c->ic, c->ih, c->iw},
        .out = {a->t[DST], a->formats.dst, c->oc, c->oh, c->ow},
        .weights = a->t[WEIGHTS],
        .bias = a->t[BIAS],
        .inputs = inputs,
        .outputs = outputs,
        .group = outputs * inputs * taps,
        .output = inputs * taps,
        .input = taps,
        .phases_y = 1,
        .phases_x = 1,
    };
}

static struct axis direct_axis(const struct conv *p, bool vertical, int64_t phase)
{
    return (struct axis){
        .out0 = phase,
        .out_step = 1,
        .count = vertical ? p->oh : p->ow,
        .in_step = vertical ? p->sh : p->sw,
        .k_step = 1,
        .taps = vertical ? p->kh : p->kw,
        .shift0 = vertical ? -p->ph : -p->pw,
        .shift_step = vertical ? p->dh + 1 : p->dw + 1,
    };
}

#endif
