/* Backward pass over vec.h: dbeta and dgamma of a panel, then its dx; all layouts (see bn_tiles.h).
 *
 *   dx = scale (dy - dbeta / n - xhat dgamma / n) = scale dy + (x - mean) slope + offset
 *
 * with scale = gamma rstd, slope = -scale rstd dgamma / n, offset = -scale dbeta / n.
 *
 * Several independent sums hide the latency of additions. Limited by L2 bandwidth, four reads and a write of each value, while
 * a panel fits L2; beyond by memory (see bn_driver.tmpl.h).
 *
 * The includer defines SCHEDULE, STREAM and RELU. With RELU, dy counts only where gamma xhat + beta >
 * 0. The mask is recomputed from x: that costs two operations, and storing it would cost memory
 * traffic. */
#include "algorithms/bn/bn_vec.h"

/* The constants of a panel, in this order. SHIFTS (beta) serves the mask only. */
enum { MEANS, SCALES, SLOPES, OFFSETS, SHIFTS, BWD_ARRAYS };

static inline vf masked(vf dy, vf centred, vf scale, vf shift)
{
    return RELU ? vkeep_positive(vfma(centred, scale, shift), dy) : dy;
}

/* Sums over one panel's columns, from acc on: of dy, and WIDE further on of dy (x - mean). For runs in element 0. */
enum { SUM_ARRAYS = 2 };

/* Lines are asked for ahead: the hardware's prefetchers stop where a run ends. */
static inline __attribute__((always_inline)) void
sums_runs(const float *restrict x, const float *restrict dy, const struct bn_block *b,
          const float *restrict k, int64_t width, float *restrict acc, int64_t ahead,
          float *restrict near_x, float *restrict near_dy)
{
    const float *mean = k + MEANS * width;
    vf m = vload(mean), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    vf b0 = vzero(), b1 = vzero(), g0 = vzero(), g1 = vzero();
    int64_t n = b->inner;
    for (int64_t o = 0; o < b->outer; o++, x += b->outer_stride, dy += b->outer_stride) {
        int64_t i = 0;
        for (; i + 2 * V <= n; i += 2 * V) {
            for (int64_t line = 0; line < 2 * V; line += 16) {
                ASK_L2(x + i + ahead + line);
                ASK_L2(dy + i + ahead + line);
            }
            vf x0 = vload(x + i), x1 = vload(x + i + V), dy0 = vload(dy + i),
               dy1 = vload(dy + i + V);
            vf c0 = vsub(x0, m), c1 = vsub(x1, m);
            vf d0 = masked(dy0, c0, s, t), d1 = masked(dy1, c1, s, t);
            b0 = vadd(b0, d0);
            g0 = vfma(d0, c0, g0);
            b1 = vadd(b1, d1);
            g1 = vfma(d1, c1, g1);
            if (near_x) {
                vstore(near_x + i, x0);
                vstore(near_x + i + V, x1);
                vstore(near_dy + i, dy0);
                vstore(near_dy + i + V, dy1);
            }
        }
        if (i + V <= n) {
            vf x0 = vload(x + i), dy0 = vload(dy + i);
            vf c = vsub(x0, m), d = masked(dy0, c, s, t);
            b0 = vadd(b0, d);
            g0 = vfma(d, c, g0);
            if (near_x) {
                vstore(near_x + i, x0);
                vstore(near_dy + i, dy0);
            }
            i += V;
        }
        if (i < n) {
            vf x0 = vload_n(x + i, n - i), dy0 = vload_n(dy + i, n - i);
            vf c = vsub(x0, vload_n(mean, n - i)), d = masked(dy0, c, s, t);
            b1 = vadd(b1, d);
            g1 = vfma(d, c, g1);
            if (near_x) {
                vstore_n(near_x + i, x0, n - i);
                vstore_n(near_dy + i, dy0, n - i);
            }
        }
        if (near_x) {
            near_x += n;
            near_dy += n;
        }
    }
    acc[0] = vsum(vadd(b0, b1));
    acc[WIDE] = vsum(vadd(g0, g1));
}

static __attribute__((noinline)) void hot_sums_runs(const float *x, const float *dy,
                                                    const struct bn_block *b, const float *k,
                                                    int64_t width, float *acc, int64_t ahead)
{
    sums_runs(x, dy, b, k, width, acc, ahead, NULL, NULL);
}

static __attribute__((noinline)) void hot_sums_copy_runs(const float *x, const float *dy,
                                                         const struct bn_block *b, const float *k,
                                                         int64_t width, float *acc, int64_t ahead,
                                                         float *near_x, float *near_dy)
{
    sums_runs(x, dy, b, k, width, acc, ahead, near_x, near_dy);
}

/* Vectors of a strip: sums of two vectors, or of one in two rows, and their constants stay within 16 registers. */
enum { STRIP = 2 };

static inline __attribute__((always_inline)) void
sums_strip(const struct walk *w, int64_t at, int64_t j, int64_t rows, int vectors, int64_t n)
{
    const float *x = w->x + at, *dy = w->dy + at, *k = w->k + j;
    float *acc = w->acc + j;
    int64_t stride = w->stride, ahead = w->ahead, step = STRIP / vectors;
    vf sum[STRIP], dot[STRIP], m[STRIP], s[STRIP], t[STRIP];
    VEC_UNROLL
    for (int u = 0; u < STRIP; u++) {
        sum[u] = u < vectors ? vload(acc + u * V) : vzero();
        dot[u] = u < vectors ? vload(acc + WIDE + u * V) : vzero();
        m[u] = vload(k + MEANS * w->width + u % vectors * V);
        s[u] = vload(k + SCALES * w->width + u % vectors * V);
        t[u] = vload(k + SHIFTS * w->width + u % vectors * V);
    }
    for (; rows >= step; rows -= step)
        VEC_UNROLL
    for (int i = 0; i < STRIP; i += vectors, x += stride, dy += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        ask(x + ahead, u * V);
        ask(dy + ahead, u * V);
        vf c = vsub(load_part(x + u * V, n), m[u]),
           d = masked(load_part(dy + u * V, n), c, s[u], t[u]);
        sum[i + u] = vadd(sum[i + u], d);
        dot[i + u] = vfma(d, c, dot[i + u]);
    }
    for (; rows > 0; rows--, x += stride, dy += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        vf c = vsub(load_part(x + u * V, n), m[u]),
           d = masked(load_part(dy + u * V, n), c, s[u], t[u]);
        sum[u] = vadd(sum[u], d);
        dot[u] = vfma(d, c, dot[u]);
    }
    if (vectors == 1) {
        sum[0] = vadd(sum[0], sum[1]);
        dot[0] = vadd(dot[0], dot[1]);
    }
    VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        vstore(acc + u * V, sum[u]);
        vstore(acc + WIDE + u * V, dot[u]);
    }
}

/* Rows of one or two vectors, or, of none, of one with n floats. */
static __attribute__((noinline)) void hot_sums(const struct walk *w, int64_t at, int64_t j,
                                               int64_t rows, int64_t vectors, int64_t n)
{
    if (vectors == 0)
        sums_strip(w, at, j, rows, 1, n);
    else if (vectors == 1)
        sums_strip(w, at, j, rows, 1, V);
    else
        sums_strip(w, at, j, rows, 2, V);
}

/* Adds to acc[c] and acc[WIDE + c] vectors of sums over the planes of channel c. `n`: floats of a plane. Its last vector
 * overlaps the one before, where it counts for nothing. */
static inline __attribute__((always_inline)) void sums_planes(const struct walk *w,
                                                              const struct bn_block *b, int64_t n)
{
    const vf last = last_lanes(n);
    for (int64_t r = 0; r < b->inner; r++) {
        const float *restrict x = w->x + r * b->inner_stride,
                              *restrict dy = w->dy + r * b->inner_stride, *restrict k = w->k;
        float *restrict acc = w->acc;
        for (int64_t c = 0; c < b->channels; c++, x += n, dy += n, acc += V) {
            const vf m = vset1(k[MEANS * w->width + c]), s = vset1(k[SCALES * w->width + c]),
                     t = vset1(k[SHIFTS * w->width + c]);
            vf b0 = vload(acc), g0 = vload(acc + WIDE), b1 = vzero(), g1 = vzero();
            if (n % V) {
                vf centred = vsub(vload(x + n - V), m);
                vf d = vmul(masked(vload(dy + n - V), centred, s, t), last);
                b1 = d;
                g1 = vmul(d, centred);
            }
            int64_t i = 0;
            ask_plane(x + w->ahead, n);
            ask_plane(dy + w->ahead, n);
            for (; i + 2 * V <= n; i += 2 * V) {
                vf c0 = vsub(vload(x + i), m), c1 = vsub(vload(x + i + V), m);
                vf d0 = masked(vload(dy + i), c0, s, t), d1 = masked(vload(dy + i + V), c1, s, t);
                b0 = vadd(b0, d0);
                g0 = vfma(d0, c0, g0);
                b1 = vadd(b1, d1);
                g1 = vfma(d1, c1, g1);
            }
            if (i + V <= n) {
                vf centred = vsub(vload(x + i), m), d = masked(vload(dy + i), centred, s, t);
                b0 = vadd(b0, d);
                g0 = vfma(d, centred, g0);
            }
            vstore(acc, vadd(b0, b1));
            vstore(acc + WIDE, vadd(g0, g1));
        }
    }
}

static __attribute__((noinline)) void hot_sums_planes(const struct walk *w,
                                                      const struct bn_block *b, int64_t n)
{
    sums_planes(w, b, n);
}

static __attribute__((noinline)) void hot_sums_planes_7x7(const struct walk *w,
                                                          const struct bn_block *b)
{
    sums_planes(w, b, 7 * 7);
}

struct gradient {
    vf mean, scale, slope, offset, shift;
};

static inline struct gradient load_gradient(const float *k, int64_t width)
{
    return (struct gradient){
        .mean = vload(k + MEANS * width),
        .scale = vload(k + SCALES * width),
        .slope = vload(k + SLOPES * width),
        .offset = vload(k + OFFSETS * width),
        .shift = vload(k + SHIFTS * width),
    };
}

static inline vf gradient(vf x, vf dy, const struct gradient *g)
{
    vf c = vsub(x, g->mean);
    return vfma(masked(dy, c, g->scale, g->shift), g->scale, vfma(c, g->slope, g->offset));
}

static inline void gradient_runs(const float *restrict x, const float *restrict dy,
                                 float *restrict dx, const struct bn_block *b,
                                 const float *restrict k, int64_t width, int64_t ahead, bool stream)
{
    struct gradient g = load_gradient(k, width);
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t i = o * b->outer_stride, end = i + b->inner;
        if (stream && V > 1) {
            int64_t head = floats_to_aligned(dx + i, b->inner);
            vstore_n(dx + i, gradient(vload_n(x + i, head), vload_n(dy + i, head), &g), head);
            i += head;
        }
        for (; i + 2 * V <= end; i += 2 * V) {
            for (int64_t u = 0; u < 2 * V && !stream; u += V)
                ask(dx + i + ahead, u);
            store_part(dx + i, gradient(vload(x + i), vload(dy + i), &g), V, stream);
            store_part(dx + i + V, gradient(vload(x + i + V), vload(dy + i + V), &g), V, stream);
        }
        if (i + V <= end) {
            store_part(dx + i, gradient(vload(x + i), vload(dy + i), &g), V, stream);
            i += V;
        }
        if (i < end)
            vstore_n(dx + i, gradient(vload_n(x + i, end - i), vload_n(dy + i, end - i), &g),
                     end - i);
    }
}

static __attribute__((noinline)) void hot_gradient_runs(const float *x, const float *dy, float *dx,
                                                        const struct bn_block *b, const float *k,
                                                        int64_t width, int64_t ahead)
{
    gradient_runs(x, dy, dx, b, k, width, ahead, false);
}

static __attribute__((noinline)) void hot_gradient_stream_runs(const float *x, const float *dy,
                                                               float *dx, const struct bn_block *b,
                                                               const float *k, int64_t width,
                                                               int64_t ahead)
{
    gradient_runs(x, dy, dx, b, k, width, ahead, true);
}

/* From the copies, past the cache; asks for the lines of another tile, `next` floats from this one. */
static __attribute__((noinline)) void hot_stream_near_runs(const struct walk *w, const float *x,
                                                           const float *dy,
                                                           const struct bn_block *b, int64_t next)
{
    const float *next_x = w->x + next, *next_dy = w->dy + next;
    float *dx = w->y;
    struct gradient g = load_gradient(w->k, w->width);
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t n = b->inner, i = V > 1 ? floats_to_aligned(dx, n) : 0;
        vstore_n(dx, gradient(vload_n(x, i), vload_n(dy, i), &g), i);
        ASK_L2(next_x);
        ASK_L2(next_dy);
        for (; i + V <= n; i += V) {
            ASK_L2(next_x + i + V - 1);
            ASK_L2(next_dy + i + V - 1);
            store_part(dx + i, gradient(vload(x + i), vload(dy + i), &g), V, true);
        }
        if (i < n)
            vstore_n(dx + i, gradient(vload_n(x + i, n - i), vload_n(dy + i, n - i), &g), n - i);
        x += n;
        dy += n;
        dx += b->outer_stride;
        next_x += b->outer_stride;
        next_dy += b->outer_stride;
    }
}

static inline __attribute__((always_inline)) void gradient_strip(const struct walk *w, int64_t at,
                                                                 int64_t j, int64_t rows,
                                                                 int vectors, int64_t n,
                                                                 bool stream)
{
    const float *x = w->x + at, *dy = w->dy + at;
    float *dx = w->y + at;
    int64_t stride = w->stride;
    struct gradient g[STRIP];
    VEC_UNROLL
    for (int u = 0; u < vectors; u++)
        g[u] = load_gradient(w->k + j + u * V, w->width);
    for (int64_t r = 0; r < rows; r++, x += stride, dy += stride, dx += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        if (!stream)
            ask(dx + w->ahead, u * V);
        store_part(dx + u * V, gradient(load_part(x + u * V, n), load_part(dy + u * V, n), &g[u]),
                   n, stream);
    }
}

/* Rows of one or two vectors, or, of none, of one with n floats. */
static __attribute__((noinline)) void hot_gradient(const struct walk *w, int64_t at, int64_t j,
                                                   int64_t rows, int64_t vectors, int64_t n)
{
    if (vectors == 0)
        gradient_strip(w, at, j, rows, 1, n, false);
    else if (vectors == 2 && w->stream)
        gradient_strip(w, at, j, rows, 2, V, true);
    else if (vectors == 2)
        gradient_strip(w, at, j, rows, 2, V, false);
    else if (w->stream)
        gradient_strip(w, at, j, rows, 1, V, true);
    else
        gradient_strip(w, at, j, rows, 1, V, false);
}

/* Streams contiguous rows, or one row, past the cache: n floats from the panel's first column on, in whole aligned vectors
 * for any number of columns. The constants repeat every `columns` floats. */
static __attribute__((noinline)) void hot_stream_rows(const struct walk *w, int64_t at, int64_t n,
                                                      int64_t columns)
{
    const float *restrict x = w->x + at, *restrict dy = w->dy + at;
    float *restrict dx = w->y + at;
    int64_t i = floats_to_aligned(dx, n), j = i;
    struct gradient g = load_gradient(w->k, w->width);
    vstore_n(dx, gradient(vload_n(x, i), vload_n(dy, i), &g), i);
    for (; i + V <= n; i += V, j += V) {
        __builtin_prefetch(x + i + 1024);
        __builtin_prefetch(dy + i + 1024);
        j = j >= columns ? j - columns : j;
        g = load_gradient(w->k + j, w->width);
        vstream(dx + i, gradient(vload(x + i), vload(dy + i), &g));
    }
    if (i < n) {
        j = j >= columns ? j - columns : j;
        g = load_gradient(w->k + j, w->width);
        vstore_n(dx + i, gradient(vload_n(x + i, n - i), vload_n(dy + i, n - i), &g), n - i);
    }
}

static void gradient_columns(const struct bn_view *v, const struct bn_block *b,
                             const struct walk *w)
{
    if (w->stream && !columns_aligned(w->y, b)) {
        int64_t n = v->wraps ? b->inner * b->columns : b->columns;
        for (int64_t at = 0; at < b->inner * b->inner_stride; at += v->wraps ? n : b->inner_stride)
            hot_stream_rows(w, at, n, b->columns);
    } else {
        walk_strips(b, STRIP, hot_gradient, w);
    }
}

static inline struct gradient set_gradient(const float *k, int64_t width)
{
    return (struct gradient){
        .mean = vset1(k[MEANS * width]),
        .scale = vset1(k[SCALES * width]),
        .slope = vset1(k[SLOPES * width]),
        .offset = vset1(k[OFFSETS * width]),
        .shift = vset1(k[SHIFTS * width]),
    };
}

/* Planes of n floats; the last vector overlaps the one before. If results are streamed past the cache, a row is first
 * collected in L1: it consists of whole lines, and planes do not. */
static inline __attribute__((always_inline)) void
gradient_planes(const struct walk *w, const struct bn_block *b, int64_t n, bool stream)
{
    _Alignas(64) float row[ROW_FLOATS];
    for (int64_t r = 0; r < b->inner; r++) {
        const float *x = w->x + r * b->inner_stride, *dy = w->dy + r * b->inner_stride;
        float *dx = w->y + r * b->inner_stride, *to = stream ? row : dx;
        for (int64_t c = 0; c < b->channels; c++, x += n, dy += n, to += n) {
            const struct gradient g = set_gradient(w->k + c, w->width);
            const vf last = gradient(vload(x + n - V), vload(dy + n - V), &g);
            if (!stream)
                ask_plane(to + w->ahead, n);
            for (int64_t i = 0; i + V <= n; i += V)
                vstore(to + i, gradient(vload(x + i), vload(dy + i), &g));
            vstore(to + n - V, last);
        }
        if (stream)
            stream_floats(dx, row, b->columns);
    }
}

static __attribute__((noinline)) void hot_gradient_planes(const struct walk *w,
                                                          const struct bn_block *b, int64_t n)
{
    gradient_planes(w, b, n, false);
}

static __attribute__((noinline)) void hot_gradient_planes_7x7(const struct walk *w,
                                                              const struct bn_block *b)
{
    gradient_planes(w, b, 7 * 7, false);
}

static __attribute__((noinline)) void hot_stream_planes(const struct walk *w,
                                                        const struct bn_block *b, int64_t n)
{
    gradient_planes(w, b, n, true);
}

/* The constants known before the sums. Lanes beyond the channels stay zero, and so does their dx.
 */
static void start_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    float *k = bn_constants(a, v, BWD_ARRAYS, panel), values[WIDE];
    int64_t first = panel * v->panel_channels,
            channels = min_i64(v->panel_channels, v->channels - first);
    const float *gamma = a->t[GAMMA], *beta = a->t[BETA], *variance = a->t[VARIANCE] + first;
    double eps = a->problem->eps;
    for (int64_t i = 0; i < BWD_ARRAYS * v->width; i++)
        k[i] = 0;
    spread(v, k + MEANS * v->width, a->t[MEAN] + first, channels);
    for (int64_t c = 0; c < channels; c++)
        values[c] = gamma ? gamma[first + c] : 1;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++)
        values[c] = (float)((double)values[c] / __builtin_sqrt((double)variance[c] + eps));
    spread(v, k + SCALES * v->width, values, channels);
    if (RELU && beta)
        spread(v, k + SHIFTS * v->width, beta + first, channels);
}

/* The two sums of every channel of the tile, into its partials. `asked`: its lines were asked for. */
static void reduce_tile(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk,
                        float *near, bool asked)
{
    _Alignas(64) float acc[SUM_ARRAYS * WIDE];
    struct bn_block b = bn_block_of(v, panel, chunk);
    struct walk w = {.x = a->t[SRC] + b.offset,
                     .dy = a->t[DIFF_DST] + b.offset,
                     .acc = acc,
                     .width = v->width,
                     .k = bn_constants(a, v, BWD_ARRAYS, panel),
                     .stride = b.inner_stride,
                     .ahead = walk_ahead(v, &b)};
    double *sum = bn_partials(a, v, BWD_ARRAYS, panel, chunk), *dot = sum + v->panel_channels;
    int64_t width = v->planes ? b.channels * V : div_up(b.columns, PAD) * PAD;
    for (int64_t j = 0; j < width; j++)
        acc[j] = acc[WIDE + j] = 0;
    if (near)
        hot_sums_copy_runs(w.x, w.dy, &b, w.k, v->width, acc, asked ? 0 : w.ahead, near,
                           near + bn_chunk_floats(v));
    else if (v->runs)
        hot_sums_runs(w.x, w.dy, &b, w.k, v->width, acc, w.ahead);
    else if (are_7x7(v))
        hot_sums_planes_7x7(&w, &b);
    else if (v->planes)
        hot_sums_planes(&w, &b, v->fold);
    else
        walk_strips(&b, STRIP, hot_sums, &w);
    channel_sums(v, acc, sum, b.channels);
    channel_sums(v, acc + WIDE, dot, b.channels);
}

/* Adds up the chunks of a panel, in their order, and sets what the dx pass needs. */
static void finish_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    float *k = bn_constants(a, v, BWD_ARRAYS, panel), slopes[WIDE], offsets[WIDE];
    double sum[WIDE], dot[WIDE], n = (double)(v->outer * v->inner * v->fold), eps = a->problem->eps;
    int64_t first = panel * v->panel_channels,
            channels = min_i64(v->panel_channels, v->channels - first);
    const float *gamma = a->t[GAMMA], *variance = a->t[VARIANCE] + first;
    for (int64_t c = 0; c < channels; c++) {
        sum[c] = dot[c] = 0;
        slopes[c] = gamma ? gamma[first + c] : 1;
    }
    for (int64_t i = 0; i < v->chunks; i++) {
        const double *part = bn_partials(a, v, BWD_ARRAYS, panel, i),
                     *part_dot = part + v->panel_channels;
        for (int64_t c = 0; c < channels; c++) {
            sum[c] += part[c];
            dot[c] += part_dot[c];
        }
    }
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) {
        double rstd = 1 / __builtin_sqrt((double)variance[c] + eps),
               scale = (double)slopes[c] * rstd / n;
        slopes[c] = (float)(-scale * rstd * rstd * dot[c]);
        offsets[c] = (float)(-scale * sum[c]);
        dot[c] *= rstd;
    }
    for (int64_t c = 0; c < channels; c++) {
        a->t[DIFF_BETA][first + c] = (float)sum[c];
        a->t[DIFF_GAMMA][first + c] = (float)dot[c];
    }
    spread(v, k + SLOPES * v->width, slopes, channels);
    spread(v, k + OFFSETS * v->width, offsets, channels);
}

static void result_tile(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk,
                        const float *near, int64_t next)
{
    struct bn_block b = bn_block_of(v, panel, chunk);
    bool stream = STREAM && bn_streams(a) && (v->runs || b.columns >= V);
    struct walk w = {.x = a->t[SRC] + b.offset,
                     .dy = a->t[DIFF_DST] + b.offset,
                     .y = a->t[DIFF_SRC] + b.offset,
                     .k = bn_constants(a, v, BWD_ARRAYS, panel),
                     .width = v->width,
                     .stride = b.inner_stride,
                     .ahead = walk_ahead(v, &b),
                     .stream = stream};
    if (near)
        hot_stream_near_runs(&w, near, near + bn_chunk_floats(v), &b, next);
    else if (v->runs)
        (stream ? hot_gradient_stream_runs : hot_gradient_runs)(w.x, w.dy, w.y, &b, w.k, v->width,
                                                                w.ahead);
    else if (are_7x7(v) && !stream)
        hot_gradient_planes_7x7(&w, &b);
    else if (v->planes)
        (stream ? hot_stream_planes : hot_gradient_planes)(&w, &b, v->fold);
    else
        gradient_columns(v, &b, &w);
}

/* x and dy of a chunk together stay within it. */
static struct bn_view view(const struct problem *p, enum layout layout)
{
    return bn_training_view(&p->bn, layout, CHUNK_FLOATS, CHUNK_FLOATS, 2);
}

enum { TENSORS = 2, ARRAYS = BWD_ARRAYS };
#include "algorithms/bn/bn_driver.tmpl.h"
