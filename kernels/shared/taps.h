/* Where a row of a convolution touches the image: plain integer arithmetic the scalar rungs share. */
#ifndef BATCHMARK_TAPS_H
#define BATCHMARK_TAPS_H

#include "kernel.h"

/* The first i >= 0 for which at + i * step >= 0. */
static inline int64_t taps_first(int64_t at, int64_t step)
{
    return at < 0 ? div_up(-at, step) : 0;
}

/* The end of the i < count for which at + i * step < size; 0 where there are none. */
static inline int64_t taps_last(int64_t at, int64_t step, int64_t size, int64_t count)
{
    return at < size ? min_i64(count, div_up(size - at, step)) : 0;
}

/* The greatest common divisor of two numbers above 0. */
static inline int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

#endif
