/* Blocks of floats, transposed in registers. */
#ifndef BATCHMARK_TURN_H
#define BATCHMARK_TURN_H

#include "kernel.h"
#include "vec/vec.h"

/* Loads `rows` rows of n floats, `pitch` apart and cut to V, as a V x V block with zeros beyond, and transposes it. */
static inline void load_transposed(vf a[V], const float *from, int64_t pitch, int64_t rows,
                                   int64_t n)
{
    if (rows >= V && n >= V) {
        VEC_UNROLL
        for (int64_t i = 0; i < V; i++)
            a[i] = vload(from + i * pitch);
    } else {
        n = min_i64(n, V);
        for (int64_t i = 0; i < V; i++)
            a[i] = i < rows ? vload_n(from + i * pitch, n) : vzero();
    }
    vtranspose(a);
}

/* Writes up to V rows of n floats, `pitch` apart, as n rows of V floats, `to_pitch` apart: from planes of V channels to
 * pixels with channels in the lanes. Lanes without a row are zero. */
static inline void turn_to_lanes(float *to, int64_t to_pitch, const float *from, int64_t pitch,
                                 int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < n; i += V, to += V * to_pitch) {
        vf a[V];
        load_transposed(a, from + i, pitch, rows, n - i);
        if (n - i >= V) {
            VEC_UNROLL
            for (int64_t j = 0; j < V; j++)
                vstore(to + j * to_pitch, a[j]);
        } else {
            for (int64_t j = 0; j < n - i; j++)
                vstore(to + j * to_pitch, a[j]);
        }
    }
}

/* The way back: n rows of `rows` floats, cut to V and `pitch` apart, to as many rows of n floats, `to_pitch` apart. */
static inline void turn_to_planes(float *to, int64_t to_pitch, const float *from, int64_t pitch,
                                  int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        vf a[V];
        load_transposed(a, from + i * pitch, pitch, n - i, rows);
        if (n - i >= V && rows >= V) {
            VEC_UNROLL
            for (int64_t j = 0; j < V; j++)
                vstore(to + j * to_pitch + i, a[j]);
        } else if (n - i >= V) {
            for (int64_t j = 0; j < rows; j++)
                vstore(to + j * to_pitch + i, a[j]);
        } else {
            for (int64_t j = 0; j < min_i64(rows, V); j++)
                vstore_n(to + j * to_pitch + i, a[j], n - i);
        }
    }
}

#endif
