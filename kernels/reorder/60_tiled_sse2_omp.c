/* SSE2, all threads: tiles of 4 x 4 floats are transposed in registers. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_sse2_omp = {VARIANT_BUILD, REORDER_TILED};
