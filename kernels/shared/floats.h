/* Fills and copies runs of floats. Functions that write whole vectors write up to V - 1 floats beyond the end of the run:
 * use them where these floats are written later, or where there is room. */
#ifndef BATCHMARK_FLOATS_H
#define BATCHMARK_FLOATS_H

#include "kernel.h"
#include "vec/vec.h"

/* n zeros, no more. */
static inline void put_zeros(float *to, int64_t n)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        vstore(to + i, vzero());
    vstore_n(to + i, vzero(), n - i);
}

/* n zeros in whole vectors. The first store stands apart because compilers turn the loop into a call of memset, which
 * costs more than the one or two vectors of a usual padding. */
static inline void put_zeros_over(float *to, int64_t n)
{
    if (n <= 0)
        return;
    vstore(to, vzero());
    for (int64_t i = V; i < n; i += V)
        vstore(to + i, vzero());
}

/* n floats and then zeros up to `end`, in whole vectors. */
static inline void put_floats_over(float *to, const float *from, int64_t n, int64_t end)
{
    int64_t i = 0;
    for (; i + V <= n; i += V)
        vstore(to + i, vload(from + i));
    if (i < n) {
        vstore(to + i, vload_n(from + i, n - i));
        i += V;
    }
    put_zeros_over(to + i, end - i);
}

/* The sum of vectors that lie `pitch` floats apart, in ascending order: what several chunks of the work summed. */
static inline vf sum_chunks(const float *sums, int64_t pitch, int64_t chunks)
{
    vf s = vload(sums);
    for (int64_t i = 1; i < chunks; i++)
        s = vadd(s, vload(sums + i * pitch));
    return s;
}

#endif
