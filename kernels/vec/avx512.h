/* vec.h for AVX-512 (F, DQ, BW, VL): 16 floats, 32 registers, masks.
 * One line an operation, to be read as a table. */
/* clang-format off */
#include <immintrin.h>

#include "vec/x86.h"

#define V 16
#define VREGS 32

typedef __m512 vf;
struct vpair { vf a, b; };

static inline __mmask16 vec_mask(int64_t n) { return (__mmask16)((1u << n) - 1); }

static inline vf vzero(void) { return _mm512_setzero_ps(); }
static inline vf vset1(float x) { return _mm512_set1_ps(x); }
static inline vf vload(const float *p) { return _mm512_loadu_ps(p); }
static inline void vstore(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vload_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(vec_mask(n), p); }
static inline void vstore_n(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, vec_mask(n), a); }
static inline void vstream(float *p, vf a) { _mm512_stream_ps(p, a); }
static inline void vfence(void) { _mm_sfence(); }
static inline vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vfma_at(vf a, const float *p, vf c) { return _mm512_fmadd_ps(a, _mm512_set1_ps(*p), c); }
static inline float vsum(vf a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}
static inline vf vsum_each(const vf a[V])
{
    /* Halves of the lanes of two vectors added into one, four times over. */
    vf b[8], c[4], d[2];
    VEC_UNROLL
    for (int i = 0; i < 8; i++) {
        const vf x = a[2 * i], y = a[2 * i + 1];
        b[i] = _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
    }
    VEC_UNROLL
    for (int i = 0; i < 4; i++) {
        const vf x = b[2 * i], y = b[2 * i + 1];
        c[i] = _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xee));
    }
    VEC_UNROLL
    for (int i = 0; i < 2; i++) {
        const vf x = c[2 * i], y = c[2 * i + 1];
        d[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
    }
    return _mm512_add_ps(_mm512_shuffle_f32x4(d[0], d[1], 0x88), _mm512_shuffle_f32x4(d[0], d[1], 0xdd));
}
static inline vf vkeep_positive(vf m, vf a)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, _mm512_setzero_ps(), _CMP_GT_OQ), a);
}
static inline void vtranspose(vf a[V])
{
    vf b[V], c[V];
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        c[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
        c[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
        c[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        c[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    /* c[4 r + q] holds column 4 l + q of rows 4 r .. 4 r + 3 in its 128-bit lane l. */
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(c[i], c[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(c[i], c[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_f32x4(c[i + 8], c[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_f32x4(c[i + 8], c[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88);
        a[i + 8] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd);
        a[i + 4] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88);
        a[i + 12] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd);
    }
}
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
