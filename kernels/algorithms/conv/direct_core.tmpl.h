/* The parts all direct convolutions share: the register tile, and packing.
 *
 * One micro-kernel serves the forward pass and both backward passes:
 *
 *   sum[p][k] += x[at[p] + step[i]] * w[i][k]      p < TILE_PIXELS, k < vectors, i < n
 *
 *   pass          p runs over          i runs over            k: lanes of     w
 *   forward       output pixels        (ic, kh, kw)           oc              packed weights
 *   bwd_data      input pixels         (oc, kh, kw)           ic              packed weights
 *   bwd_weights   (ic, kh, kw)         output pixels          oc              packed diff_dst
 *
 * Both index sets are tables of offsets into the window: a copy of the image with its padding as
 * zeros. So stride, dilation, padding, rows and images need no code in the loop. Any TILE_PIXELS
 * pixels make a tile, and 2x2 images fill it as well as 224x224 ones.
 *
 * The including file defines TILE_PIXELS and TILE_VECTORS and checks them; its own tile may be larger than this one. */
#include "shared/carve.h"
#include "shared/floats.h"
#include "shared/partition.h"
#include "shared/tensor.h"
#include "shared/turn.h"
#include "vec/vec.h"

#define TILE_LANES (TILE_VECTORS * V)

/* Bounds of a tile. The loops of the micro-kernel count to them and their unroll pragmas repeat them, so that gcc and
 * clang unroll before they assign registers. */
#define MAX_PIXELS 8
#define MAX_VECTORS 4

/* Where the rows of a tile's sums lie: row p, p < pixels, begins `row[p]` floats and its vector j another `lane[j]` floats
 * after `at`. Without `row` and `lane` they are `step` floats apart (0 = the same row for all), vectors side by side. */
struct tile_rows {
    float *at;
    int64_t step;
    const ptrdiff_t *row, *lane;
};

static inline __attribute__((always_inline)) float *tile_row(const struct tile_rows *t, int p)
{
    return t->at + (t->row ? t->row[p] : p * t->step);
}

static inline __attribute__((always_inline)) ptrdiff_t tile_lane(const struct tile_rows *t, int j)
{
    return t->lane ? t->lane[j] : j * V;
}

/* What one row of weights, k vectors, adds to the sums. */
static inline __attribute__((always_inline)) void
tile_row_of_weights(int pixels, int k, vf sum[MAX_PIXELS][MAX_VECTORS],
                    const float *const pixel[MAX_PIXELS], ptrdiff_t s, const float *w)
{
    vf row[MAX_VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < MAX_VECTORS; j++)
        if (j < k)
            row[j] = vload(w + j * V);
#pragma GCC unroll 8
    for (int p = 0; p < MAX_PIXELS; p++) {
        if (p >= pixels)
            break;
        vf b = vset1(pixel[p][s]);
#pragma GCC unroll 4
        for (int j = 0; j < MAX_VECTORS; j++)
            if (j < k)
                sum[p][j] = vfma(b, row[j], sum[p][j]);
    }
}

/* Lines to prefetch while a tile is computed: a few with each run of rows, because all at once would fill the miss
 * buffers. Distances in floats from the input of this tile and from the place of its sums. NULL: none. */
struct tile_ahead {
    ptrdiff_t pixels, sums;
};

/* The tile: `pixels` by k vectors. `w` has n rows of k vectors. The sums begin with `from` and go to `to`. `run`
 * successive rows read neighbouring floats, so their distance is loaded once; n is a multiple of `run`. */
static inline __attribute__((always_inline)) void tile(int pixels, int k, struct tile_rows to,
                                                       struct tile_rows from, const float *x,
                                                       const ptrdiff_t *at, const float *w,
                                                       const ptrdiff_t *step, int64_t run,
                                                       int64_t n, const struct tile_ahead *ahead)
{
    const float *pixel[MAX_PIXELS];
    vf sum[MAX_PIXELS][MAX_VECTORS];
#pragma GCC unroll 8
    for (int p = 0; p < MAX_PIXELS; p++) {
        if (p >= pixels)
            break;
        pixel[p] = x + at[p];
        const float *start = tile_row(&from, p);
#pragma GCC unroll 4
        for (int j = 0; j < MAX_VECTORS; j++)
            if (j < k)
                sum[p][j] = vload(start + tile_lane(&from, j));
    }
    if (run == 1) {
        for (int64_t i = 0; i < n; i++, w += k * V)
            tile_row_of_weights(pixels, k, sum, pixel, step[i], w);
    } else {
        int asked = 0;
        for (int64_t i = 0; i < n; i += run) {
            ptrdiff_t s = step[i], end = s + run;
            if (ahead) {
#pragma GCC unroll 8
                for (int p = 0; p < pixels; p++)
                    __builtin_prefetch(pixel[p] + s + ahead->pixels);
                for (int j = 0; asked < pixels && j < k * V; j += 16)
                    __builtin_prefetch(tile_row(&to, asked) + tile_lane(&to, j / V) + ahead->sums,
                                       1);
                asked++;
            }
            for (; s < end; s++, w += k * V)
                tile_row_of_weights(pixels, k, sum, pixel, s, w);
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < MAX_PIXELS; p++) {
        if (p >= pixels)
            break;
        float *end = tile_row(&to, p);
#pragma GCC unroll 4
        for (int j = 0; j < MAX_VECTORS; j++)
            if (j < k)
                vstore(end + tile_lane(&to, j), sum[p][j]);
    }
}

/* A window: rows x cols pixels of some channels of some images, copied with zeros for what lies
 * outside the image, in the layout of the tensor (nchw: a plane per channel; nhwc: the channels of
 * a pixel together; nchw16c: a plane per 16 channels). Distances in floats. */
struct window {
    enum layout layout;
    int64_t rows, cols;
    int64_t pixel, row, plane,
        image; /* from one to the next; pixel also counts the floats of a pixel */
    int64_t planes;
};

static inline struct window window_make(enum layout layout, int64_t rows, int64_t cols,
                                        int64_t channels)
{
    struct window w = {.layout = layout, .rows = rows, .cols = cols};
    w.pixel = layout == NHWC ? channels : layout == NCHW16C ? 16 : 1;
    /* A range of channels that does not begin at a block may touch one block more. */
    w.planes = layout == NHWC ? 1 : layout == NCHW16C ? div_up(channels + 15, 16) : channels;
    w.row = cols * w.pixel;
    /* An odd number of cache lines: planes then spread over all sets of the cache. */
    w.plane = (div_up(rows * w.row, 16) | 1) * 16;
    w.image = w.planes * w.plane;
    return w;
}

/* Floats of a buffer for `images` windows; packing may run over the end by the left padding and a vector. */
static inline int64_t window_floats(const struct window *w, int64_t images)
{
    return images * w->image + w->row + V;
}

/* Where channel c0 + c lies when the window begins at channel c0. */
static inline ptrdiff_t window_channel(const struct window *w, int64_t c0, int64_t c)
{
    if (w->layout == NHWC)
        return c;
    if (w->layout == NCHW16C)
        return (c0 % 16 + c) / 16 * w->plane + (c0 % 16 + c) % 16;
    return c * w->plane;
}

/* Copies the window with its corner at pixel (y0, x0) of channel c0 of image n. It writes in ascending order, so that
 * whole vectors may overlap what is written next. */
static inline void window_pack(const struct window *w, const struct tensor *t, int64_t n,
                               int64_t c0, int64_t channels, int64_t y0, int64_t x0, float *out)
{
    struct planes p = planes_of(t, c0, channels);
    int64_t top = min_i64(max_i64(-y0, 0), w->rows),
            end = max_i64(min_i64(t->h - y0, w->rows), top);
    int64_t left = min_i64(max_i64(-x0, 0), w->cols),
            right = max_i64(min_i64(t->w - x0, w->cols), left);
    int64_t rows = right > left ? end - top : 0, length = (right - left) * w->pixel;
    int64_t next = w->row, skip = t->w * p.pitch;
    /* The last block of channels may be narrower than the window's pixel. */
    int64_t depth = t->layout == NHWC ? channels : w->pixel;
    if (length == next && next == skip) { /* no padding, whole rows: one long run */
        length = next = skip = rows * skip;
        rows = min_i64(rows, 1);
    }
    for (int64_t k = 0; k < p.count; k++, out += w->plane) {
        float *to = out + left * w->pixel;
        if (rows == 0) {
            put_zeros_over(out, w->rows * w->row);
            continue;
        }
        const float *from = t->data + (n * p.all + p.first + k) * p.size +
                            (t->layout == NHWC ? c0 : 0) +
                            ((y0 + top) * t->w + x0 + left) * p.pitch;
        put_zeros_over(out, top * w->row + left * w->pixel);
        to += top * w->row;
        for (int64_t r = 0; r < rows; r++, to += next, from += skip) {
            if (p.pitch == w->pixel) {
                put_floats_over(to, from, length, next);
                continue;
            }
            for (int64_t x = 0; x < right - left; x++)
                put_floats_over(to + x * w->pixel, from + x * p.pitch, depth, w->pixel);
            put_zeros_over(to + length, next - length);
        }
        put_zeros_over(to, out + w->rows * w->row - to);
    }
}

/* Bytes of a panel of one operand, which passes over the rows of the other while sums wait for the next panel. A larger
 * panel means that fewer sums are stored and loaded again. On a Zen 4, panels of a quarter of the L2 take 3 to 12 % less
 * time than panels of l1_bytes, which stay in L1. A Sapphire Rapids multiplies twice as fast; there each tile waits for
 * the beginning of its panel while prefetches fill the miss buffers. So an L2 of its size selects panels for the L1. */
#define NEAR_L2 (2 * 1024 * 1024)
static inline int64_t panel_bytes(const struct hints *h, int64_t l1_bytes)
{
    return h->l2 < NEAR_L2 ? max_i64((int64_t)h->l2 / 4, l1_bytes) : l1_bytes;
}

/* How the output pixels of a convolution are split into units, each a part of an image or a few
 * images: enough pixels to fill tiles and to pay for packing, few enough for the L2. Depends only on
 * the problem. */
struct units {
    int64_t images, rows, cols; /* of a unit */
    int64_t nn, ny, nx;         /* units along the batch, down, across */
};

static inline struct units units_make(int64_t mb, int64_t rows, int64_t cols, int64_t pixels)
{
    struct units u = {.images = 1, .rows = rows, .cols = cols, .nn = mb, .ny = 1, .nx = 1};
    if (rows * cols <= pixels) {
        int64_t n = div_up(mb, max_i64(pixels / (rows * cols), 1));
        /* A unit belongs to one thread. So a small number of units should be divisible by many team sizes. */
        n = min_i64(n > 8 ? n : div_up(n, 4) * 4, mb);
        u.images = div_up(mb, n);
        u.nn = div_up(mb, u.images);
    } else {
        u.nx = div_up(cols, pixels);
        u.cols = div_up(cols, u.nx);
        u.ny = div_up(rows, max_i64(pixels / u.cols, 1));
        u.rows = div_up(rows, u.ny);
        u.ny = div_up(rows, u.rows);
        u.nx = div_up(cols, u.cols);
    }
    return u;
}
