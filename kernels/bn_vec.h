/* Hot loops that all batch normalizations share, over vec.h and the blocks of bn_tiles.h.
 *
 * Constants and sums are arrays over the columns of the panel, padded with zeros to a multiple of
 * PAD. For runs the constant stands in every lane and the sums come back in element 0. */
#ifndef BATCHMARK_BN_VEC_H
#define BATCHMARK_BN_VEC_H

#include "bn_tiles.h"
#include "vec.h"

/* Vectors in flight in the loops over runs: covers the latency of the additions, and with the
 * constants stays within 16 registers. */
enum { UNROLL = 4 };
/* Rows taken together in the loops over columns: a sum is loaded and stored once for all of them.
 */
enum { ROWS = 4 };

/* Loads the first n floats, 0 < n <= V. With n = V known to the compiler it is a plain load. */
static inline vf load_part(const float *p, int64_t n)
{
    return n == V ? vload(p) : vload_n(p, n);
}

static inline void store_part(float *p, vf a, int64_t n, bool stream)
{
    if (n != V)
        vstore_n(p, a, n);
    else if (stream)
        vstream(p, a);
    else
        vstore(p, a);
}

/* Floats up to the next address that is a multiple of the vector, at most n. */
static inline int64_t floats_to_aligned(const float *p, int64_t n)
{
    return min_i64(n, (int64_t)(-((uintptr_t)p / sizeof(float)) % V));
}

/* May all whole vectors of these rows be streamed? */
static inline bool columns_aligned(const float *p, const struct bn_block *b)
{
    return (uintptr_t)p % (V * sizeof(float)) == 0 && b->columns % V == 0 &&
           b->inner_stride % V == 0 && b->outer_stride % V == 0;
}

#endif
