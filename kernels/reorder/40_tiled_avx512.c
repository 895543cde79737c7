/* AVX-512, one thread: tiles of 16 x 16 floats are transposed in registers. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_avx512 = {VARIANT_BUILD, REORDER_TILED};
