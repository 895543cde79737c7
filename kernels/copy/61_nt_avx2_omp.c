/* copy/nt_avx2_omp: non-temporal stores, vectors of avx2, one contiguous range a thread. Layout
 * nchw (any plain array). Limited by memory bandwidth: the destination is never read, and never
 * cached. */
#define TRIAD 0
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_nt_avx2_omp = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = EXACT, .thread_invariant = true,
    .run = run,
};
