/* bn_fwd_train/twopass_avx512_omp: whole panels of channels by thread while they keep the team busy and stay in a
 * thread's L2 (no barrier); larger ones tile by tile, as many panels at a time as the team's L2s
 * hold, so that the second pass finds them there; no team for small tensors. Results far larger
 * than the caches are written past them (unless they are read soon), which saves reading the lines they
 * overwrite; of nchw with large images the sums of the next panel are taken meanwhile.
 * Limit: L2 bandwidth within the caches, memory bandwidth beyond; what no L2 holds until its results comes from the
 * last-level cache or from memory a second time (see bn_driver.tmpl.h). */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = true;
static const enum bn_schedule SCHEDULE = BY_SIZE;

#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_avx512_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
