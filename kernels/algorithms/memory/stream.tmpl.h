/* Measures bandwidth: copy (dst = src) and triad (dst = src + 3 diff_dst, STREAM's with its
 * constant) over plain arrays. The including file defines
 *
 *   TRIAD         1: triad, 0: copy
 *   NONTEMPORAL   1: store past the cache: saves reading the destination's lines, loses where they
 *                 are in cache
 *
 * Limited by the bandwidth of whatever level of memory holds the arrays. Each thread gets one
 * contiguous range, cut on multiples of TILE. */
#include "shared/partition.h"
#include "vec/vec.h"

_Static_assert(TRIAD == 0 || TRIAD == 1, "1: triad, 0: copy");
_Static_assert(NONTEMPORAL == 0 || NONTEMPORAL == 1, "1: stores past the cache");

/* 16 KiB: small enough to split an array of L2 size evenly, large enough that the cut costs
 * nothing. */
#define TILE 4096

/* Four vectors a step: enough loads in flight to hide the loop's own instructions at every vector
 * width. */
#define UNROLL 4

#define LINE 64

static inline vf value(const float *restrict src, const float *restrict scaled, int64_t i)
{
    vf x = vload(src + i);
    return TRIAD ? vfma(vset1(3), vload(scaled + i), x) : x;
}

/* One element, rounded as the vectors are: whether a compiler contracts a * b + c depends on its flags. */
static inline void put_one(float *restrict dst, const float *restrict src,
                           const float *restrict scaled, int64_t i)
{
    vf x = vload_n(src + i, 1);
    vstore_n(dst + i, TRIAD ? vfma(vset1(3), vload_n(scaled + i, 1), x) : x, 1);
}

static void tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct bn *p = &a->problem->bn;
    int64_t i = first * TILE, end = min_i64(last * TILE, p->mb * p->ic * p->ih * p->iw);
    const float *restrict src = a->t[SRC], *restrict scaled = a->t[DIFF_DST];
    float *restrict dst = a->t[DST];

    if (NONTEMPORAL)
        for (; i < end && (uintptr_t)(dst + i) % LINE; i++)
            put_one(dst, src, scaled, i);
    for (; i + UNROLL * V <= end; i += UNROLL * V) {
        vf x[UNROLL];
        for (int k = 0; k < UNROLL; k++)
            x[k] = value(src, scaled, i + k * V);
        for (int k = 0; k < UNROLL; k++) {
            if (NONTEMPORAL)
                vstream(dst + i + k * V, x[k]);
            else
                vstore(dst + i + k * V, x[k]);
        }
    }
    for (; i < end; i++)
        put_one(dst, src, scaled, i);
    if (NONTEMPORAL)
        vfence();
}

static void run(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    run_tiles(a, div_up(p->mb * p->ic * p->ih * p->iw, TILE), tiles);
}

#define STREAM                                                                                     \
    .formats = {{NCHW, NCHW}}, .algebra = TRIAD ? SUM_OF_PRODUCTS : EXACT,                         \
    .thread_invariant = true, .run = run
