/* Training forward pass over vec.h, two passes for the statistics; all layouts (see bn_tiles.h).
 *
 * Several independent sums hide the latency of additions. Limited by L2 bandwidth, three reads and a write of each value, while
 * a panel fits L2; beyond by memory (see bn_driver.tmpl.h).
 *
 * The includer defines RELU (max(0, y) in the apply pass), SCHEDULE (enum bn_schedule) and STREAM
 * (non-temporal stores where bn_streams() says so).
 *
 * Sums are taken of x - k, with k the first value of the column, so that the error of the mean is
 * proportional to the spread of x and not to its size. The squares are taken about the mean of their
 * chunk. The rounding error of that mean is corrected in float64. The chunks are merged by Chan's
 * formula (Chan, Golub and LeVeque 1979), in float64 and in the order of the chunks. */
#include "algorithms/bn/bn_vec.h"

/* acc[j] = sum over rows of x[j] - k[j]. The first pass waits for memory, and hardware prefetchers
 * stop at the end of a run (a 32x32 image is a page). So it prefetches lines ahead. */
static inline __attribute__((always_inline)) void
sum_runs(const float *restrict x, const struct bn_block *b, const float *restrict k,
         float *restrict acc, int64_t ahead, float *restrict near)
{
    vf kv = vload(k), s0 = vzero(), s1 = vzero(), s2 = vzero(), s3 = vzero();
    int64_t n = b->inner;
    for (int64_t o = 0; o < b->outer; o++, x += b->outer_stride) {
        int64_t i = 0;
        for (; i + UNROLL * V <= n; i += UNROLL * V) {
            for (int64_t line = 0; line < UNROLL * V; line += 16)
                ASK_L2(x + i + ahead + line);
            vf x0 = vload(x + i), x1 = vload(x + i + V), x2 = vload(x + i + 2 * V),
               x3 = vload(x + i + 3 * V);
            s0 = vadd(s0, vsub(x0, kv));
            s1 = vadd(s1, vsub(x1, kv));
            s2 = vadd(s2, vsub(x2, kv));
            s3 = vadd(s3, vsub(x3, kv));
            if (near) {
                vstore(near + i, x0);
                vstore(near + i + V, x1);
                vstore(near + i + 2 * V, x2);
                vstore(near + i + 3 * V, x3);
            }
        }
        for (; i + V <= n; i += V) {
            vf x0 = vload(x + i);
            s0 = vadd(s0, vsub(x0, kv));
            if (near)
                vstore(near + i, x0);
        }
        if (i < n) {
            vf x0 = vload_n(x + i, n - i);
            s1 = vadd(s1, vsub(x0, vload_n(k, n - i)));
            if (near)
                vstore_n(near + i, x0, n - i);
        }
        if (near)
            near += n;
    }
    acc[0] = vsum(vadd(vadd(s0, s1), vadd(s2, s3)));
}

static __attribute__((noinline)) void hot_sum_runs(const float *x, const struct bn_block *b,
                                                   const float *k, float *acc, int64_t ahead)
{
    sum_runs(x, b, k, acc, ahead, NULL);
}

static __attribute__((noinline)) void hot_sum_copy_runs(const float *x, const struct bn_block *b,
                                                        const float *k, float *acc, int64_t ahead,
                                                        float *near)
{
    sum_runs(x, b, k, acc, ahead, near);
}

/* acc[j] = sum over rows of (x[j] - centre[j])^2 */
static __attribute__((noinline)) void hot_squares_runs(const float *restrict x,
                                                       const struct bn_block *b,
                                                       const float *restrict centre,
                                                       float *restrict acc)
{
    vf c = vload(centre), s0 = vzero(), s1 = vzero(), s2 = vzero(), s3 = vzero();
    int64_t n = b->inner;
    for (int64_t o = 0; o < b->outer; o++, x += b->outer_stride) {
        int64_t i = 0;
        for (; i + UNROLL * V <= n; i += UNROLL * V) {
            vf d0 = vsub(vload(x + i), c), d1 = vsub(vload(x + i + V), c);
            vf d2 = vsub(vload(x + i + 2 * V), c), d3 = vsub(vload(x + i + 3 * V), c);
            s0 = vfma(d0, d0, s0);
            s1 = vfma(d1, d1, s1);
            s2 = vfma(d2, d2, s2);
            s3 = vfma(d3, d3, s3);
        }
        for (; i + V <= n; i += V) {
            vf d = vsub(vload(x + i), c);
            s0 = vfma(d, d, s0);
        }
        if (i < n) {
            vf d = vsub(vload_n(x + i, n - i), vload_n(centre, n - i));
            s1 = vfma(d, d, s1);
        }
    }
    acc[0] = vsum(vadd(vadd(s0, s1), vadd(s2, s3)));
}

/* Strips of the two loops: rows go to STRIP / vectors sums in turn, so that additions never wait for each other. */
enum { STRIP = 4 };

/* The sum with one vector more: of x - k, or its squares. */
static inline vf add_difference(vf sum, const float *x, const float *k, int64_t n, bool squares)
{
    vf d = vsub(load_part(x, n), vload(k));
    return squares ? vfma(d, d, sum) : vadd(sum, d);
}

static inline __attribute__((always_inline)) void stats_strip(const struct walk *w, int64_t at,
                                                              int64_t j, int64_t rows, int vectors,
                                                              int64_t n, bool squares)
{
    const float *x = w->x + at, *k = w->k + j;
    float *acc = w->acc + j;
    int64_t stride = w->stride, ahead = w->ahead, step = STRIP / vectors;
    vf s[STRIP];
    VEC_UNROLL
    for (int u = 0; u < STRIP; u++)
        s[u] = u < vectors ? vload(acc + u * V) : vzero();
    for (; rows >= step; rows -= step)
        VEC_UNROLL
    for (int i = 0; i < STRIP; i += vectors, x += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        if (!squares)
            ask(x + ahead, u * V);
        s[i + u] = add_difference(s[i + u], x + u * V, k + u * V, n, squares);
    }
    for (; rows > 0; rows--, x += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++)
        s[u] = add_difference(s[u], x + u * V, k + u * V, n, squares);
    VEC_UNROLL
    for (int d = STRIP / 2; d >= vectors; d /= 2)
        VEC_UNROLL
    for (int u = 0; u < d; u++)
        s[u] = vadd(s[u], s[u + d]);
    VEC_UNROLL
    for (int u = 0; u < vectors; u++)
        vstore(acc + u * V, s[u]);
}

/* Rows of one, two or four vectors, or, of none, of one with n floats. */
static inline __attribute__((always_inline)) void stats_strips(const struct walk *w, int64_t at,
                                                               int64_t j, int64_t rows,
                                                               int64_t vectors, int64_t n,
                                                               bool squares)
{
    switch (vectors) {
    case 0: stats_strip(w, at, j, rows, 1, n, squares); break;
    case 1: stats_strip(w, at, j, rows, 1, V, squares); break;
    case 2: stats_strip(w, at, j, rows, 2, V, squares); break;
    default: stats_strip(w, at, j, rows, 4, V, squares);
    }
}

static __attribute__((noinline)) void hot_sum(const struct walk *w, int64_t at, int64_t j,
                                              int64_t rows, int64_t vectors, int64_t n)
{
    stats_strips(w, at, j, rows, vectors, n, false);
}

static __attribute__((noinline)) void hot_squares(const struct walk *w, int64_t at, int64_t j,
                                                  int64_t rows, int64_t vectors, int64_t n)
{
    stats_strips(w, at, j, rows, vectors, n, true);
}

/* Adds to acc[c] a vector of sums over the planes of channel c: of x - k[c], or of their squares. `n`: floats of a plane.
 * Its last vector overlaps the one before, where it counts for nothing. */
static inline __attribute__((always_inline)) void
planes_stats(const struct walk *w, const struct bn_block *b, int64_t n, bool squares)
{
    const vf last = last_lanes(n);
    for (int64_t r = 0; r < b->inner; r++) {
        const float *restrict x = w->x + r * b->inner_stride, *restrict k = w->k;
        float *restrict acc = w->acc;
        for (int64_t c = 0; c < b->channels; c++, x += n, acc += V) {
            const vf kv = vset1(k[c]);
            vf s0 = vload(acc), s1 = vzero(), s2 = vzero(), s3 = vzero();
            if (n % V) {
                vf d = vsub(vload(x + n - V), kv), e = vmul(d, last);
                s1 = squares ? vmul(d, e) : e;
            }
            int64_t i = 0;
            if (!squares)
                ask_plane(x + w->ahead, n);
            for (; i + UNROLL * V <= n; i += UNROLL * V) {
                vf d0 = vsub(vload(x + i), kv), d1 = vsub(vload(x + i + V), kv);
                vf d2 = vsub(vload(x + i + 2 * V), kv), d3 = vsub(vload(x + i + 3 * V), kv);
                s0 = squares ? vfma(d0, d0, s0) : vadd(s0, d0);
                s1 = squares ? vfma(d1, d1, s1) : vadd(s1, d1);
                s2 = squares ? vfma(d2, d2, s2) : vadd(s2, d2);
                s3 = squares ? vfma(d3, d3, s3) : vadd(s3, d3);
            }
            for (; i + V <= n; i += V) {
                vf d = vsub(vload(x + i), kv);
                s0 = squares ? vfma(d, d, s0) : vadd(s0, d);
            }
            vstore(acc, vadd(vadd(s0, s1), vadd(s2, s3)));
        }
    }
}

static __attribute__((noinline)) void hot_sum_planes(const struct walk *w, const struct bn_block *b,
                                                     int64_t n)
{
    planes_stats(w, b, n, false);
}

static __attribute__((noinline)) void hot_sum_planes_7x7(const struct walk *w,
                                                         const struct bn_block *b)
{
    planes_stats(w, b, 7 * 7, false);
}

static __attribute__((noinline)) void hot_squares_planes_7x7(const struct walk *w,
                                                             const struct bn_block *b)
{
    planes_stats(w, b, 7 * 7, true);
}

static __attribute__((noinline)) void hot_squares_planes(const struct walk *w,
                                                         const struct bn_block *b, int64_t n)
{
    planes_stats(w, b, n, true);
}

#include "algorithms/bn/bn_apply.tmpl.h"

/* A centre for squared differences close to k + off: `off` is rounded to three bits. The difference does not matter for
 * precision, and on integers the squares stay exact for any mean of a chunk. */
static float centre_near(double k, double off)
{
    int exponent;
    if (off - off != 0 || off == 0)
        return (float)(k + off);
    __builtin_frexp(off, &exponent);
    double step = __builtin_ldexp(1, exponent - 3);
    return (float)(k + __builtin_rint(off / step) * step);
}

/* Mean and squared differences of every channel of the tile, into its partials. `asked`: its lines were asked for. */
static void reduce_tile(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk,
                        float *near, bool asked)
{
    _Alignas(64) float k[WIDE + PAD], acc[WIDE];
    float centre[WIDE];
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset;
    double count = (double)bn_block_count(v, &b);
    double *mean = bn_partials(a, v, APPLY_ARRAYS, panel, chunk), *m2 = mean + v->panel_channels;
    struct walk w = {
        .x = x, .k = k, .acc = acc, .stride = b.inner_stride, .ahead = walk_ahead(v, &b)};
    int64_t width = v->runs ? PAD : v->planes ? b.channels * V : div_up(b.columns, PAD) * PAD;
    for (int64_t j = b.columns / PAD * PAD; j < width && !v->planes; j++)
        k[j] = 0;
    for (int64_t c = 0; c < b.channels; c++) {
        float first = x[c * v->fold];
        centre[c] = first - first == 0 ? first : 0; /* of inf and NaN no differences */
    }
    spread(v, k, centre, b.channels);
    for (int64_t j = 0; j < width; j++)
        acc[j] = 0;
    if (near)
        hot_sum_copy_runs(x, &b, k, acc, asked ? 0 : w.ahead, near);
    else if (v->runs)
        hot_sum_runs(x, &b, k, acc, w.ahead);
    else if (are_7x7(v))
        hot_sum_planes_7x7(&w, &b);
    else if (v->planes)
        hot_sum_planes(&w, &b, v->fold);
    else
        walk_strips(&b, STRIP, hot_sum, &w);
    channel_sums(v, acc, m2, b.channels);
    for (int64_t c = 0; c < b.channels; c++) {
        double off = m2[c] / count;
        mean[c] = (double)centre[c] + off;
        centre[c] = v->chunks == 1 ? (float)mean[c] : centre_near((double)centre[c], off);
    }
    spread(v, k, centre, b.channels);
    for (int64_t j = 0; j < width; j++)
        acc[j] = 0;
    struct bn_block copied = near_block(&b);
    if (near)
        hot_squares_runs(near, &copied, k, acc);
    else if (v->runs)
        hot_squares_runs(x, &b, k, acc);
    else if (are_7x7(v))
        hot_squares_planes_7x7(&w, &b);
    else if (v->planes)
        hot_squares_planes(&w, &b, v->fold);
    else
        walk_strips(&b, STRIP, hot_squares, &w);
    channel_sums(v, acc, m2, b.channels);
    for (int64_t c = 0; c < b.channels; c++) {
        double off = mean[c] - (double)centre[c];
        m2[c] -= count * off * off;
    }
}

/* Merges the chunks of a panel and sets what the apply pass needs. */
static void finish_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    double mean[WIDE], variance[WIDE], n = (double)(v->outer * v->inner * v->fold);
    int64_t first = panel * v->panel_channels,
            channels = min_i64(v->panel_channels, v->channels - first);
    for (int64_t c = 0; c < channels; c++)
        mean[c] = variance[c] = 0;
    for (int64_t i = 0; i < v->chunks; i++) {
        struct bn_block b = bn_block_of(v, panel, i);
        const double *part = bn_partials(a, v, APPLY_ARRAYS, panel, i);
        double share = v->chunks == 1 ? 1 : (double)bn_block_count(v, &b);
        for (int64_t c = 0; c < channels; c++)
            mean[c] += share * part[c];
    }
    for (int64_t c = 0; c < channels && v->chunks > 1; c++)
        mean[c] /= n;
    for (int64_t i = 0; i < v->chunks; i++) {
        struct bn_block b = bn_block_of(v, panel, i);
        const double *part = bn_partials(a, v, APPLY_ARRAYS, panel, i),
                     *m2 = part + v->panel_channels;
        double count = v->chunks == 1 ? 0 : (double)bn_block_count(v, &b);
        for (int64_t c = 0; c < channels; c++) {
            double off = part[c] - mean[c];
            variance[c] += m2[c] + count * off * off;
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        variance[c] = (variance[c] < 0 ? 0 : variance[c]) / n;
        a->t[MEAN][first + c] = (float)mean[c];
        a->t[VARIANCE][first + c] = (float)variance[c];
    }
    set_constants(a, v, panel, channels, mean, variance);
}

/* A chunk of a run stays in L1 for its second pass, one of columns in L2: its shares are taken column by column. */
static struct bn_view view(const struct problem *p, enum layout layout)
{
    return bn_training_view(&p->bn, layout, CHUNK_FLOATS, NEAR_FLOATS, 1);
}

/* Nothing is known before the statistics. */
static void start_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    (void)a, (void)v, (void)panel;
}

enum { TENSORS = 1, ARRAYS = APPLY_ARRAYS };
#include "algorithms/bn/bn_driver.tmpl.h"
