/* y = (x - mean) scale + shift, then max(0, y) where RELU says so (NaN stays NaN). Not folded into
 * x scale + (shift - mean scale), which loses digits when mean >> std.
 *
 * The includer defines RELU and STREAM. */
#include "bn_vec.h"

/* The constants of a panel, in this order. */
enum { MEANS, SCALES, SHIFTS, APPLY_ARRAYS };
/* Rows of columns taken together: their constants are loaded once. */
enum { APPLY_ROWS = 2 };

static inline vf apply(vf x, vf mean, vf scale, vf shift)
{
    vf y = vfma(vsub(x, mean), scale, shift);
    return RELU ? vmax(vzero(), y) : y;
}

static inline void apply_runs(const float *restrict x, float *restrict y, const struct bn_block *b,
                              const float *restrict k, int64_t width, bool stream)
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
            for (int64_t u = 0; u < UNROLL * V; u += V)
                store_part(y + i + u, apply(vload(x + i + u), m, s, t), V, stream);
        for (; i + V <= end; i += V)
            store_part(y + i, apply(vload(x + i), m, s, t), V, stream);
        if (i < end)
            vstore_n(y + i, apply(vload_n(x + i, end - i), m, s, t), end - i);
    }
}

static __attribute__((noinline)) void
hot_apply_runs(const float *x, float *y, const struct bn_block *b, const float *k, int64_t width)
{
    apply_runs(x, y, b, k, width, false);
}

static __attribute__((noinline)) void
hot_stream_runs(const float *x, float *y, const struct bn_block *b, const float *k, int64_t width)
{
    apply_runs(x, y, b, k, width, true);
}

static inline void apply_column(const float *x, float *y, int64_t stride, int64_t rows,
                                const float *k, int64_t width, int64_t n, bool stream)
{
    vf m = vload(k + MEANS * width), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    store_part(y, apply(load_part(x, n), m, s, t), n, stream);
    if (rows == APPLY_ROWS)
        store_part(y + stride, apply(load_part(x + stride, n), m, s, t), n, stream);
}

/* APPLY_ROWS rows or one. A function of their own: with the loops around it x86 runs out of pointers. */
static __attribute__((noinline)) void hot_apply_rows(const float *restrict x, float *restrict y,
                                                     int64_t stride, int64_t columns,
                                                     const float *restrict k, int64_t width)
{
    int64_t j = 0;
    for (; j + V <= columns; j += V)
        apply_column(x + j, y + j, stride, APPLY_ROWS, k + j, width, V, false);
    if (j < columns)
        apply_column(x + j, y + j, stride, APPLY_ROWS, k + j, width, columns - j, false);
}

static __attribute__((noinline)) void hot_apply_row(const float *restrict x, float *restrict y,
                                                    int64_t columns, const float *restrict k,
                                                    int64_t width)
{
    int64_t j = 0;
    for (; j + V <= columns; j += V)
        apply_column(x + j, y + j, 0, 1, k + j, width, V, false);
    if (j < columns)
        apply_column(x + j, y + j, 0, 1, k + j, width, columns - j, false);
}

/* One row past the cache; whole vectors only. */
static __attribute__((noinline)) void hot_stream_row(const float *restrict x, float *restrict y,
                                                     int64_t columns, const float *restrict k,
                                                     int64_t width)
{
    for (int64_t j = 0; j < columns; j += V)
        apply_column(x + j, y + j, 0, 1, k + j, width, V, true);
}

static void apply_columns(const float *x, float *y, const struct bn_block *b, const float *k,
                          int64_t width, bool stream)
{
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t at = o * b->outer_stride, r = 0;
        for (; stream && r < b->inner; r++, at += b->inner_stride)
            hot_stream_row(x + at, y + at, b->columns, k, width);
        for (; r + APPLY_ROWS <= b->inner; r += APPLY_ROWS, at += APPLY_ROWS * b->inner_stride)
            hot_apply_rows(x + at, y + at, b->inner_stride, b->columns, k, width);
        if (r < b->inner)
            hot_apply_row(x + at, y + at, b->columns, k, width);
    }
}

static void apply_block(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk)
{
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset, *k = bn_constants(a, v, APPLY_ARRAYS, panel);
    float *y = a->t[DST] + b.offset;
    bool stream = STREAM && bn_streams(a);
    if (v->runs)
        (stream ? hot_stream_runs : hot_apply_runs)(x, y, &b, k, v->width);
    else
        apply_columns(x, y, &b, k, v->width, stream && columns_aligned(y, &b));
    if (stream)
        vfence();
}

/* Sets the constants of a channel from its mean and variance. The shift makes up for the rounding
 * of the mean. */
static void set_constants(const struct args *a, const struct bn_view *v, float *k, int64_t first,
                          int64_t channel, double mean, double variance)
{
    int64_t c = first + channel;
    float rounded = (float)mean, scale = 0, shift = 0;
    if (c < v->channels) {
        double gamma = a->t[GAMMA] ? a->t[GAMMA][c] : 1, beta = a->t[BETA] ? a->t[BETA][c] : 0;
        double exact = gamma / __builtin_sqrt(variance + a->problem->eps);
        scale = (float)exact;
        shift = (float)(beta + (rounded == mean ? 0 : (rounded - mean) * exact));
    }
    bn_spread(v, k + MEANS * v->width, channel, rounded);
    bn_spread(v, k + SCALES * v->width, channel, scale);
    bn_spread(v, k + SHIFTS * v->width, channel, shift);
}
