/* What the drivers of winograd4_data.tmpl.h read and write in the forward pass. */
#ifndef BATCHMARK_WINOGRAD4_FWD_PASS_H
#define BATCHMARK_WINOGRAD4_FWD_PASS_H

static struct w4_pass w4_pass_of(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    const int64_t inputs = c->ic / c->g, outputs = c->oc / c->g;
    return (struct w4_pass){
        .in = {a->t[SRC], a->formats.src, c->ic, c->ih, c->iw},
        .out = {a->t[DST], a->formats.dst, c->oc, c->oh, c->ow},
        .weights = a->t[WEIGHTS],
        .bias = a->t[BIAS],
        .inputs = inputs,
        .outputs = outputs,
        .group = outputs * inputs * 9,
        .output = inputs * 9,
        .input = 9,
        .pad_h = c->ph,
        .pad_w = c->pw,
    };
}

#endif
