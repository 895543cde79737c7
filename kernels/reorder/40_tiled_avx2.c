/* reorder/tiled_avx2: 8 x 8 tiles transposed in registers, 64 pixels at a time, so that every
 * cache line is fetched and written once. All six pairs of layouts. Limit: shuffles for tensors in
 * L2, memory beyond. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_avx2 = {
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
