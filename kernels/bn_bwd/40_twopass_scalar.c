/* bn_bwd/twopass_scalar: the two passes with vectors (one float at a time) and several independent
 * sums, a panel of channels at a time, so that the second pass finds it in the cache. All layouts.
 * Limit: L2 bandwidth (four reads and a write for each value) for a panel that fits L2, else
 * memory. */
#define VEC_SCALAR
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = false;
static const enum bn_schedule SCHEDULE = BY_PANEL;

#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_scalar = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
