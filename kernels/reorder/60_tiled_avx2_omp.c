/* AVX2, all threads: tiles of 8 x 8 floats are transposed in registers. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_avx2_omp = {VARIANT_BUILD, REORDER_TILED};
