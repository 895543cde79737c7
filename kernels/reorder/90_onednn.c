/* oneDNN's conversions between the three layouts: what its convolutions cost beside their own time
 * where tensors are plain. Limited by memory, as ours. */
#include "peers/onednn.h"

static void *prepare(const struct args *a)
{
    const struct bn *b = &a->problem->bn;
    const dnnl_memory_desc_t src = onednn_activation(a->formats.src, b->mb, b->ic, b->ih, b->iw),
                             dst = onednn_activation(a->formats.dst, b->mb, b->ic, b->ih, b->iw);
    struct onednn *h = onednn_open(a);
    dnnl_primitive_desc_t pd = NULL;
    if (!h || !h->good)
        return h;
    const int team = onednn_team(a);
    onednn_check(h,
                 dnnl_reorder_primitive_desc_create(&pd, &src, h->engine, &dst, h->engine, NULL));
    onednn_operand(h, pd, DNNL_ARG_FROM, &src, a->t[SRC], false);
    onednn_operand(h, pd, DNNL_ARG_TO, &dst, a->t[DST], true);
    if (h->good)
        onednn_check(h, dnnl_primitive_create(&h->primitive, pd));
    dnnl_primitive_desc_destroy(pd);
    omp_set_num_threads(team);
    return h;
}

const struct variant reorder_onednn = {
    VARIANT_BUILD,
    .peer = onednn_peer,
    .formats = {{NCHW, NHWC},
                {NHWC, NCHW},
                {NCHW, NCHW16C},
                {NCHW16C, NCHW},
                {NHWC, NCHW16C},
                {NCHW16C, NHWC}},
    .algebra = EXACT,
    .prepare = prepare,
    .finish = onednn_finish,
    .release = onednn_release,
    .run = onednn_run,
};
