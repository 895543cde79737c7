/* copy/simd_neon_omp: plain stores, vectors of neon, one contiguous range a thread. Layout nchw
 * (any plain array). Limited by the bandwidth of whatever level of memory holds the arrays. */
#define TRIAD 0
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_simd_neon_omp = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = EXACT, .thread_invariant = true,
    .run = run,
};
