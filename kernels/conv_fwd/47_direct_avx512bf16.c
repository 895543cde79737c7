/* conv_fwd/direct_avx512bf16: direct_avx512 with source and weights rounded to bfloat16 and dot products of pairs.
 * Layouts nchw, nhwc, nchw16c; blocking: direct_bf16.tmpl.h, direct_data.tmpl.h. Half the multiply-adds of float32: twice the
 * speed where the CPU starts as many dot products as multiply-adds a cycle, less a pass that reads the source once and
 * writes half of it. Limited by the ports of the dot products (peak_fma/avx512bf16). */
/* As direct_avx512: 24 sums, 4 vectors of weights and 1 pixel fit 32 registers. */
#define TILE_PIXELS 6
#define TILE_VECTORS 4
#include "algorithms/conv/direct_bf16.tmpl.h"

const struct variant conv_fwd_direct_avx512bf16 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = BF16_PRODUCTS,
    .thread_invariant = true,
    .fits = bf16_fits,
    .scratch_size = bf16_scratch,
    .run = bf16_run,
};
