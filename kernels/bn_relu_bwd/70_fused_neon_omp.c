/* bn_relu_bwd/fused_neon_omp: the unfused twopass_neon_omp and the ReLU in one: the mask of the
 * ReLU is recomputed from src in both passes, so neither it nor the masked gradient is ever
 * stored. Limit: as the unfused kernel. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = true, STREAM = true;
static const enum bn_schedule SCHEDULE = BY_SIZE;

#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_relu_bwd_fused_neon_omp = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
