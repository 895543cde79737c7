/* conv_bwd_data by Winograd's F(4x4,3x3): see winograd4_data.tmpl.h. Defines w4_fits(), w4_scratch(), w4_flops(),
 * w4_run(). */
#include "shared/partition.h"

static const bool W4_STATISTICS = false;

#include "algorithms/winograd/winograd4_data.tmpl.h"

static struct w4_pass w4_pass_of(const struct problem *p, struct formats f, float *const t[])
{
    const struct conv *c = &p->conv;
    const int64_t inputs = c->oc / c->g, outputs = c->ic / c->g;
    return (struct w4_pass){
        .in = {t[DIFF_DST], f.dst, c->oc, c->oh, c->ow},
        .out = {t[DIFF_SRC], f.src, c->ic, c->ih, c->iw},
        .weights = t[WEIGHTS],
        .inputs = inputs,
        .outputs = outputs,
        .group = outputs * inputs * 9,
        .output = 9,
        .input = outputs * 9,
        .pad_h = 2 - c->ph,
        .pad_w = 2 - c->pw,
        .turned = true,
    };
}
