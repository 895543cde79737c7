/* y = (x - mean) scale + shift, then max(0, y) where RELU says so (NaN stays NaN). Not folded into
 * x scale + (shift - mean scale), which loses digits when mean >> std.
 *
 * The includer defines RELU and STREAM. */
#include "algorithms/bn/bn_vec.h"

/* The constants of a panel, in this order. */
enum { MEANS, SCALES, SHIFTS, APPLY_ARRAYS };
static inline vf apply(vf x, vf mean, vf scale, vf shift)
{
    vf y = vfma(vsub(x, mean), scale, shift);
    return RELU ? vmax(vzero(), y) : y;
}

static inline void apply_runs(const float *restrict x, float *restrict y, const struct bn_block *b,
                              const float *restrict k, int64_t width, int64_t ahead, bool stream)
{
    vf m = vload(k + MEANS * width), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t i = o * b->outer_stride, end = i + b->inner;
        if (stream && V > 1) {
            int64_t head = floats_to_aligned(y + i, b->inner);
            vstore_n(y + i, apply(vload_n(x + i, head), m, s, t), head);
            i += head;
        }
        for (; i + UNROLL * V <= end; i += UNROLL * V)
            for (int64_t u = 0; u < UNROLL * V; u += V) {
                if (!stream)
                    ask(y + i + ahead, u);
                store_part(y + i + u, apply(vload(x + i + u), m, s, t), V, stream);
            }
        for (; i + V <= end; i += V)
            store_part(y + i, apply(vload(x + i), m, s, t), V, stream);
        if (i < end)
            vstore_n(y + i, apply(vload_n(x + i, end - i), m, s, t), end - i);
    }
}

static __attribute__((noinline)) void hot_apply_runs(const float *x, float *y,
                                                     const struct bn_block *b, const float *k,
                                                     int64_t width, int64_t ahead)
{
    apply_runs(x, y, b, k, width, ahead, false);
}

static __attribute__((noinline)) void hot_stream_runs(const float *x, float *y,
                                                      const struct bn_block *b, const float *k,
                                                      int64_t width, int64_t ahead)
{
    apply_runs(x, y, b, k, width, ahead, true);
}

/* From the copy, past the cache; asks for the lines of another tile, `next` floats from this one. */
static __attribute__((noinline)) void hot_stream_near_runs(const float *restrict x,
                                                           float *restrict y, const float *next,
                                                           const struct bn_block *b,
                                                           const float *restrict k, int64_t width)
{
    vf m = vload(k + MEANS * width), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    for (int64_t o = 0; o < b->outer;
         o++, x += b->inner, y += b->outer_stride, next += b->outer_stride) {
        int64_t n = b->inner, i = V > 1 ? floats_to_aligned(y, n) : 0;
        ask(next, 0);
        vstore_n(y, apply(vload_n(x, i), m, s, t), i);
        for (; i + UNROLL * V <= n; i += UNROLL * V)
            for (int64_t u = 0; u < UNROLL * V; u += V) {
                ask(next + i + V - 1, u);
                store_part(y + i + u, apply(vload(x + i + u), m, s, t), V, true);
            }
        for (; i + V <= n; i += V) {
            ASK_L2(next + i + V - 1);
            store_part(y + i, apply(vload(x + i), m, s, t), V, true);
        }
        if (i < n)
            vstore_n(y + i, apply(vload_n(x + i, n - i), m, s, t), n - i);
    }
}

static inline __attribute__((always_inline)) void apply_strip(const struct walk *w, int64_t at,
                                                              int64_t j, int64_t rows,
                                                              int64_t vectors, int64_t n,
                                                              bool stream)
{
    const float *x = w->x + at, *k = w->k + j;
    float *y = w->y + at;
    int64_t stride = w->stride;
    vf m[2], s[2], t[2];
    VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        m[u] = vload(k + MEANS * w->width + u * V);
        s[u] = vload(k + SCALES * w->width + u * V);
        t[u] = vload(k + SHIFTS * w->width + u * V);
    }
    for (int64_t r = 0; r < rows; r++, x += stride, y += stride)
        VEC_UNROLL
    for (int u = 0; u < vectors; u++) {
        if (!stream)
            ask(y + w->ahead, u * V);
        store_part(y + u * V, apply(load_part(x + u * V, n), m[u], s[u], t[u]), n, stream);
    }
}

/* Rows of one or two vectors, or, of none, of one with n floats. */
static __attribute__((noinline)) void hot_apply(const struct walk *w, int64_t at, int64_t j,
                                                int64_t rows, int64_t vectors, int64_t n)
{
    if (vectors == 0)
        apply_strip(w, at, j, rows, 1, n, false);
    else if (vectors == 2 && w->stream)
        apply_strip(w, at, j, rows, 2, V, true);
    else if (vectors == 2)
        apply_strip(w, at, j, rows, 2, V, false);
    else if (w->stream)
        apply_strip(w, at, j, rows, 1, V, true);
    else
        apply_strip(w, at, j, rows, 1, V, false);
}

/* Streams contiguous rows, or one row, past the cache: n floats from the panel's first column on, in whole aligned vectors
 * for any number of columns. The constants repeat every `columns` floats. */
static __attribute__((noinline)) void hot_stream_rows(const struct walk *w, int64_t at, int64_t n,
                                                      int64_t columns)
{
    const float *restrict x = w->x + at, *means = w->k + MEANS * w->width,
                          *scales = w->k + SCALES * w->width;
    const float *shifts = w->k + SHIFTS * w->width;
    float *restrict y = w->y + at;
    int64_t i = floats_to_aligned(y, n), j = i;
    vstore_n(y, apply(vload_n(x, i), vload(means), vload(scales), vload(shifts)), i);
    for (; i + V <= n; i += V) {
        __builtin_prefetch(x + i + 1024);
        j = j >= columns ? j - columns : j;
        vstream(y + i, apply(vload(x + i), vload(means + j), vload(scales + j), vload(shifts + j)));
        j += V;
    }
    j = j >= columns ? j - columns : j;
    if (i < n)
        vstore_n(y + i,
                 apply(vload_n(x + i, n - i), vload_n(means + j, n - i), vload_n(scales + j, n - i),
                       vload_n(shifts + j, n - i)),
                 n - i);
}

static void apply_columns(const struct bn_view *v, const struct bn_block *b, const struct walk *w)
{
    if (w->stream && !columns_aligned(w->y, b)) {
        int64_t n = v->wraps ? b->inner * b->columns : b->columns;
        for (int64_t at = 0; at < b->inner * b->inner_stride; at += v->wraps ? n : b->inner_stride)
            hot_stream_rows(w, at, n, b->columns);
    } else {
        walk_strips(b, 2, hot_apply, w);
    }
}

/* Planes of n floats; the last vector overlaps the one before. If results are streamed past the cache, a row is first
 * collected in L1: it consists of whole lines, and planes do not. */
static inline __attribute__((always_inline)) void
apply_planes(const struct walk *w, const struct bn_block *b, int64_t n, bool stream)
{
    _Alignas(64) float row[ROW_FLOATS];
    for (int64_t r = 0; r < b->inner; r++) {
        const float *x = w->x + r * b->inner_stride, *k = w->k;
        float *y = w->y + r * b->inner_stride, *to = stream ? row : y;
        for (int64_t c = 0; c < b->channels; c++, x += n, to += n) {
            const vf m = vset1(k[MEANS * w->width + c]), s = vset1(k[SCALES * w->width + c]),
                     t = vset1(k[SHIFTS * w->width + c]);
            const vf last = apply(vload(x + n - V), m, s, t);
            if (!stream)
                ask_plane(to + w->ahead, n);
            for (int64_t i = 0; i + V <= n; i += V)
                vstore(to + i, apply(vload(x + i), m, s, t));
            vstore(to + n - V, last);
        }
        if (stream)
            stream_floats(y, row, b->columns);
    }
}

static __attribute__((noinline)) void hot_apply_planes(const struct walk *w,
                                                       const struct bn_block *b, int64_t n)
{
    apply_planes(w, b, n, false);
}

static __attribute__((noinline)) void hot_apply_planes_7x7(const struct walk *w,
                                                           const struct bn_block *b)
{
    apply_planes(w, b, 7 * 7, false);
}

static __attribute__((noinline)) void hot_stream_planes(const struct walk *w,
                                                        const struct bn_block *b, int64_t n)
{
    apply_planes(w, b, n, true);
}

static void result_tile(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk,
                        const float *near, int64_t next)
{
    struct bn_block b = bn_block_of(v, panel, chunk);
    bool stream = STREAM && bn_streams(a) && (v->runs || b.columns >= V);
    struct walk w = {.x = a->t[SRC] + b.offset,
                     .y = a->t[DST] + b.offset,
                     .width = v->width,
                     .stream = stream,
                     .k = bn_constants(a, v, APPLY_ARRAYS, panel),
                     .stride = b.inner_stride,
                     .ahead = walk_ahead(v, &b)};
    if (near)
        hot_stream_near_runs(near, w.y, w.x + next, &b, w.k, v->width);
    else if (v->runs)
        (stream ? hot_stream_runs : hot_apply_runs)(w.x, w.y, &b, w.k, v->width, w.ahead);
    else if (are_7x7(v) && !stream)
        hot_apply_planes_7x7(&w, &b);
    else if (v->planes)
        (stream ? hot_stream_planes : hot_apply_planes)(&w, &b, v->fold);
    else
        apply_columns(v, &b, &w);
}

/* Sets the constants of a panel from its channels' means and variances. The shift compensates the rounding of the
 * mean. Lanes beyond the channels stay zero, and so do their results. */
static void set_constants(const struct args *a, const struct bn_view *v, int64_t panel,
                          int64_t channels, const double *restrict mean,
                          const double *restrict variance)
{
    float *k = bn_constants(a, v, APPLY_ARRAYS, panel);
    float means[WIDE], scales[WIDE], shifts[WIDE];
    const float *gamma = a->t[GAMMA], *beta = a->t[BETA];
    int64_t first = panel * v->panel_channels;
    double eps = a->problem->eps;
    for (int64_t c = 0; c < channels; c++) {
        scales[c] = gamma ? gamma[first + c] : 1;
        shifts[c] = beta ? beta[first + c] : 0;
    }
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) {
        float rounded = (float)mean[c];
        double exact = (double)scales[c] / __builtin_sqrt(variance[c] + eps);
        double rest = ((double)rounded - mean[c]) * exact;
        means[c] = rounded;
        scales[c] = (float)exact;
        shifts[c] = (float)((double)shifts[c] + ((double)rounded == mean[c] ? 0 : rest));
    }
    for (int64_t i = 0; i < APPLY_ARRAYS * v->width; i++)
        k[i] = 0;
    spread(v, k + MEANS * v->width, means, channels);
    spread(v, k + SCALES * v->width, scales, channels);
    spread(v, k + SHIFTS * v->width, shifts, channels);
}
