/* vec.h for AArch64: 4 floats, 32 registers. No masks and no non-temporal store intrinsics: tails go lane by
 * lane, vstream is a plain store. One line an operation, to be read as a table. */
/* clang-format off */
#include <arm_neon.h>
#include <string.h>

#define V 4
#define VREGS 32

typedef float32x4_t vf;
struct vpair { vf a, b; };

static inline vf vzero(void) { return vdupq_n_f32(0); }
static inline vf vset1(float x) { return vdupq_n_f32(x); }
static inline vf vload(const float *p) { return vld1q_f32(p); }
static inline void vstore(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vload_n(const float *p, int64_t n)
{
    vf a = vdupq_n_f32(0);
    switch (n) {
    case 0: return a;
    case 1: return vld1q_lane_f32(p, a, 0);
    case 2: return vcombine_f32(vld1_f32(p), vget_low_f32(a));
    case 3: return vcombine_f32(vld1_f32(p), vld1_lane_f32(p + 2, vget_low_f32(a), 0));
    default: return vld1q_f32(p);
    }
}
static inline void vstore_n(float *p, vf a, int64_t n)
{
    switch (n) {
    case 0: break;
    case 1: vst1q_lane_f32(p, a, 0); break;
    case 3: vst1q_lane_f32(p + 2, a, 2); /* fall through */
    case 2: vst1_f32(p, vget_low_f32(a)); break;
    default: vst1q_f32(p, a);
    }
}
static inline void vstream(float *p, vf a) { vst1q_f32(p, a); }
static inline void vfence(void) {}
static inline vf vadd(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vsub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vmul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vdiv(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vmax(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vfma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vfma_at(vf a, const float *p, vf c) { return vfmaq_n_f32(c, a, *p); }
static inline float vsum(vf a)
{
    float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpadd_f32(b, b), 0);
}
static inline vf vsum_each(const vf a[V])
{
    return vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3]));
}
static inline vf vkeep_positive(vf m, vf a)
{
    return vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(m, vdupq_n_f32(0)), vreinterpretq_u32_f32(a)));
}
static inline void vtranspose(vf a[V])
{
    float32x4x2_t b = vtrnq_f32(a[0], a[1]), c = vtrnq_f32(a[2], a[3]);
    a[0] = vcombine_f32(vget_low_f32(b.val[0]), vget_low_f32(c.val[0]));
    a[1] = vcombine_f32(vget_low_f32(b.val[1]), vget_low_f32(c.val[1]));
    a[2] = vcombine_f32(vget_high_f32(b.val[0]), vget_high_f32(c.val[0]));
    a[3] = vcombine_f32(vget_high_f32(b.val[1]), vget_high_f32(c.val[1]));
}
static inline void vtranspose4(const float *const p[4], float *out, int64_t out_row)
{
    float32x4x2_t ab = vtrnq_f32(vld1q_f32(p[0]), vld1q_f32(p[1]));
    float32x4x2_t cd = vtrnq_f32(vld1q_f32(p[2]), vld1q_f32(p[3]));
    vst1q_f32(out, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
    vst1q_f32(out + out_row, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
    vst1q_f32(out + 2 * out_row, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
    vst1q_f32(out + 3 * out_row, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
}
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
static inline unsigned vflush(void) { return 0; }
static inline void vunflush(unsigned before) { (void)before; }

#include "vec/bytes_n.h"
