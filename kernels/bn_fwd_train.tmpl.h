/* Training forward pass over vec.h, two passes for the statistics; all layouts (see bn_tiles.h).
 *
 * The includer defines RELU (max(0, y) in the apply pass), SCHEDULE (enum bn_schedule) and STREAM
 * (non-temporal stores where bn_streams() says so).
 *
 * Sums are taken of x - k, with k the first value of the column, so that the error of the mean goes
 * with the spread of x and not with its size. The squares are taken about the mean of their chunk;
 * what the rounding of that mean costs is put right in float64, and the chunks are merged by Chan's
 * formula (Chan, Golub and LeVeque 1979), in float64 and in the order of the chunks. */
#include "bn_vec.h"

/* acc[j] = sum over rows of x[j] - k[j]. The first pass is the one that waits for memory, and the
 * hardware's prefetchers stop where a run ends (a 32x32 image is a page): the run after next is
 * asked for here. */
static __attribute__((noinline)) void hot_sum_runs(const float *restrict x,
                                                   const struct bn_block *b,
                                                   const float *restrict k, float *restrict acc)
{
    vf kv = vload(k), s0 = vzero(), s1 = vzero(), s2 = vzero(), s3 = vzero();
    int64_t n = b->inner;
    for (int64_t o = 0; o < b->outer; o++, x += b->outer_stride) {
        int64_t i = 0;
        for (; i + UNROLL * V <= n; i += UNROLL * V) {
            for (int64_t line = 0; line < UNROLL * V; line += 16)
                __builtin_prefetch(x + 2 * b->outer_stride + i + line);
            s0 = vadd(s0, vsub(vload(x + i), kv));
            s1 = vadd(s1, vsub(vload(x + i + V), kv));
            s2 = vadd(s2, vsub(vload(x + i + 2 * V), kv));
            s3 = vadd(s3, vsub(vload(x + i + 3 * V), kv));
        }
        for (; i + V <= n; i += V)
            s0 = vadd(s0, vsub(vload(x + i), kv));
        if (i < n)
            s1 = vadd(s1, vsub(vload_n(x + i, n - i), vload_n(k, n - i)));
    }
    acc[0] = vsum(vadd(vadd(s0, s1), vadd(s2, s3)));
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

static inline void sum_columns(const float *x, int64_t stride, int64_t rows, const float *k,
                               float *acc, int64_t n)
{
    vf kv = vload(k), s = vsub(load_part(x, n), kv);
    if (rows == ROWS) {
        s = vadd(s, vsub(load_part(x + stride, n), kv));
        s = vadd(s, vadd(vsub(load_part(x + 2 * stride, n), kv),
                         vsub(load_part(x + 3 * stride, n), kv)));
    }
    vstore(acc, vadd(vload(acc), s));
}

/* The columns beyond the last whole vector. */
static __attribute__((noinline)) void edge_sum_columns(const float *restrict x, int64_t stride,
                                                       int64_t rows, const float *restrict k,
                                                       float *restrict acc, int64_t n)
{
    sum_columns(x, stride, rows, k, acc, n);
}

static __attribute__((noinline)) void hot_sum_columns(const float *restrict x,
                                                      const struct bn_block *b,
                                                      const float *restrict k, float *restrict acc)
{
    int64_t stride = b->inner_stride, width = b->columns, whole = width / V * V;
    for (int64_t o = 0; o < b->outer; o++) {
        const float *row = x + o * b->outer_stride;
        int64_t r = 0;
        for (; r + ROWS <= b->inner; r += ROWS, row += ROWS * stride) {
            for (int64_t j = 0; j < whole; j += V)
                sum_columns(row + j, stride, ROWS, k + j, acc + j, V);
            if (whole < width)
                edge_sum_columns(row + whole, stride, ROWS, k + whole, acc + whole, width - whole);
        }
        for (; r < b->inner; r++, row += stride) {
            for (int64_t j = 0; j < whole; j += V)
                sum_columns(row + j, stride, 1, k + j, acc + j, V);
            if (whole < width)
                edge_sum_columns(row + whole, stride, 1, k + whole, acc + whole, width - whole);
        }
    }
}

static inline void squares_columns(const float *x, int64_t stride, int64_t rows,
                                   const float *centre, float *acc, int64_t n)
{
    vf c = vload(centre), d = vsub(load_part(x, n), c), s = vmul(d, d);
    if (rows == ROWS) {
        vf d1 = vsub(load_part(x + stride, n), c), d2 = vsub(load_part(x + 2 * stride, n), c);
        vf d3 = vsub(load_part(x + 3 * stride, n), c);
        s = vadd(vfma(d1, d1, s), vfma(d3, d3, vmul(d2, d2)));
    }
    vstore(acc, vadd(vload(acc), s));
}

/* The columns beyond the last whole vector. */
static __attribute__((noinline)) void edge_squares_columns(const float *restrict x, int64_t stride,
                                                           int64_t rows,
                                                           const float *restrict centre,
                                                           float *restrict acc, int64_t n)
{
    squares_columns(x, stride, rows, centre, acc, n);
}

static __attribute__((noinline)) void hot_squares_columns(const float *restrict x,
                                                          const struct bn_block *b,
                                                          const float *restrict centre,
                                                          float *restrict acc)
{
    int64_t stride = b->inner_stride, width = b->columns, whole = width / V * V;
    for (int64_t o = 0; o < b->outer; o++) {
        const float *row = x + o * b->outer_stride;
        int64_t r = 0;
        for (; r + ROWS <= b->inner; r += ROWS, row += ROWS * stride) {
            for (int64_t j = 0; j < whole; j += V)
                squares_columns(row + j, stride, ROWS, centre + j, acc + j, V);
            if (whole < width)
                edge_squares_columns(row + whole, stride, ROWS, centre + whole, acc + whole,
                                     width - whole);
        }
        for (; r < b->inner; r++, row += stride) {
            for (int64_t j = 0; j < whole; j += V)
                squares_columns(row + j, stride, 1, centre + j, acc + j, V);
            if (whole < width)
                edge_squares_columns(row + whole, stride, 1, centre + whole, acc + whole,
                                     width - whole);
        }
    }
}

#include "bn_apply.tmpl.h"

/* A centre for squared differences close to k + off: off rounded to three bits. As near as makes no difference to
 * precision, and on integers it keeps the squares exact, whatever the mean of a chunk happens to be. */
static float centre_near(double k, double off)
{
    int exponent;
    if (off - off != 0 || off == 0)
        return (float)(k + off);
    __builtin_frexp(off, &exponent);
    double step = __builtin_ldexp(1, exponent - 3);
    return (float)(k + __builtin_rint(off / step) * step);
}

/* Mean and squared differences of every channel of the block, into its partials. */
static void stats_block(const struct args *a, const struct bn_view *v, int64_t panel, int64_t chunk)
{
    _Alignas(64) float k[WIDE] = {0}, acc[WIDE] = {0}, centre[WIDE] = {0};
    struct bn_block b = bn_block_of(v, panel, chunk);
    const float *x = a->t[SRC] + b.offset;
    double count = (double)bn_block_count(v, &b), rows = (double)(b.outer * b.inner);
    double *partial = bn_partials(a, v, APPLY_ARRAYS, panel, chunk);
    for (int64_t j = 0; j < (v->runs ? PAD : b.columns); j++) {
        float first = x[v->runs ? 0 : j];
        k[j] = first - first == 0 ? first : 0; /* of inf and NaN no differences */
    }
    (v->runs ? hot_sum_runs : hot_sum_columns)(x, &b, k, acc);
    if (v->runs)
        rows = count;
    for (int64_t c = 0; c < b.channels; c++) {
        double sum = 0;
        for (int64_t j = c * v->fold; j < (c + 1) * v->fold; j++) {
            sum += rows * (double)k[j] + (double)acc[j];
            acc[j] = 0;
        }
        partial[2 * c] = sum / count;
        double mean = partial[2 * c], near_k = (double)k[v->runs ? 0 : c * v->fold];
        bn_spread(v, centre, c, v->chunks == 1 ? (float)mean : centre_near(near_k, mean - near_k));
    }
    (v->runs ? hot_squares_runs : hot_squares_columns)(x, &b, centre, acc);
    for (int64_t c = 0; c < b.channels; c++) {
        double off = partial[2 * c] - (double)centre[v->runs ? 0 : c * v->fold], sum = 0;
        for (int64_t j = c * v->fold; j < (c + 1) * v->fold; j++)
            sum += (double)acc[j];
        partial[2 * c + 1] = sum - count * off * off;
    }
}

/* Merges the chunks of a panel and sets what the apply pass needs. */
static void finish_panel(const struct args *a, const struct bn_view *v, int64_t panel)
{
    float *k = bn_constants(a, v, APPLY_ARRAYS, panel);
    for (int64_t i = 0; i < APPLY_ARRAYS * v->width; i++)
        k[i] = 0;
    int64_t channels = bn_block_of(v, panel, 0).channels, first = panel * v->panel_channels;
    double n = (double)(v->outer * v->inner * v->fold);
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, m2 = 0;
        for (int64_t i = 0; i < v->chunks; i++) {
            struct bn_block b = bn_block_of(v, panel, i);
            sum += (double)bn_block_count(v, &b) * bn_partials(a, v, APPLY_ARRAYS, panel, i)[2 * c];
        }
        double mean = v->chunks == 1 ? bn_partials(a, v, APPLY_ARRAYS, panel, 0)[2 * c] : sum / n;
        for (int64_t i = 0; i < v->chunks; i++) {
            struct bn_block b = bn_block_of(v, panel, i);
            const double *partial = bn_partials(a, v, APPLY_ARRAYS, panel, i) + 2 * c;
            double off = v->chunks == 1 ? 0 : partial[0] - mean;
            m2 += partial[1] + (double)bn_block_count(v, &b) * off * off;
        }
        double variance = m2 < 0 ? 0 : m2 / n;
        set_constants(a, v, k, first, c, mean, variance);
        if (first + c < v->channels) {
            a->t[MEAN][first + c] = (float)mean;
            a->t[VARIANCE][first + c] = (float)variance;
        }
    }
}

static void whole_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = bn_view_of(&a->problem->bn, a->formats.src, CHUNK_FLOATS);
    for (int64_t panel = first; panel < last; panel++) {
        for (int64_t chunk = 0; chunk < v.chunks; chunk++)
            stats_block(a, &v, panel, chunk);
        finish_panel(a, &v, panel);
        /* Backwards: what was read last is still near. */
        for (int64_t chunk = v.chunks; chunk-- > 0;)
            apply_block(a, &v, panel, chunk);
    }
}

static void stats_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = bn_view_of(&a->problem->bn, a->formats.src, CHUNK_FLOATS);
    for (int64_t i = first; i < last; i++)
        stats_block(a, &v, i % v.panels, i / v.panels);
}

static void finish_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = bn_view_of(&a->problem->bn, a->formats.src, CHUNK_FLOATS);
    for (int64_t panel = first; panel < last; panel++)
        finish_panel(a, &v, panel);
}

static void apply_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = bn_view_of(&a->problem->bn, a->formats.src, CHUNK_FLOATS);
    for (int64_t i = last; i-- > first;)
        apply_block(a, &v, i % v.panels, i / v.panels);
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    struct bn_view v = bn_view_of(&p->bn, f.src, CHUNK_FLOATS);
    return bn_scratch_bytes(&v, APPLY_ARRAYS, true);
}

static void run(const struct args *caller)
{
    struct args a = bn_team(caller);
    struct bn_view v = bn_view_of(&a.problem->bn, a.formats.src, CHUNK_FLOATS);
    if (bn_by_panel(&a, &v, SCHEDULE)) {
        run_tiles(&a, v.panels, whole_panels);
    } else {
        run_tiles(&a, v.panels * v.chunks, stats_tiles);
        run_tiles(&a, v.panels, finish_panels);
        run_tiles(&a, v.panels * v.chunks, apply_tiles);
    }
}
