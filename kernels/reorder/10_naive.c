/* reorder/naive: the reference's loops as the compiler makes them at the base instruction set. The
 * inner loop runs over pixels; limit: index arithmetic, and cache lines of which one float is used
 * at a time. */
#include "naive.tmpl.h"

const struct variant reorder_naive = {
    VARIANT_BUILD,
    .formats = {{NCHW, NHWC},
                {NHWC, NCHW},
                {NCHW, NCHW16C},
                {NCHW16C, NCHW},
                {NHWC, NCHW16C},
                {NCHW16C, NHWC}},
    .algebra = EXACT,
    .thread_invariant = true,
    .run = run,
};
