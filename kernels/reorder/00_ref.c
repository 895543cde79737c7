/* reorder/ref: conversions between the three layouts, value by value. Nothing is computed, so the
 * reference has no float64; padded lanes of nchw16c are zero. */
#include "naive.tmpl.h"

const struct variant reorder_ref = {
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
