/* SSE2, one thread: tiles of 4 x 4 floats are transposed in registers. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_sse2 = {VARIANT_BUILD, REORDER_TILED};
