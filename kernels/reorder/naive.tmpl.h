/* Every value by its index; padded lanes of the result are zero. */
#include "shared/reorder_index.h"

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    const float *restrict x = a->t[SRC];
    float *restrict y = a->t[DST];
    int64_t channels = a->formats.dst == NCHW16C ? div_up(p->ic, 16) * 16 : p->ic;
    struct strides from = strides_of(p, a->formats.src), to = strides_of(p, a->formats.dst);
    for (int64_t n = 0; n < p->mb; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < p->ih * p->iw; i++)
                y[index_of(to, n, c, i)] = c < p->ic ? x[index_of(from, n, c, i)] : 0;
}

#define NAIVE_REORDER                                                                              \
    .formats = {{NCHW, NHWC},    {NHWC, NCHW},    {NCHW, NCHW16C},                                 \
                {NCHW16C, NCHW}, {NHWC, NCHW16C}, {NCHW16C, NHWC}},                                \
    .algebra = EXACT, .thread_invariant = true, .run = run
