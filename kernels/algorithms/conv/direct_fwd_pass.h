/* What the drivers of direct_data.tmpl.h read and write in the forward pass. */
#ifndef BATCHMARK_DIRECT_FWD_PASS_H
#define BATCHMARK_DIRECT_FWD_PASS_H

static struct pass direct_pass(const struct problem *p, struct formats f,
                               float *const t[ROLE_COUNT])
{
    const struct conv *c = &p->conv;
    int64_t taps = c->kh * c->kw, inputs = c->ic / c->g, outputs = c->oc / c->g;
    return (struct pass){
        .conv = c,
        .in = {t[SRC], f.src, c->ic, c->ih, c->iw},
        .out = {t[DST], f.dst, c->oc, c->oh, c->ow},
        .weights = t[WEIGHTS],
        .bias = t[BIAS],
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
