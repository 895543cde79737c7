/* turn.h: blocks of floats, turned in registers. */
#ifndef BATCHMARK_TURN_H
#define BATCHMARK_TURN_H

#include "kernel.h"
#include "vec/vec.h"

/* Loads `rows` rows of n <= V floats, `pitch` apart, as a V x V block (zero beyond) and transposes
 * it. */
static inline void load_transposed(vf a[V], const float *from, int64_t pitch, int64_t rows,
                                   int64_t n)
{
    for (int64_t i = 0; i < V; i++)
        a[i] = i >= rows ? vzero()
               : n >= V  ? vload(from + i * pitch)
                         : vload_n(from + i * pitch, n);
    vtranspose(a);
}

#endif
