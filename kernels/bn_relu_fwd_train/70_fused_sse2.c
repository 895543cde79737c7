/* bn_relu_fwd_train/fused_sse2: the unfused twopass_sse2 and the ReLU in one: max(0, y) is taken
 * in the pass that applies the normalization, so the ReLU costs no trip through memory. NaN stays
 * NaN. Limit: as the unfused kernel. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = true, STREAM = false;
static const enum bn_schedule SCHEDULE = BY_PANEL;

#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_relu_fwd_train_fused_sse2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
