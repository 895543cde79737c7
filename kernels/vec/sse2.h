/* vec.h for the base of x86-64: 4 floats, 16 registers, no FMA.
 * One line an operation, to be read as a table. */
/* clang-format off */
#include "vec/x86.h"

#define V 4
#define VREGS 16

typedef __m128 vf;
struct vpair { vf a, b; };

static inline vf vzero(void) { return _mm_setzero_ps(); }
static inline vf vset1(float x) { return _mm_set1_ps(x); }
static inline vf vload(const float *p) { return _mm_loadu_ps(p); }
static inline void vstore(float *p, vf a) { _mm_storeu_ps(p, a); }
static inline vf vload_n(const float *p, int64_t n)
{
    switch (n) {
    case 0: return _mm_setzero_ps();
    case 1: return _mm_load_ss(p);
    case 2: return _mm_castsi128_ps(_mm_loadu_si64(p));
    case 3:
        return _mm_movelh_ps(_mm_castsi128_ps(_mm_loadu_si64(p)), _mm_load_ss(p + 2));
    default: return _mm_loadu_ps(p);
    }
}
static inline void vstore_n(float *p, vf a, int64_t n)
{
    switch (n) {
    case 0: break;
    case 1: _mm_store_ss(p, a); break;
    case 3: _mm_store_ss(p + 2, _mm_movehl_ps(a, a)); /* fall through */
    case 2: _mm_storeu_si64(p, _mm_castps_si128(a)); break;
    default: _mm_storeu_ps(p, a);
    }
}
static inline void vstream(float *p, vf a) { _mm_stream_ps(p, a); }
static inline void vfence(void) { _mm_sfence(); }
static inline vf vadd(vf a, vf b) { return _mm_add_ps(a, b); }
static inline vf vsub(vf a, vf b) { return _mm_sub_ps(a, b); }
static inline vf vmul(vf a, vf b) { return _mm_mul_ps(a, b); }
static inline vf vdiv(vf a, vf b) { return _mm_div_ps(a, b); }
static inline vf vmax(vf a, vf b) { return _mm_max_ps(a, b); }
static inline vf vfma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
static inline vf vfma_at(vf a, const float *p, vf c) { return vfma(a, _mm_set1_ps(*p), c); }
static inline float vsum(vf a)
{
    vf b = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}
static inline vf vsum_each(const vf a[V])
{
    vf b = _mm_add_ps(_mm_unpacklo_ps(a[0], a[1]), _mm_unpackhi_ps(a[0], a[1]));
    vf c = _mm_add_ps(_mm_unpacklo_ps(a[2], a[3]), _mm_unpackhi_ps(a[2], a[3]));
    return _mm_add_ps(_mm_movelh_ps(b, c), _mm_movehl_ps(c, b));
}
static inline vf vkeep_positive(vf m, vf a) { return _mm_and_ps(_mm_cmpgt_ps(m, _mm_setzero_ps()), a); }
static inline void vtranspose(vf a[V]) { _MM_TRANSPOSE4_PS(a[0], a[1], a[2], a[3]); }
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

#include "vec/bytes_n.h"
