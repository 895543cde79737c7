/* bn_relu_fwd_train/fused_avx2_omp: the unfused twopass_avx2_omp and the ReLU in one: max(0, y) is
 * taken in the pass that applies the normalization, so the ReLU costs no trip through memory. NaN
 * stays NaN. Limit: as the unfused kernel. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = true, STREAM = true;
static const enum bn_schedule SCHEDULE = BY_SIZE;

#include "algorithms/bn/bn_fwd_train.tmpl.h"

const struct variant bn_relu_fwd_train_fused_avx2_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
