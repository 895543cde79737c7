/* reorder/tiled_neon_omp: tiled_neon with the pieces of 64 pixels shared by the team. Limit:
 * memory bandwidth beyond the caches. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_neon_omp = {
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
