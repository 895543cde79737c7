/* triad/nt_avx2_omp: non-temporal stores, vectors of avx2, one contiguous range a thread. Layout
 * nchw (any plain array). Limited by memory bandwidth: the destination is never read, and never
 * cached. */
#define TRIAD 1
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant triad_nt_avx2_omp = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,
    .run = run,
};
