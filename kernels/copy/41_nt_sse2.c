/* copy/nt_sse2: non-temporal stores, vectors of sse2, one thread. Layout nchw (any plain array).
 * Limited by memory bandwidth: the destination is never read, and never cached. */
#define TRIAD 0
#define NONTEMPORAL 1
#include "algorithms/memory/stream.tmpl.h"

const struct variant copy_nt_sse2 = {
    VARIANT_BUILD, .formats = {{NCHW, NCHW}}, .algebra = EXACT, .thread_invariant = true,
    .run = run,
};
