/* bn_bwd/naive_simd_avx2: the loops of naive with omp simd on them under the flags of avx2: the
 * pragma lets the compiler reorder the sums, which is what keeps naive scalar. Still two trips
 * through memory. */
#include "naive_simd.tmpl.h"

const struct variant bn_bwd_naive_simd_avx2 = {
    VARIANT_BUILD,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = TWO_PASS,
    .thread_invariant = true,
    .scratch_size = scratch_size,
    .run = run,
};
