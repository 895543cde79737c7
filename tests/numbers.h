/* Numbers for the C tests: values to compute with, and when two are near enough. */
#ifndef BATCHMARK_TESTS_NUMBERS_H
#define BATCHMARK_TESTS_NUMBERS_H

#include <math.h>
#include <stdint.h>

#define assert_near(got, expected, error)                                                          \
    assert_true(fabs((double)(got) - (double)(expected)) <= (error))

/* Values without a pattern in [-1, 1). */
static inline float noise(int64_t i)
{
    uint64_t z = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (float)(z >> 40) * 0x1p-23f - 1;
}

#endif
