/* 12 sums, 2 vectors of weights and 1 pixel fit 16 registers; 8 loads feed 12 FMAs. */
#define TILE_PIXELS 6
#define TILE_VECTORS 2
#include "algorithms/conv/runs_fwd.tmpl.h"

const struct variant conv_fwd_direct_runs_avx2_omp = {VARIANT_BUILD, RUNS_FWD};
