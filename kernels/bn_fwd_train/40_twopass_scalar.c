/* bn_fwd_train/twopass_scalar: the two passes with vectors (one float at a time) and several
 * independent sums, a panel of channels at a time, so that the passes after the first find it in
 * the cache. All layouts. Limit: L2 bandwidth (three reads and a write of each value) for a panel
 * that fits L2, else memory. */
#define VEC_SCALAR
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = false;
static const enum bn_schedule SCHEDULE = BY_PANEL;

#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_fwd_train_twopass_scalar = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
