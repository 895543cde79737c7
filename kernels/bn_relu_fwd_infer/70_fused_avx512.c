/* bn_relu_fwd_infer/fused_avx512: bn_fwd_infer/apply_avx512 and the ReLU in one: max(0, y) is taken before y is
 * written, so the ReLU costs no trip through memory. NaN stays NaN. Limit: as the unfused kernel. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = true, STREAM = false;

#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_relu_fwd_infer_fused_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
