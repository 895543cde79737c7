/* Hot loops that all batch normalizations share, over vec.h and the blocks of bn_tiles.h.
 *
 * Constants and sums are arrays over the columns of the panel, padded with zeros to a multiple of
 * PAD. For runs the constant stands in every lane and the sums come back in element 0. */
#ifndef BATCHMARK_BN_VEC_H
#define BATCHMARK_BN_VEC_H

#include "algorithms/bn/bn_tiles.h"
#include "vec/vec.h"

/* Vectors in flight in the loops over runs: covers the latency of the additions, and with the
 * constants stays within 16 registers. */
enum { UNROLL = 4 };

/* Loads the first n floats, 0 < n <= V. With n = V known to the compiler it is a plain load. */
static inline vf load_part(const float *p, int64_t n)
{
    return n == V ? vload(p) : vload_n(p, n);
}

static inline void store_part(float *p, vf a, int64_t n, bool stream)
{
    if (n != V)
        vstore_n(p, a, n);
    else if (stream)
        vstream(p, a);
    else
        vstore(p, a);
}

/* The lanes of the last V of n >= V floats that no vector before it has, as factors 0 and 1. */
static inline vf last_lanes(int64_t n)
{
    static const float lanes[2 * PAD] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return vload(lanes + PAD - V + n % V);
}

/* Floats up to the next address that is a multiple of the vector, at most n. */
static inline int64_t floats_to_aligned(const float *p, int64_t n)
{
    return min_i64(n, (int64_t)(-((uintptr_t)p / sizeof(float)) % V));
}

/* May all whole vectors of these rows be streamed? */
static inline bool columns_aligned(const float *p, const struct bn_block *b)
{
    return (uintptr_t)p % (V * sizeof(float)) == 0 && b->columns % V == 0 &&
           b->inner_stride % V == 0 && b->outer_stride % V == 0;
}

/* Prefetches the lines that a walk needs one run later, into L2: such a walk waits for the few miss buffers of L1.
 * 80x60x32x32 in nchw on a Zen 4: 13 GB/s per core with prefetches into L1, 22 into L2; backward takes 0.8 of the time. */
#define ASK_L2(p) __builtin_prefetch(p, 0, 2)

/* ... for the lines of the vector at p, once a line. */
static inline void ask(const float *p, int64_t column)
{
    if (column % 16 == 0)
        ASK_L2(p + column);
}

/* ... for those of a plane of n floats. */
static inline void ask_plane(const float *p, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16)
        ASK_L2(p + i);
}

/* The copy of a tile of runs: one run behind the other. */
static inline struct bn_block near_block(const struct bn_block *b)
{
    struct bn_block n = *b;
    n.outer_stride = b->inner;
    return n;
}

/* Rows of columns are walked in strips of a few vectors; their sums or constants stay in registers from row to row. If a
 * panel is wider than a strip, ROW_GROUP rows are done at a time, so that the next strip finds its lines in a cache. */
enum { ROW_GROUP = 16 };

/* What stays the same during a walk. Constants are `width` apart, sums WIDE. */
struct walk {
    const float *x, *dy, *k;
    float *y, *acc;
    int64_t width, stride, ahead;
    bool stream;
};

/* `rows` rows from offset `at`, at column `j` of the panel; `vectors` of them, or 0: the `n` < V columns of the edge. */
typedef void strip_fn(const struct walk *w, int64_t at, int64_t j, int64_t rows, int64_t vectors,
                      int64_t n);

static inline void walk_strips(const struct bn_block *b, int64_t most, strip_fn *fn,
                               const struct walk *w)
{
    int64_t whole = b->columns / V * V, edge = b->columns - whole;
    int64_t group = b->columns <= most * V && edge == 0 ? b->inner : ROW_GROUP;
    for (int64_t o = 0; o < b->outer; o++)
        for (int64_t r = 0; r < b->inner; r += group) {
            int64_t at = o * b->outer_stride + r * b->inner_stride,
                    rows = min_i64(group, b->inner - r);
            for (int64_t j = 0, vectors = most; j < whole; j += vectors * V) {
                while (vectors * V > whole - j)
                    vectors /= 2;
                fn(w, at + j, j, rows, vectors, V);
            }
            if (edge)
                fn(w, at + whole, whole, rows, 0, edge);
        }
}

enum { MANY_PANELS = 32 };

/* How far ahead a walk through memory prefetches, in floats. Short images: one image of its channels, because the memory
 * after an image belongs to another channel. Else two pages. Few rows: the next panel. With few panels the next one
 * soon belongs to another thread that writes it; then both exchange the line, and two threads are slower than one. */
static inline int64_t walk_ahead(const struct bn_view *v, const struct bn_block *b)
{
    if (v->planes)
        return 2 * b->inner_stride;
    bool narrow = b->outer > 1 || b->outer_stride > 0;
    if (narrow && b->inner * (b->inner_stride == 1 ? 1 : b->columns) <= 4096)
        return b->outer_stride;
    if (narrow || b->columns == b->inner_stride)
        return 2048;
    if (b->inner > NARROW)
        return ROW_GROUP * b->inner_stride;
    return b->inner_stride >= MANY_PANELS * b->columns ? b->columns : 0;
}

/* Writes n floats past the cache. */
static __attribute__((noinline, unused)) void stream_floats(float *restrict to,
                                                            const float *restrict from, int64_t n)
{
    int64_t i = floats_to_aligned(to, n);
    vstore_n(to, vload_n(from, i), i);
    for (; i + V <= n; i += V)
        vstream(to + i, vload(from + i));
    vstore_n(to + i, vload_n(from + i, n - i), n - i);
}

/* Adds up the float sums of each channel's `fold` columns: neighbours while they pair, then what is left. */
static inline void fold_sums(float *acc, double *restrict sums, int64_t channels, int64_t fold)
{
    for (; fold % 2 == 0; fold /= 2)
#pragma omp simd
        for (int64_t i = 0; i < channels * fold / 2; i++)
            acc[i] = acc[2 * i] + acc[2 * i + 1];
    for (int64_t c = 0; c < channels; c++, acc += fold) {
        int64_t i = 0;
        double sum = 0;
        if (fold >= V && V > 1) {
            vf s = vload(acc);
            for (i = V; i + V <= fold; i += V)
                s = vadd(s, vload(acc + i));
            sum = (double)vsum(s);
        }
        for (; i < fold; i++)
            sum += (double)acc[i];
        sums[c] = sum;
    }
}

/* Planes of 7x7: a loop that knows its count is twice as fast on so few vectors. Many short ones are better rolled. */
static inline bool are_7x7(const struct bn_view *v)
{
    return V >= 8 && v->planes && v->fold == 7 * 7;
}

/* Adds up the lanes of each channel's vector of sums. */
static inline void plane_sums(const float *acc, double *restrict sums, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        sums[c] = (double)vsum(vload(acc + c * V));
}

/* Sums of the columns or planes of each channel. */
static inline void channel_sums(const struct bn_view *v, float *acc, double *restrict sums,
                                int64_t channels)
{
    if (v->planes)
        plane_sums(acc, sums, channels);
    else
        fold_sums(acc, sums, channels, v->fold);
}

/* Sets the constants of the panel's channels in an array over its columns. */
static inline void spread(const struct bn_view *v, float *restrict array,
                          const float *restrict values, int64_t channels)
{
    int64_t fold = v->runs ? PAD : v->planes ? 1 : v->fold;
    if (fold == 1) {
        for (int64_t c = 0; c < channels; c++)
            array[c] = values[c];
        for (int64_t i = 0; v->wraps && i < PAD; i++)
            array[channels + i] = array[i];
        return;
    }
    for (int64_t c = 0; c < channels; c++) {
        vf value = vset1(values[c]);
        int64_t i = c * fold, end = i + fold;
        for (; i + V <= end || (i < end && i + V <= v->width); i += V)
            vstore(array + i,
                   value); /* what it writes beyond the channel the next one overwrites */
        if (i < end)
            vstore_n(array + i, value, end - i);
    }
    for (int64_t i = channels * fold; i < v->width; i++)
        array[i] = 0;
}

#endif
