/* bn_bwd/twopass_avx512_omp_tiles: twopass_avx512 with tiles (batch x channels) shared by the
 * team: all sums, then all results, a fixed-order merge of the tiles between. Never idle, but
 * where the tensor exceeds the caches it is read from memory twice. */
#include "algorithms/bn/bn_tiles.h"

static const bool RELU = false, STREAM = false;
static const enum bn_schedule SCHEDULE = BY_TILE;

#include "algorithms/bn/bn_bwd.tmpl.h"

const struct variant bn_bwd_twopass_avx512_omp_tiles = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
