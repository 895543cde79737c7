/* vec.h for AVX2 + FMA: 8 floats, 16 registers. Masked loads and stores serve tails only: the stores are slow.
 * One line an operation, to be read as a table. */
/* clang-format off */
#include <immintrin.h>

#include "vec/x86.h"

#define V 8
#define VREGS 16

typedef __m256 vf;
struct vpair { vf a, b; };

static inline __m256i vec_mask(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vzero(void) { return _mm256_setzero_ps(); }
static inline vf vset1(float x) { return _mm256_set1_ps(x); }
static inline vf vload(const float *p) { return _mm256_loadu_ps(p); }
static inline void vstore(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vload_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, vec_mask(n)); }
static inline void vstore_n(float *p, vf a, int64_t n) { _mm256_maskstore_ps(p, vec_mask(n), a); }
static inline void vstream(float *p, vf a) { _mm256_stream_ps(p, a); }
static inline void vfence(void) { _mm_sfence(); }
static inline vf vadd(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vsub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vmul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vdiv(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vfma_at(vf a, const float *p, vf c) { return _mm256_fmadd_ps(a, _mm256_broadcast_ss(p), c); }
static inline float vsum(vf a)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}
static inline vf vsum_each(const vf a[V])
{
    vf b = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    vf c = _mm256_hadd_ps(_mm256_hadd_ps(a[4], a[5]), _mm256_hadd_ps(a[6], a[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(b, c, 0x20), _mm256_permute2f128_ps(b, c, 0x31));
}
static inline vf vkeep_positive(vf m, vf a)
{
    return _mm256_and_ps(_mm256_cmp_ps(m, _mm256_setzero_ps(), _CMP_GT_OQ), a);
}
static inline void vtranspose(vf a[V])
{
    vf b[V], c[V];
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        c[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        c[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        c[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        c[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        a[i] = _mm256_permute2f128_ps(c[i], c[i + 4], 0x20);
        a[i + 4] = _mm256_permute2f128_ps(c[i], c[i + 4], 0x31);
    }
}
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

#include "vec/bytes_n.h"
