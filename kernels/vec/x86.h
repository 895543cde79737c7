/* What the vec.h instances of x86-64 have in common. One line an operation, to be read as a table. */
/* clang-format off */
#include <emmintrin.h>

static inline void vtranspose4(const float *const p[4], float *out, int64_t out_row)
{
    __m128 a = _mm_loadu_ps(p[0]), b = _mm_loadu_ps(p[1]);
    __m128 c = _mm_loadu_ps(p[2]), d = _mm_loadu_ps(p[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out, a);
    _mm_storeu_ps(out + out_row, b);
    _mm_storeu_ps(out + 2 * out_row, c);
    _mm_storeu_ps(out + 3 * out_row, d);
}
static inline unsigned vflush(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | _MM_FLUSH_ZERO_ON | 0x40); /* the latter for operands: _MM_DENORMALS_ZERO_ON of SSE3's header */
    return before;
}
static inline void vunflush(unsigned before) { _mm_setcsr(before); }
