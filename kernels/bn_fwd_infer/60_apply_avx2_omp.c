/* bn_fwd_infer/apply_avx2_omp: apply_avx2 with the tiles shared by the team. Results that exceed
 * the last-level cache are written past it (unless they are read soon), which saves reading the
 * lines they overwrite. Limit: memory bandwidth beyond the caches. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = true;

#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_fwd_infer_apply_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
