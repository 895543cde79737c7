/* AVX-512, all threads: tiles of 16 x 16 floats are transposed in registers. */
#include "algorithms/memory/reorder_tiled.tmpl.h"

const struct variant reorder_tiled_avx512_omp = {VARIANT_BUILD, REORDER_TILED};
