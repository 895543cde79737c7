/* 28 sums, 2 vectors of weights and 1 pixel fit 32 registers; 16 loads feed 28 FMAs. */
#define TILE_PIXELS 14
#define TILE_VECTORS 2
#include "algorithms/conv/runs_bwd_data.tmpl.h"

const struct variant conv_bwd_data_direct_runs_neon_omp = {VARIANT_BUILD, RUNS_BWD_DATA};
