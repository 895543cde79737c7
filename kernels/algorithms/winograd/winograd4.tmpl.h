/* The parts the three passes of Winograd's F(4x4,3x3) share (Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015; points 0, 1, -1, 2, -2 and infinity): the transforms, the copies they work on, the register tile.
 *
 *   forward, gradient of the data   Y  = A' (sum over channels of (G g G') * (B' d B)) A
 *   gradient of the weights         dg = G' (sum over tiles of (B' d B) * (A dy A')) G
 *
 * d: a 6x6 patch of the input, g: a 3x3 kernel, y: a 4x4 tile of the output, * element by element. For each of the 36
 * points the sum is a matrix product. Lanes are channels everywhere, so V transforms run at once without a shuffle;
 * plain nchw is transposed when it is read and written.
 *
 * A 4x4 tile takes 36 products a pair of channels, where F(2x2,3x3) takes 64 and the direct sum 144, and more additions before
 * and after. Limited by the FMA ports with many channels, with few by the transforms and the L2 they go through. Blocks of
 * tiles are dealt to threads by a grid that follows from the problem alone: the same bits for any number of threads. */
#include "shared/carve.h"
#include "shared/floats.h"
#include "shared/partition.h"
#include "shared/tensor.h"
#include "shared/turn.h"
#include "vec/vec.h"

/* Parameters:
 *
 *   W4_ROWS       1 to 6    rows of a register tile, each a broadcast
 *   W4_VECTORS    1 to 4    vectors of a row
 *   W4_TURNED     bool      rows lie side by side, not the products of a sum */
_Static_assert(W4_ROWS >= 1 && W4_ROWS <= 6, "w4_product() unrolls up to W4_MAX_ROWS rows");
_Static_assert(W4_VECTORS >= 1 && W4_VECTORS <= 4, "hot_w4() has a case for 1 to 4 vectors");

enum { W4_TILE = 4, W4_PATCH = 6, W4_POINTS = 36, W4_MAX_ROWS = 6, W4_MAX_VECTORS = 4 };

/* m[r][j] (+)= sum over i of a[r a_row + i a_step] b[i][j], r < rows, j < k vectors. Meanwhile rows * n floats at `next`,
 * which the next call will read, are fetched to L1. */
static inline __attribute__((always_inline)) void
w4_product(int rows, int k, float *m, int64_t m_row, bool add, const float *a, int64_t a_row,
           int64_t a_step, const float *b, int64_t b_row, int64_t n, const float *next)
{
    vf sum[W4_MAX_ROWS][W4_MAX_VECTORS];
    const float *at[W4_MAX_ROWS];
#pragma GCC unroll 6
    for (int r = 0; r < W4_MAX_ROWS; r++) {
        at[r] = a + (r < rows ? r : 0) * a_row;
#pragma GCC unroll 4
        for (int j = 0; j < W4_MAX_VECTORS; j++)
            if (r < rows && j < k)
                sum[r][j] = vzero();
    }
    if (add) {
#pragma GCC unroll 6
        for (int r = 0; r < W4_MAX_ROWS; r++)
#pragma GCC unroll 4
            for (int j = 0; j < W4_MAX_VECTORS; j++)
                if (r < rows && j < k)
                    sum[r][j] = vload(m + r * m_row + j * V);
    }
    for (int64_t i = 0; i < n; i++) {
        vf row[W4_MAX_VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < W4_MAX_VECTORS; j++)
            if (j < k)
                row[j] = vload(b + j * V);
        b += b_row;
        __builtin_prefetch(next + i * rows);
#pragma GCC unroll 6
        for (int r = 0; r < W4_MAX_ROWS; r++) {
            if (r >= rows)
                break;
            vf x = vset1(at[r][i * a_step]);
#pragma GCC unroll 4
            for (int j = 0; j < W4_MAX_VECTORS; j++)
                if (j < k)
                    sum[r][j] = vfma(x, row[j], sum[r][j]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < W4_MAX_ROWS; r++)
#pragma GCC unroll 4
        for (int j = 0; j < W4_MAX_VECTORS; j++)
            if (r < rows && j < k)
                vstore(m + r * m_row + j * V, sum[r][j]);
}

static inline __attribute__((always_inline)) void w4_vectors(int k, float *m, bool add,
                                                             const float *a, int64_t pitch,
                                                             const float *b, int64_t n,
                                                             const float *next)
{
    if (k <= W4_VECTORS)
        w4_product(W4_ROWS, k, m, k * V, add, a, W4_TURNED ? 1 : pitch, W4_TURNED ? pitch : 1, b,
                   k * V, n, next);
}

/* A register tile of k vectors whose m and b have rows of k vectors. It stands alone (noinline) so that its code can be
 * found and checked for spills. */
static __attribute__((noinline)) void hot_w4(int64_t k, float *m, bool add, const float *a,
                                             int64_t pitch, const float *b, int64_t n,
                                             const float *next)
{
    switch (k) {
    case 1: w4_vectors(1, m, add, a, pitch, b, n, next); break;
    case 2: w4_vectors(2, m, add, a, pitch, b, n, next); break;
    case 3: w4_vectors(3, m, add, a, pitch, b, n, next); break;
    default: w4_vectors(4, m, add, a, pitch, b, n, next);
    }
}

/* The one-dimensional transforms. */

/* B' d */
static inline void w4_bt(const vf d[6], vf v[6])
{
    const vf two = vset1(2), four = vset1(4), five = vset1(-5), minus4 = vset1(-4);
    vf even = vfma(minus4, d[2], d[4]), odd = vfma(minus4, d[1], d[3]);
    vf even2 = vsub(d[4], d[2]), odd2 = vmul(two, vsub(d[3], d[1]));
    v[0] = vfma(four, d[0], vfma(five, d[2], d[4]));
    v[1] = vadd(even, odd);
    v[2] = vsub(even, odd);
    v[3] = vadd(even2, odd2);
    v[4] = vsub(even2, odd2);
    v[5] = vfma(four, d[1], vfma(five, d[3], d[5]));
}

/* A' m */
static inline void w4_at(const vf m[6], vf y[4])
{
    const vf two = vset1(2), four = vset1(4), eight = vset1(8);
    vf s = vadd(m[1], m[2]), d = vsub(m[1], m[2]), s2 = vadd(m[3], m[4]), d2 = vsub(m[3], m[4]);
    y[0] = vadd(m[0], vadd(s, s2));
    y[1] = vfma(two, d2, d);
    y[2] = vfma(four, s2, s);
    y[3] = vadd(vfma(eight, d2, d), m[5]);
}

/* G g */
static inline void w4_g(const vf g[3], vf u[6])
{
    const vf sixth = vset1(-1.f / 6), small = vset1(1.f / 24);
    vf even = vmul(sixth, vadd(g[0], g[2])), odd = vmul(sixth, g[1]);
    vf even2 = vfma(small, g[0], vmul(vset1(1.f / 6), g[2])), odd2 = vmul(vset1(1.f / 12), g[1]);
    u[0] = vmul(vset1(0.25f), g[0]);
    u[1] = vadd(even, odd);
    u[2] = vsub(even, odd);
    u[3] = vadd(even2, odd2);
    u[4] = vsub(even2, odd2);
    u[5] = g[2];
}

/* A y */
static inline void w4_a(const vf y[4], vf m[6])
{
    const vf two = vset1(2), four = vset1(4);
    vf even = vadd(y[0], y[2]), odd = vadd(y[1], y[3]);
    vf even2 = vfma(four, y[2], y[0]), odd2 = vmul(two, vfma(four, y[3], y[1]));
    m[0] = y[0];
    m[1] = vadd(even, odd);
    m[2] = vsub(even, odd);
    m[3] = vadd(even2, odd2);
    m[4] = vsub(even2, odd2);
    m[5] = y[3];
}

/* G' m */
static inline void w4_gt(const vf m[6], vf g[3])
{
    const vf sixth = vset1(1.f / 6);
    vf s = vadd(m[1], m[2]), d = vsub(m[2], m[1]), s2 = vadd(m[3], m[4]), d2 = vsub(m[3], m[4]);
    g[0] = vfma(vset1(0.25f), m[0], vfma(vset1(-1.f / 6), s, vmul(vset1(1.f / 24), s2)));
    g[1] = vfma(sixth, d, vmul(vset1(1.f / 12), d2));
    g[2] = vfma(sixth, vsub(s2, s), m[5]);
}

/* And the two-dimensional ones, down the columns first. Points are `point` floats apart at `out`. */

/* B' d B of the patch at d, pixels `col` and rows `row` floats apart. */
static inline void w4_patch(const float *d, int64_t row, int64_t col, float *out, int64_t point)
{
    vf t[6][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        vf in[6], v[6];
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            in[y] = vload(d + y * row + x * col);
        w4_bt(in, v);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            t[y][x] = v[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
        vf v[6];
        w4_bt(t[y], v);
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++)
            vstore(out + (6 * y + x) * point, v[x]);
    }
}

/* A y A' of the tile at y. */
static inline void w4_gradient(const float *y, int64_t row, int64_t col, float *out, int64_t point)
{
    vf t[6][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; x++) {
        vf in[4], m[6];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            in[i] = vload(y + i * row + x * col);
        w4_a(in, m);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++)
            t[i][x] = m[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf m[6];
        w4_a(t[i], m);
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++)
            vstore(out + (6 * i + x) * point, m[x]);
    }
}

/* G g G' of the nine vectors at g; with `turned` of the kernel turned by half a turn. */
static inline void w4_kernel(const float *g, bool turned, float *out, int64_t point)
{
    vf t[6][3];
#pragma GCC unroll 3
    for (int x = 0; x < 3; x++) {
        vf in[3], u[6];
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++)
            in[y] = vload(g + (turned ? 8 - 3 * y - x : 3 * y + x) * V);
        w4_g(in, u);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            t[y][x] = u[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
        vf u[6];
        w4_g(t[y], u);
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++)
            vstore(out + (6 * y + x) * point, u[x]);
    }
}

/* A' m A. */
static inline void w4_result(const float *m, int64_t point, vf out[4][4])
{
    vf t[4][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        vf in[6], y[4];
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++)
            in[i] = vload(m + (6 * i + x) * point);
        w4_at(in, y);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            t[i][x] = y[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        w4_at(t[i], out[i]);
}

/* G' m G, to nine vectors at `out`. */
static inline void w4_kernel_gradient(const float *m, int64_t point, float *out)
{
    vf t[3][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        vf in[6], g[3];
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            in[y] = vload(m + (6 * y + x) * point);
        w4_gt(in, g);
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++)
            t[y][x] = g[y];
    }
#pragma GCC unroll 3
    for (int y = 0; y < 3; y++) {
        vf g[3];
        w4_gt(t[y], g);
#pragma GCC unroll 3
        for (int x = 0; x < 3; x++)
            vstore(out + (3 * y + x) * V, g[x]);
    }
}

/* Copies. */

/* `count` consecutive pixels of some planes as vectors of channels; after every `width` of them `skip` vectors are
 * left out in `out`. */
static void w4_take_planes(float *out, const float *from, int64_t plane, int64_t lanes,
                           int64_t count, int64_t width, int64_t skip)
{
    int64_t x = 0;
    for (int64_t i = 0; i < count; i += V) {
        vf b[V];
        load_transposed(b, from + i, plane, lanes, count - i);
        const int64_t n = min_i64(count - i, V);
        if (n == V && x + V <= width) {
            for (int64_t j = 0; j < V; j++)
                vstore(out + j * V, b[j]);
            out += V * V;
            x += V;
        } else {
            float row[V * V];
            for (int64_t j = 0; j < V; j++)
                vstore(row + j * V, b[j]);
            for (int64_t j = 0; j < n; j++, out += V) {
                if (x == width) {
                    out += skip * V;
                    x = 0;
                }
                vstore(out, vload(row + j * V));
                x++;
            }
        }
        if (x == width) {
            out += skip * V;
            x = 0;
        }
    }
}

/* Channels c .. c + lanes, lanes <= V, of rows x cols pixels of image n from (y0, x0) on: vectors of channels, zeros
 * for what lies outside the image. */
static void w4_window(const struct tensor *t, int64_t n, int64_t c, int64_t lanes, int64_t y0,
                      int64_t rows, int64_t x0, int64_t cols, float *out)
{
    const int64_t top = min_i64(max_i64(-y0, 0), rows),
                  end = max_i64(min_i64(t->h - y0, rows), top);
    const int64_t left = min_i64(max_i64(-x0, 0), cols);
    const int64_t right = max_i64(min_i64(t->w - x0, cols), left), width = right - left;
    if (end == top || width == 0) {
        put_zeros_over(out, rows * cols * V);
        return;
    }
    put_zeros_over(out, (top * cols + left) * V);
    /* Right padding of a row and left padding of the next lie side by side. */
    for (int64_t y = top; y < end - 1; y++)
        put_zeros_over(out + (y * cols + right) * V, (cols - width) * V);
    put_zeros_over(out + ((end - 1) * cols + right) * V, ((rows - end + 1) * cols - right) * V);
    float *to = out + (top * cols + left) * V;
    const int64_t plane = t->h * t->w, pitch = pixel_pitch(t->layout, t->c);
    const float *from = channel_of(t, n, c) + ((y0 + top) * t->w + x0 + left) * pitch;
    if (t->layout == NCHW) {
        if (width == t->w)
            w4_take_planes(to, from, plane, lanes, (end - top) * width, width, cols - width);
        else
            for (int64_t y = top; y < end; y++, to += cols * V, from += t->w)
                w4_take_planes(to, from, plane, lanes, width, width, 0);
        return;
    }
    for (int64_t y = top; y < end; y++, to += cols * V, from += t->w * pitch) {
        if (lanes == V || t->layout == NCHW16C)
            for (int64_t x = 0; x < width; x++)
                vstore(to + x * V, vload(from + x * pitch));
        else
            for (int64_t x = 0; x < width; x++)
                vstore(to + x * V, vload_n(from + x * pitch, lanes));
    }
}

/* How the tiles of a tensor are dealt into blocks: whole rows of tiles, counted over all images. */
struct w4_grid {
    int64_t rows, cols;   /* of tiles in an image */
    int64_t all;          /* rows of tiles in the batch */
    int64_t block;        /* rows of a block */
    int64_t blocks;       /* in the batch */
    int64_t tiles, whole; /* of a block at most; and rounded up to whole register tiles */
};

/* Blocks of about `wanted` tiles, but no fewer rows than one; `least` blocks where there are as many rows. Among the
 * sizes the one that fills the register tiles best. */
static inline struct w4_grid w4_grid_make(int64_t mb, int64_t h, int64_t w, int64_t wanted,
                                          int64_t least, int64_t unit)
{
    struct w4_grid g = {.rows = div_up(h, W4_TILE), .cols = div_up(w, W4_TILE)};
    g.all = mb * g.rows;
    const int64_t most = max_i64(min_i64(wanted / g.cols, g.all / least), 1);
    double best = 0;
    for (int64_t r = most; r >= max_i64(most / 2, 1); r--) {
        const int64_t last = g.all % r ? g.all % r : 0;
        const int64_t units = g.all / r * div_up(r * g.cols, unit) + div_up(last * g.cols, unit);
        const double filled = (double)(g.all * g.cols) / (double)(units * unit);
        if (filled > best + 0.02) {
            best = filled;
            g.block = r;
        }
    }
    g.blocks = div_up(g.all, g.block);
    g.tiles = g.block * g.cols;
    g.whole = div_up(g.tiles, unit) * unit;
    return g;
}

/* The rows of tiles of a block. */
struct w4_rows {
    int64_t first, end;
};

static inline struct w4_rows w4_rows_of(const struct w4_grid *g, int64_t block)
{
    return (struct w4_rows){block * g->block, min_i64((block + 1) * g->block, g->all)};
}

/* Rows of tiles first .. first + count of one image, the next ones of a block. */
struct w4_part {
    int64_t image, first, count;
};

static inline struct w4_part w4_part_at(const struct w4_grid *g, int64_t row, int64_t end)
{
    struct w4_part p = {.image = row / g->rows, .first = row % g->rows};
    p.count = min_i64(g->rows - p.first, end - row);
    return p;
}

/* Channels c .. c + channels of a block; whole images where it has more than one. */
static inline struct lines w4_lines_of(const struct w4_grid *g, const struct tensor *t,
                                       struct w4_rows rows, int64_t c, int64_t channels)
{
    if (rows.first >= rows.end || channels <= 0 || (t->layout == NHWC && channels < t->c))
        return (struct lines){.images = 0};
    const int64_t n = rows.first / g->rows, last = (rows.end - 1) / g->rows;
    const int64_t y = n == last ? rows.first % g->rows * W4_TILE : 0;
    const int64_t end = n == last ? ((rows.end - 1) % g->rows + 1) * W4_TILE : t->h;
    return lines_make(t, n, last - n + 1, c, channels, y, end - y);
}

/* Floats of the window of the longest part, patches of `size` pixels. */
static inline int64_t w4_window_floats(const struct w4_grid *g, int64_t size)
{
    const int64_t over = size - W4_TILE;
    return (W4_TILE * min_i64(g->block, g->rows) + over) * (W4_TILE * g->cols + over) * V;
}

/* Transforms channels c .. c + lanes of the patches of a block. `each` tiles stand together for every point:
 * out[tile / each][point][tile % each][pitch]. */
static inline __attribute__((always_inline)) void
w4_spread(const struct w4_grid *g, const struct tensor *t, int64_t row, int64_t end, int64_t c,
          int64_t lanes, int64_t size, int64_t pad_h, int64_t pad_w, float *window, float *out,
          int64_t each, int64_t pitch)
{
    const int64_t cols = W4_TILE * g->cols + size - W4_TILE, point = each * pitch;
    int64_t i = 0;
    while (row < end) {
        const struct w4_part p = w4_part_at(g, row, end);
        w4_window(t, p.image, c, lanes, W4_TILE * p.first - pad_h,
                  W4_TILE * p.count + size - W4_TILE, -pad_w, cols, window);
        for (int64_t y = 0; y < p.count; y++) {
            for (int64_t x = 0; x < g->cols; x++) {
                const float *from = window + W4_TILE * (y * cols + x) * V;
                if (size == W4_PATCH)
                    w4_patch(from, cols * V, V, out, point);
                else
                    w4_gradient(from, cols * V, V, out, point);
                out += pitch;
                if (++i == each) {
                    out += (W4_POINTS - 1) * point;
                    i = 0;
                }
            }
        }
        row += p.count;
    }
}

static const char *w4_fits(const struct problem *p, struct formats f)
{
    const struct conv *c = &p->conv;
    if (c->kh != 3 || c->kw != 3)
        return "kernel is not 3x3";
    if (c->sh != 1 || c->sw != 1)
        return "stride is not 1";
    if (c->dh || c->dw)
        return "kernel is dilated";
    const bool blocked = f.src == NCHW16C || f.dst == NCHW16C;
    if (blocked && c->g > 1 && (c->ic / c->g % 16 || c->oc / c->g % 16))
        return "a group ends inside a block of 16 channels";
    return NULL;
}

#define WINOGRAD4                                                                                  \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = WINOGRAD_F4,           \
    .thread_invariant = true, .fits = w4_fits, .scratch_size = w4_scratch, .flops = w4_flops,      \
    .run = w4_run
