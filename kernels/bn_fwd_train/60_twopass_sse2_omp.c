/* bn_fwd_train/twopass_sse2_omp: the better of omp_channels and omp_tiles for the size: panels
 * while they keep the team busy, else tiles; no team for small tensors. Results that exceed the
 * last-level cache are written past it (unless they are read soon), which saves reading the lines
 * they overwrite. Limit: memory bandwidth beyond the caches, L2 bandwidth within. */
#include "bn_tiles.h"

static const bool RELU = false, STREAM = true;
static const enum bn_schedule SCHEDULE = BY_SIZE;

#include "bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_sse2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
