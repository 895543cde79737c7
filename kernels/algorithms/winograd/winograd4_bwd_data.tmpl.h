/* conv_bwd_data by Winograd's F(4x4,3x3): see winograd4_data.tmpl.h. Defines w4_fits(), w4_scratch(), w4_flops(),
 * w4_run(). */
#include "shared/partition.h"

static const bool W4_STATISTICS = false;

#include "algorithms/winograd/winograd4_data.tmpl.h"

static struct w4_pass w4_pass_of(const struct args *a)
{
    const struct conv *c = &a->problem->conv;
    const int64_t inputs = c->oc / c->g, outputs = c->ic / c->g;
    return (struct w4_pass){
        .in = {a->t[DIFF_DST], a->formats.dst, c->oc, c->oh, c->ow},
        .out = {a->t[DIFF_SRC], a->formats.src, c->ic, c->ih, c->iw},
        .weights = a->t[WEIGHTS],
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
