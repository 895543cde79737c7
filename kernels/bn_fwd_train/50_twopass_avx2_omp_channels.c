/* bn_fwd_train/twopass_avx2_omp_channels: twopass_avx2 with the panels of channels shared by the
 * team. No barrier, but idle threads where panels are few or do not divide. Limit: as
 * twopass_avx2, times the team, up to memory bandwidth. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = false;
static const enum bn_schedule SCHEDULE = BY_PANEL;

#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_avx2_omp_channels = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
