/* vec.h for any machine: one float. One line an operation, to be read as a table. */
/* clang-format off */
#include <math.h>

#define V 1
#define VREGS 16

typedef float vf;
struct vpair { vf a, b; };

static inline vf vzero(void) { return 0; }
static inline vf vset1(float x) { return x; }
static inline vf vload(const float *p) { return *p; }
static inline void vstore(float *p, vf a) { *p = a; }
static inline vf vload_n(const float *p, int64_t n) { return n > 0 ? *p : 0; }
static inline void vstore_n(float *p, vf a, int64_t n)
{
    if (n > 0)
        *p = a;
}
static inline void vstream(float *p, vf a) { *p = a; }
static inline void vfence(void) {}
static inline vf vadd(vf a, vf b) { return a + b; }
static inline vf vsub(vf a, vf b) { return a - b; }
static inline vf vmul(vf a, vf b) { return a * b; }
static inline vf vdiv(vf a, vf b) { return a / b; }
static inline vf vmax(vf a, vf b) { return a > b ? a : b; }
static inline vf vfma(vf a, vf b, vf c) { return a * b + c; }
static inline vf vfma_at(vf a, const float *p, vf c) { return a * *p + c; }
static inline float vsum(vf a) { return a; }
static inline vf vsum_each(const vf a[V]) { return a[0]; }
static inline vf vkeep_positive(vf m, vf a) { return m > 0 ? a : 0; }
static inline void vtranspose(vf a[V]) { (void)a; }
static inline void vtranspose4(const float *const p[4], float *out, int64_t out_row)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            out[j * out_row + i] = p[i][j];
}
static inline vf vsqrt(vf a) { return sqrtf(a); }
static inline vf vdrop(vf m, vf a) { return m <= 0 ? 0 : a; }
static inline vf vwins(vf x, vf y, vf a, vf b) { return x > y || x != x ? a : b; }
static inline vf vkeep_equal(vf x, vf y, vf a) { return x == y ? a : 0; }
static inline struct vpair vunzip(vf a, vf b) { return (struct vpair){a, b}; }
static inline struct vpair vzip(vf even, vf odd) { return (struct vpair){even, odd}; }
static inline vf vbytes(const uint8_t *p) { return *p; }
static inline void vbytes_store(uint8_t *p, vf a) { *p = (uint8_t)a; }
static inline unsigned vflush(void) { return 0; }
static inline void vunflush(unsigned before) { (void)before; }

#include "vec/bytes_n.h"
