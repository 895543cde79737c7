/* Layout conversions by transposing V x V tiles in registers, over vec.h.
 *
 * A piece is PIXELS pixels of one image with all their channels. So the rows of the side with channels innermost,
 * where a block of 16 channels is 64 bytes, stay in L1 or L2 until all blocks are done. Within a piece it goes block
 * by block, tile by tile. Between nhwc and nchw16c, which both have channels innermost, it copies rows; also for
 * images of a single pixel.
 *
 * Every cache line is fetched and written once. Limited by shuffles for tensors in L2, by memory beyond. */
#include "shared/partition.h"
#include "shared/reorder_index.h"
#include "vec/vec.h"

/* 64 pixels of 256 channels are 64 KiB, and a row of nchw is 256 bytes: four lines for the prefetcher. */
enum { PIXELS = 64, LANES = 16 };

/* dst[j][i] = src[i][j] for i < V, j < V */
static inline void transpose_tile(const float *restrict src, int64_t src_row, float *restrict dst,
                                  int64_t dst_row)
{
    vf a[V];
    for (int i = 0; i < V; i++)
        a[i] = vload(src + i * src_row);
    vtranspose(a);
    for (int j = 0; j < V; j++)
        vstore(dst + j * dst_row, a[j]);
}

/* The same at the edges: `rows` rows and `cols` columns of src, `width` <= V values of each row of dst, those
 * beyond `rows` being zero. */
static __attribute__((noinline)) void transpose_edge(const float *restrict src, int64_t src_row,
                                                     float *restrict dst, int64_t dst_row,
                                                     int64_t rows, int64_t cols, int64_t width)
{
    vf a[V];
    for (int i = 0; i < V; i++)
        a[i] = i < rows ? vload_n(src + i * src_row, cols) : vzero();
    vtranspose(a);
    for (int j = 0; j < V && j < cols; j++)
        vstore_n(dst + j * dst_row, a[j], width);
}

/* dst[j][i] = src[i][j] for i < rows, j < cols; dst[j][i] = 0 for rows <= i < width. */
static __attribute__((noinline)) void hot_transpose(const float *restrict src, int64_t src_row,
                                                    float *restrict dst, int64_t dst_row,
                                                    int64_t rows, int64_t cols, int64_t width)
{
    for (int64_t i = 0; i < width; i += V) {
        int64_t j = 0;
        if (i + V <= rows)
            for (; j + V <= cols; j += V)
                transpose_tile(src + i * src_row + j, src_row, dst + j * dst_row + i, dst_row);
        for (; j < cols; j += V)
            transpose_edge(i < rows ? src + i * src_row + j : src, src_row, dst + j * dst_row + i,
                           dst_row, max_i64(0, min_i64(V, rows - i)), min_i64(V, cols - j),
                           min_i64(V, width - i));
    }
}

/* dst[i][j] = src[i][j] for j < cols, 0 for cols <= j < width <= LANES. */
static __attribute__((noinline)) void hot_copy_rows(const float *restrict src, int64_t src_row,
                                                    float *restrict dst, int64_t dst_row,
                                                    int64_t rows, int64_t cols, int64_t width)
{
    if (cols == LANES) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < LANES; j += V)
                vstore(dst + i * dst_row + j, vload(src + i * src_row + j));
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < width; j += V) {
            int64_t have = max_i64(0, min_i64(V, cols - j));
            vf row = have > 0 ? vload_n(src + i * src_row + j, have) : vzero();
            vstore_n(dst + i * dst_row + j, row, min_i64(V, width - j));
        }
    }
}

static int64_t pieces_of_image(const struct bn *p)
{
    return div_up(p->ih * p->iw, PIXELS);
}

static void pieces(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct bn *p = &a->problem->bn;
    int64_t hw = p->ih * p->iw;
    struct strides from = strides_of(p, a->formats.src), to = strides_of(p, a->formats.dst);
    bool from_pixels = a->formats.src == NCHW && hw > 1,
         to_pixels = a->formats.dst == NCHW && hw > 1;
    for (int64_t piece = first; piece < last; piece++) {
        int64_t n = piece / pieces_of_image(p), pixel = piece % pieces_of_image(p) * PIXELS;
        int64_t pixels = min_i64(PIXELS, hw - pixel);
        for (int64_t c = 0; c < p->ic; c += LANES) {
            const float *x = a->t[SRC] + index_of(from, n, c, pixel);
            float *y = a->t[DST] + index_of(to, n, c, pixel);
            int64_t channels = min_i64(LANES, p->ic - c);
            int64_t width = a->formats.dst == NCHW16C ? LANES : channels;
            if (from_pixels)
                hot_transpose(x, from.lane, y, to.pixel, channels, pixels, width);
            else if (to_pixels)
                hot_transpose(x, from.pixel, y, to.lane, pixels, channels, pixels);
            else
                hot_copy_rows(x, from.pixel, y, to.pixel, pixels, channels, width);
        }
    }
}

/* Below this many floats a team costs more than it brings. */
enum { TEAM_FLOATS = 32 * 1024 };

static void run(const struct args *caller)
{
    struct args a = *caller;
    const struct bn *p = &a.problem->bn;
    if (p->mb * p->ic * p->ih * p->iw < TEAM_FLOATS)
        a.hints.threads = 1;
    run_tiles(&a, p->mb * pieces_of_image(p), pieces);
}

#define REORDER_TILED                                                                              \
    .formats = {{NCHW, NHWC},    {NHWC, NCHW},    {NCHW, NCHW16C},                                 \
                {NCHW16C, NCHW}, {NHWC, NCHW16C}, {NCHW16C, NHWC}},                                \
    .algebra = EXACT, .thread_invariant = true, .run = run
