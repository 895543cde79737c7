/* y = (x - mean) scale + shift, then max(0, y) where RELU says so (NaN stays NaN). Not folded into
 * x scale + (shift - mean scale), which loses digits when mean >> std.
 *
 * The includer defines RELU and STREAM. */
#include "bn_vec.h"

/* The constants of a panel, in this order. */
enum { MEANS, SCALES, SHIFTS, APPLY_ARRAYS };

static inline vf apply(vf x, vf mean, vf scale, vf shift)
{
    vf y = vfma(vsub(x, mean), scale, shift);
    return RELU ? vmax(vzero(), y) : y;
}

static inline void apply_runs(const float *restrict x, float *restrict y, const struct bn_block *b,
                              const float *restrict mean, const float *restrict scale,
                              const float *restrict shift, bool stream)
{
    vf m = vload(mean), s = vload(scale), t = vload(shift);
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

static __attribute__((noinline)) void hot_apply_runs(const float *x, float *y,
                                                     const struct bn_block *b, const float *mean,
                                                     const float *scale, const float *shift)
{
    apply_runs(x, y, b, mean, scale, shift, false);
}

static __attribute__((noinline)) void hot_stream_runs(const float *x, float *y,
                                                      const struct bn_block *b, const float *mean,
                                                      const float *scale, const float *shift)
{
    apply_runs(x, y, b, mean, scale, shift, true);
}

static inline void apply_column(const float *x, float *y, int64_t stride, int64_t rows,
                                const float *mean, const float *scale, const float *shift,
                                int64_t n, bool stream)
{
    vf m = vload(mean), s = vload(scale), t = vload(shift);
    for (int64_t r = 0; r < rows; r++)
        store_part(y + r * stride, apply(load_part(x + r * stride, n), m, s, t), n, stream);
}

/* The columns beyond the last whole vector. */
static __attribute__((noinline)) void edge_columns(const float *restrict x, float *restrict y,
                                                   int64_t stride, int64_t rows, const float *mean,
                                                   const float *scale, const float *shift,
                                                   int64_t n)
{
    apply_column(x, y, stride, rows, mean, scale, shift, n, false);
}

static inline void apply_columns(const float *restrict x, float *restrict y,
                                 const struct bn_block *b, const float *restrict mean,
                                 const float *restrict scale, const float *restrict shift,
                                 bool stream)
{
    int64_t stride = b->inner_stride, width = b->columns, whole = width / V * V;
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t at = o * b->outer_stride, r = 0;
        for (; r + ROWS <= b->inner; r += ROWS, at += ROWS * stride) {
            for (int64_t j = 0; j < whole; j += V)
                apply_column(x + at + j, y + at + j, stride, ROWS, mean + j, scale + j, shift + j,
                             V, stream);
            if (whole < width)
                edge_columns(x + at + whole, y + at + whole, stride, ROWS, mean + whole,
                             scale + whole, shift + whole, width - whole);
        }
        for (; r < b->inner; r++, at += stride) {
            for (int64_t j = 0; j < whole; j += V)
                apply_column(x + at + j, y + at + j, stride, 1, mean + j, scale + j, shift + j, V,
                             stream);
            if (whole < width)
                edge_columns(x + at + whole, y + at + whole, stride, 1, mean + whole, scale + whole,
                             shift + whole, width - whole);
        }
    }
}

static __attribute__((noinline)) void hot_apply_columns(const float *x, float *y,
                                                        const struct bn_block *b, const float *mean,
                                                        const float *scale, const float *shift)
{
    apply_columns(x, y, b, mean, scale, shift, false);
}

static __attribute__((noinline)) void hot_stream_columns(const float *x, float *y,
                                                         const struct bn_block *b,
                                                         const float *mean, const float *scale,
                                                         const float *shift)
{
    apply_columns(x, y, b, mean, scale, shift, true);
}

static void apply_block(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk)
{
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset, *k = bn_constants(a, v, APPLY_ARRAYS, panel);
    const float *mean = k + MEANS * v->width, *scale = k + SCALES * v->width,
                *shift = k + SHIFTS * v->width;
    float *y = a->t[DST] + b.offset;
    bool stream = STREAM && bn_streams(a);
    if (v->runs)
        (stream ? hot_stream_runs : hot_apply_runs)(x, y, &b, mean, scale, shift);
    else
        (stream && columns_aligned(y, &b) ? hot_stream_columns : hot_apply_columns)(x, y, &b, mean,
                                                                                    scale, shift);
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
