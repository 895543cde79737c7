/* Backward pass over vec.h: dbeta and dgamma of a panel, then its dx; all layouts (see bn_tiles.h).
 *
 *   dx = scale (dy - dbeta / n - xhat dgamma / n) = scale dy + (x - mean) slope + offset
 *
 * with scale = gamma rstd, slope = -scale rstd dgamma / n, offset = -scale dbeta / n.
 *
 * The includer defines RELU (dy counts only where gamma xhat + beta > 0: the mask is recomputed
 * from x, which costs two operations where storing it would cost memory traffic), SCHEDULE and
 * STREAM. */
#include "bn_vec.h"

/* The constants of a panel, in this order. SHIFTS (beta) serves the mask only. */
enum { MEANS, SCALES, SLOPES, OFFSETS, SHIFTS, BWD_ARRAYS };

static inline vf masked(vf dy, vf centred, vf scale, vf shift)
{
    return RELU ? vkeep_positive(vfma(centred, scale, shift), dy) : dy;
}

/* The sums of one panel's columns; for runs in element 0. */
struct sums {
    float dy[WIDE], dot[WIDE]; /* sum dy, sum dy (x - mean) */
};

static __attribute__((noinline)) void
hot_sums_runs(const float *restrict x, const float *restrict dy, const struct bn_block *b,
              const float *restrict k, int64_t width, struct sums *restrict acc)
{
    const float *mean = k + MEANS * width;
    vf m = vload(mean), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    vf b0 = vzero(), b1 = vzero(), g0 = vzero(), g1 = vzero();
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t i = o * b->outer_stride, end = i + b->inner;
        for (; i + 2 * V <= end; i += 2 * V) {
            vf c0 = vsub(vload(x + i), m), c1 = vsub(vload(x + i + V), m);
            vf d0 = masked(vload(dy + i), c0, s, t), d1 = masked(vload(dy + i + V), c1, s, t);
            b0 = vadd(b0, d0);
            g0 = vfma(d0, c0, g0);
            b1 = vadd(b1, d1);
            g1 = vfma(d1, c1, g1);
        }
        if (i + V <= end) {
            vf c = vsub(vload(x + i), m), d = masked(vload(dy + i), c, s, t);
            b0 = vadd(b0, d);
            g0 = vfma(d, c, g0);
            i += V;
        }
        if (i < end) {
            vf c = vsub(vload_n(x + i, end - i), vload_n(mean, end - i));
            vf d = masked(vload_n(dy + i, end - i), c, s, t);
            b1 = vadd(b1, d);
            g1 = vfma(d, c, g1);
        }
    }
    acc->dy[0] = vsum(vadd(b0, b1));
    acc->dot[0] = vsum(vadd(g0, g1));
}

/* ROWS or 1 rows of n <= V columns. */
static inline void sums_column(const float *x, const float *dy, int64_t stride, int64_t rows,
                               const float *k, int64_t width, float *acc_dy, float *acc_dot,
                               int64_t n)
{
    vf m = vload(k + MEANS * width), s = vload(k + SCALES * width), t = vload(k + SHIFTS * width);
    vf sum = vload(acc_dy), dot = vload(acc_dot), part = vzero(), part_dot = vzero();
    for (int64_t r = 0; r < rows; r++) {
        vf c = vsub(load_part(x + r * stride, n), m),
           d = masked(load_part(dy + r * stride, n), c, s, t);
        part = vadd(part, d);
        part_dot = vfma(d, c, part_dot);
    }
    vstore(acc_dy, vadd(sum, part));
    vstore(acc_dot, vadd(dot, part_dot));
}

/* The columns beyond the last whole vector: what stays the same from row to row, so that the call
 * passes nothing on the stack. */
struct edge {
    int64_t stride, width, columns;
    const float *k;
    float *dy, *dot;
};

static __attribute__((noinline)) void edge_sums_columns(const float *restrict x,
                                                        const float *restrict dy, int64_t rows,
                                                        const struct edge *e)
{
    sums_column(x, dy, e->stride, rows, e->k, e->width, e->dy, e->dot, e->columns);
}

static __attribute__((noinline)) void
hot_sums_columns(const float *restrict x, const float *restrict dy, const struct bn_block *b,
                 const float *restrict k, int64_t width, struct sums *restrict acc)
{
    int64_t stride = b->inner_stride, columns = b->columns, whole = columns / V * V;
    struct edge edge = {stride,    width,           columns - whole,
                        k + whole, acc->dy + whole, acc->dot + whole};
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t at = o * b->outer_stride, r = 0;
        for (; r + ROWS <= b->inner; r += ROWS, at += ROWS * stride) {
            for (int64_t j = 0; j < whole; j += V)
                sums_column(x + at + j, dy + at + j, stride, ROWS, k + j, width, acc->dy + j,
                            acc->dot + j, V);
            if (whole < columns)
                edge_sums_columns(x + at + whole, dy + at + whole, ROWS, &edge);
        }
        for (; r < b->inner; r++, at += stride) {
            for (int64_t j = 0; j < whole; j += V)
                sums_column(x + at + j, dy + at + j, stride, 1, k + j, width, acc->dy + j,
                            acc->dot + j, V);
            if (whole < columns)
                edge_sums_columns(x + at + whole, dy + at + whole, 1, &edge);
        }
    }
}

/* Two rows at a time: five constants and two rows leave a few of 16 registers. */
enum { GRADIENT_ROWS = 2 };

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
                                 const float *restrict k, int64_t width, bool stream)
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
                                                        int64_t width)
{
    gradient_runs(x, dy, dx, b, k, width, false);
}

static __attribute__((noinline)) void hot_gradient_stream_runs(const float *x, const float *dy,
                                                               float *dx, const struct bn_block *b,
                                                               const float *k, int64_t width)
{
    gradient_runs(x, dy, dx, b, k, width, true);
}

static inline void gradient_column(const float *x, const float *dy, float *dx, int64_t stride,
                                   int64_t rows, const float *k, int64_t width, int64_t n,
                                   bool stream)
{
    struct gradient g = load_gradient(k, width);
    store_part(dx, gradient(load_part(x, n), load_part(dy, n), &g), n, stream);
    if (rows == GRADIENT_ROWS)
        store_part(dx + stride, gradient(load_part(x + stride, n), load_part(dy + stride, n), &g),
                   n, stream);
}

/* GRADIENT_ROWS rows or one. A function of their own: with the loops around it x86 runs out of pointers. */
static __attribute__((noinline)) void
hot_gradient_rows(const float *restrict x, const float *restrict dy, float *restrict dx,
                  int64_t stride, int64_t columns, const float *restrict k, int64_t width)
{
    int64_t j = 0;
    for (; j + V <= columns; j += V)
        gradient_column(x + j, dy + j, dx + j, stride, GRADIENT_ROWS, k + j, width, V, false);
    if (j < columns)
        gradient_column(x + j, dy + j, dx + j, stride, GRADIENT_ROWS, k + j, width, columns - j,
                        false);
}

static __attribute__((noinline)) void hot_gradient_row(const float *restrict x,
                                                       const float *restrict dy, float *restrict dx,
                                                       int64_t columns, const float *restrict k,
                                                       int64_t width)
{
    int64_t j = 0;
    for (; j + V <= columns; j += V)
        gradient_column(x + j, dy + j, dx + j, 0, 1, k + j, width, V, false);
    if (j < columns)
        gradient_column(x + j, dy + j, dx + j, 0, 1, k + j, width, columns - j, false);
}

/* One row past the cache; whole vectors only. */
static __attribute__((noinline)) void
hot_gradient_stream_row(const float *restrict x, const float *restrict dy, float *restrict dx,
                        int64_t columns, const float *restrict k, int64_t width)
{
    for (int64_t j = 0; j < columns; j += V)
        gradient_column(x + j, dy + j, dx + j, 0, 1, k + j, width, V, true);
}

static void gradient_columns(const float *x, const float *dy, float *dx, const struct bn_block *b,
                             const float *k, int64_t width, bool stream)
{
    for (int64_t o = 0; o < b->outer; o++) {
        int64_t at = o * b->outer_stride, r = 0;
        for (; stream && r < b->inner; r++, at += b->inner_stride)
            hot_gradient_stream_row(x + at, dy + at, dx + at, b->columns, k, width);
        for (; r + GRADIENT_ROWS <= b->inner;
             r += GRADIENT_ROWS, at += GRADIENT_ROWS * b->inner_stride)
            hot_gradient_rows(x + at, dy + at, dx + at, b->inner_stride, b->columns, k, width);
        if (r < b->inner)
            hot_gradient_row(x + at, dy + at, dx + at, b->columns, k, width);
    }
}

static double rstd_of(const struct args *a, int64_t c)
{
    return 1 / __builtin_sqrt((double)a->t[VARIANCE][c] + a->problem->eps);
}

/* The constants known before the sums. Lanes beyond the channels stay zero, and so does their dx.
 */
static void start_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    float *k = bn_constants(a, v, BWD_ARRAYS, panel);
    for (int64_t i = 0; i < BWD_ARRAYS * v->width; i++)
        k[i] = 0;
    int64_t first = panel * v->panel_channels;
    for (int64_t c = 0; c < v->panel_channels && first + c < v->channels; c++) {
        double gamma = a->t[GAMMA] ? a->t[GAMMA][first + c] : 1;
        bn_spread(v, k + MEANS * v->width, c, a->t[MEAN][first + c]);
        bn_spread(v, k + SCALES * v->width, c, (float)(gamma * rstd_of(a, first + c)));
        if (RELU)
            bn_spread(v, k + SHIFTS * v->width, c, a->t[BETA] ? a->t[BETA][first + c] : 0);
    }
}

static void sums_block(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk)
{
    _Alignas(64) struct sums acc = {0};
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset, *dy = a->t[DIFF_DST] + b.offset;
    double *partial = bn_partials(a, v, BWD_ARRAYS, panel, chunk);
    (v->runs ? hot_sums_runs : hot_sums_columns)(x, dy, &b, bn_constants(a, v, BWD_ARRAYS, panel),
                                                 v->width, &acc);
    for (int64_t c = 0; c < b.channels; c++) {
        double sum = 0, dot = 0;
        for (int64_t j = c * v->fold; j < (c + 1) * v->fold; j++) {
            sum += (double)acc.dy[j];
            dot += (double)acc.dot[j];
        }
        partial[2 * c] = sum;
        partial[2 * c + 1] = dot;
    }
}

/* Adds up the chunks of a panel, in their order, and sets what the dx pass needs. */
static void finish_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    float *k = bn_constants(a, v, BWD_ARRAYS, panel);
    int64_t first = panel * v->panel_channels;
    double n = (double)(v->outer * v->inner * v->fold);
    for (int64_t c = 0; c < v->panel_channels && first + c < v->channels; c++) {
        double sum = 0, dot = 0, rstd = rstd_of(a, first + c);
        for (int64_t i = 0; i < v->chunks; i++) {
            const double *partial = bn_partials(a, v, BWD_ARRAYS, panel, i) + 2 * c;
            sum += partial[0];
            dot += partial[1];
        }
        a->t[DIFF_BETA][first + c] = (float)sum;
        a->t[DIFF_GAMMA][first + c] = (float)(dot * rstd);
        double scale = (a->t[GAMMA] ? (double)a->t[GAMMA][first + c] : 1) * rstd;
        bn_spread(v, k + SLOPES * v->width, c, (float)(-scale * rstd * rstd * dot / n));
        bn_spread(v, k + OFFSETS * v->width, c, (float)(-scale * sum / n));
    }
}

static void gradient_block(const struct args *a, const struct bn_view *v, int64_t panel,
                           int64_t chunk)
{
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset, *dy = a->t[DIFF_DST] + b.offset;
    const float *k = bn_constants(a, v, BWD_ARRAYS, panel);
    float *dx = a->t[DIFF_SRC] + b.offset;
    bool stream = STREAM && bn_streams(a);
    if (v->runs)
        (stream ? hot_gradient_stream_runs : hot_gradient_runs)(x, dy, dx, &b, k, v->width);
    else
        gradient_columns(x, dy, dx, &b, k, v->width, stream && columns_aligned(dx, &b));
    if (stream)
        vfence();
}

/* x and dy of a chunk together stay within it. */
static struct bn_view view(const struct problem *p, enum layout layout)
{
    return bn_view_of(&p->bn, layout, CHUNK_FLOATS / 2);
}

static void whole_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = view(a->problem, a->formats.src);
    for (int64_t panel = first; panel < last; panel++) {
        start_panel(a, &v, panel);
        for (int64_t chunk = 0; chunk < v.chunks; chunk++)
            sums_block(a, &v, panel, chunk);
        finish_panel(a, &v, panel);
        /* Backwards: what was read last is still near. */
        for (int64_t chunk = v.chunks; chunk-- > 0;)
            gradient_block(a, &v, panel, chunk);
    }
}

static void start_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = view(a->problem, a->formats.src);
    for (int64_t panel = first; panel < last; panel++)
        start_panel(a, &v, panel);
}

static void sums_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = view(a->problem, a->formats.src);
    for (int64_t i = first; i < last; i++)
        sums_block(a, &v, i % v.panels, i / v.panels);
}

static void finish_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = view(a->problem, a->formats.src);
    for (int64_t panel = first; panel < last; panel++)
        finish_panel(a, &v, panel);
}

static void gradient_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = view(a->problem, a->formats.src);
    for (int64_t i = last; i-- > first;)
        gradient_block(a, &v, i % v.panels, i / v.panels);
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    struct bn_view v = view(p, f.src);
    return bn_scratch_bytes(&v, BWD_ARRAYS, true);
}

static void run(const struct args *caller)
{
    struct args a = bn_team(caller);
    struct bn_view v = view(a.problem, a.formats.src);
    if (bn_by_panel(&a, &v, SCHEDULE)) {
        run_tiles(&a, v.panels, whole_panels);
    } else {
        start_panels(&a, 0, v.panels, 0);
        run_tiles(&a, v.panels * v.chunks, sums_tiles);
        run_tiles(&a, v.panels, finish_panels);
        run_tiles(&a, v.panels * v.chunks, gradient_tiles);
    }
}
