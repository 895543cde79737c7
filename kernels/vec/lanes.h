/* What pooling and the layers need of vectors beyond vec.h: choosing by comparison, bytes as numbers, neighbours taken apart.
 *
 *   vsqrt(a)
 *   vdrop(m, a)            0 where m <= 0, else a (NaN in m keeps a)
 *   vwins(x, y, a, b)      a where x > y or x is NaN, else b
 *   vkeep_equal(x, y, a)   a where x == y, else 0
 *   vunzip(a, b)           {even, odd} elements of the 2 V floats in a and b; vzip puts them back
 *   vflush()               from here on this thread takes denormal numbers, and gives them, as 0, where that is faster;
 *                          vunflush(what it returned) ends it
 *   vbytes, vbytes_store   V bytes from and to floats that hold 0 to 255; vbytes_n, vbytes_store_n the first n
 *
 * One line an operation, to be read as a table. */
#ifndef BATCHMARK_LANES_H
#define BATCHMARK_LANES_H

#include "vec/vec.h"

#include <math.h>
#include <string.h>

struct vpair {
    vf a, b;
};

/* clang-format off */
#if V == 16
static inline vf vsqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vdrop(vf m, vf a) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, vzero(), _CMP_NLE_UQ), a); }
static inline vf vwins(vf x, vf y, vf a, vf b)
{
    const __mmask16 m = _mm512_cmp_ps_mask(x, y, _CMP_GT_OQ) | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_mov_ps(b, m, a);
}
static inline vf vkeep_equal(vf x, vf y, vf a) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ), a); }
static inline struct vpair vunzip(vf a, vf b)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return (struct vpair){_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)};
}
static inline struct vpair vzip(vf even, vf odd)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return (struct vpair){_mm512_permutex2var_ps(even, low, odd), _mm512_permutex2var_ps(even, high, odd)};
}
static inline vf vbytes_n(const uint8_t *p, int64_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(vec_mask(n), p)));
}
static inline void vbytes_store_n(uint8_t *p, vf a, int64_t n)
{
    _mm512_mask_cvtepi32_storeu_epi8(p, vec_mask(n), _mm512_cvtps_epi32(a));
}
static inline vf vbytes(const uint8_t *p) { return vbytes_n(p, V); }
static inline void vbytes_store(uint8_t *p, vf a) { vbytes_store_n(p, a, V); }
#elif V == 8
static inline vf vsqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vdrop(vf m, vf a) { return _mm256_and_ps(_mm256_cmp_ps(m, vzero(), _CMP_NLE_UQ), a); }
static inline vf vwins(vf x, vf y, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_or_ps(_mm256_cmp_ps(x, y, _CMP_GT_OQ), _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
static inline vf vkeep_equal(vf x, vf y, vf a) { return _mm256_and_ps(_mm256_cmp_ps(x, y, _CMP_EQ_OQ), a); }
static inline struct vpair vunzip(vf a, vf b)
{
    const __m256d even = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    const __m256d odd = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    return (struct vpair){_mm256_castpd_ps(_mm256_permute4x64_pd(even, 0xd8)),
                          _mm256_castpd_ps(_mm256_permute4x64_pd(odd, 0xd8))};
}
static inline struct vpair vzip(vf even, vf odd)
{
    const vf low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    return (struct vpair){_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}
static inline vf vbytes(const uint8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadu_si64(p))); }
static inline void vbytes_store(uint8_t *p, vf a)
{
    const __m256i i = _mm256_cvtps_epi32(a);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storeu_si64(p, _mm_packus_epi16(words, words));
}
#elif V == 4 && VREGS == 16
static inline vf vsqrt(vf a) { return _mm_sqrt_ps(a); }
static inline vf vdrop(vf m, vf a) { return _mm_and_ps(_mm_cmpnle_ps(m, vzero()), a); }
static inline vf vwins(vf x, vf y, vf a, vf b)
{
    const vf m = _mm_or_ps(_mm_cmpgt_ps(x, y), _mm_cmpunord_ps(x, x));
    return _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b));
}
static inline vf vkeep_equal(vf x, vf y, vf a) { return _mm_and_ps(_mm_cmpeq_ps(x, y), a); }
static inline struct vpair vunzip(vf a, vf b)
{
    return (struct vpair){_mm_shuffle_ps(a, b, 0x88), _mm_shuffle_ps(a, b, 0xdd)};
}
static inline struct vpair vzip(vf even, vf odd)
{
    return (struct vpair){_mm_unpacklo_ps(even, odd), _mm_unpackhi_ps(even, odd)};
}
static inline vf vbytes(const uint8_t *p) { return _mm_setr_ps(p[0], p[1], p[2], p[3]); }
static inline void vbytes_store(uint8_t *p, vf a)
{
    const __m128i words = _mm_packs_epi32(_mm_cvtps_epi32(a), _mm_setzero_si128());
    _mm_storeu_si32(p, _mm_packus_epi16(words, words));
}
#elif V == 4
static inline vf vsqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vdrop(vf m, vf a)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), vcleq_f32(m, vzero())));
}
static inline vf vwins(vf x, vf y, vf a, vf b)
{
    return vbslq_f32(vorrq_u32(vcgtq_f32(x, y), vmvnq_u32(vceqq_f32(x, x))), a, b);
}
static inline vf vkeep_equal(vf x, vf y, vf a)
{
    return vreinterpretq_f32_u32(vandq_u32(vceqq_f32(x, y), vreinterpretq_u32_f32(a)));
}
static inline struct vpair vunzip(vf a, vf b) { return (struct vpair){vuzp1q_f32(a, b), vuzp2q_f32(a, b)}; }
static inline struct vpair vzip(vf even, vf odd) { return (struct vpair){vzip1q_f32(even, odd), vzip2q_f32(even, odd)}; }
static inline vf vbytes(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}
static inline void vbytes_store(uint8_t *p, vf a)
{
    const uint16x4_t words = vqmovn_u32(vcvtnq_u32_f32(a));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(p, &four, sizeof four);
}
#else
static inline vf vsqrt(vf a) { return sqrtf(a); }
static inline vf vdrop(vf m, vf a) { return m <= 0 ? 0 : a; }
static inline vf vwins(vf x, vf y, vf a, vf b) { return x > y || x != x ? a : b; }
static inline vf vkeep_equal(vf x, vf y, vf a) { return x == y ? a : 0; }
static inline struct vpair vunzip(vf a, vf b) { return (struct vpair){a, b}; }
static inline struct vpair vzip(vf even, vf odd) { return (struct vpair){even, odd}; }
static inline vf vbytes(const uint8_t *p) { return *p; }
static inline void vbytes_store(uint8_t *p, vf a) { *p = (uint8_t)a; }
#endif
#ifdef __SSE2__
static inline unsigned vflush(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | _MM_FLUSH_ZERO_ON | 0x40); /* the latter for operands: _MM_DENORMALS_ZERO_ON of SSE3's header */
    return before;
}
static inline void vunflush(unsigned before) { _mm_setcsr(before); }
#else
static inline unsigned vflush(void) { return 0; }
static inline void vunflush(unsigned before) { (void)before; }
#endif
#if V < 16
static inline vf vbytes_n(const uint8_t *p, int64_t n)
{
    uint8_t all[V] = {0};
    for (int64_t i = 0; i < n; i++)
        all[i] = p[i];
    return vbytes(all);
}
static inline void vbytes_store_n(uint8_t *p, vf a, int64_t n)
{
    uint8_t all[V];
    vbytes_store(all, a);
    for (int64_t i = 0; i < n; i++)
        p[i] = all[i];
}
#endif
/* clang-format on */

#endif
