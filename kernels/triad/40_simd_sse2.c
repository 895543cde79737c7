/* triad/simd_sse2: plain stores, vectors of sse2, one thread. Layout nchw (any plain array).
 * Limited by the bandwidth of whatever level of memory holds the arrays. */
#define TRIAD 1
#define NONTEMPORAL 0
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_simd_sse2 = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
