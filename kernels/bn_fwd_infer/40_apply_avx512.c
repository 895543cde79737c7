/* bn_fwd_infer/apply_avx512: one pass with vectors (AVX-512: 16 floats, masked ends) in the order
 * of memory. All layouts. Limit: memory or cache bandwidth: one read and one write of each value.
 */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = false;

#include "algorithms/bn/bn_fwd_infer.tmpl.h"

const struct variant bn_fwd_infer_apply_avx512 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
