/* AVX512-BF16's dot products: a lane of a vector holds a pair of bfloat16 numbers, the even one in its low half. */
#ifndef BATCHMARK_BF16_PAIRS_H
#define BATCHMARK_BF16_PAIRS_H

#include "vec/vec.h"

/* sum + a.even * b.even + a.odd * b.odd in every lane: rounded to nearest, denormals taken and left as zero. */
static inline vf dot_pairs(vf sum, vf a, vf b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* Lanes of even and odd numbers, rounded to bfloat16. */
static inline vf join_pairs(vf even, vf odd)
{
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even)),
            high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

/* 32 neighbouring numbers as 16 pairs. */
static inline vf join_neighbours(vf first, vf second)
{
    return (vf)_mm512_cvtne2ps_pbh(second, first);
}

#endif
