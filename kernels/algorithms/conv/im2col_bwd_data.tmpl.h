/* conv_bwd_data as products: columns[taps][pixels] = weights^T[taps][oc] diff_dst[oc][pixels], then col2im adds every
 * row of columns to the pixels its tap read.
 *
 * A tile of the grid is a few images, one group and a block of its input channels: it alone writes those planes of
 * diff_src, pixel blocks in ascending order, so the order of the additions is fixed.
 *
 * Scratch: packed transposed weights [g][channel block][cut][panel][k][rows]; then for each thread a block of diff_dst
 * and a block of columns. */
#include "algorithms/conv/im2col.tmpl.h"

enum {
    /* Rows of columns at a time: 128 x 256 x 4 = 128 KiB at 16 floats a vector stay in L2 between product and col2im. */
    COL2IM_ROWS = 128,
    /* A row of the column block; the extra line keeps rows out of each other's cache sets. */
    COL2IM_ROW = IM2COL_COLUMNS + 16
};

struct col2im {
    struct conv p, pixelwise;         /* pixelwise: diff_dst as the columns of a 1x1 convolution */
    int64_t icg, ocg, taps, depth;    /* taps of a channel; depth of a cut of ocg */
    int64_t channels, channel_blocks; /* of a tile; tiles of a group */
    int64_t images, image_blocks;     /* of a tile; tiles of the batch */
};

static inline struct col2im col2im_plan(const struct args *a)
{
    struct col2im f = {.p = im2col_conv(a)};
    f.icg = f.p.ic / f.p.g;
    f.ocg = f.p.oc / f.p.g;
    f.taps = f.p.kh * f.p.kw;
    f.depth = gemm_depth(f.ocg);
    f.channels = gemm_even(f.icg, max_i64(1, COL2IM_ROWS / f.taps));
    f.channel_blocks = div_up(f.icg, f.channels);
    f.images =
        max_i64(1, min_i64(GEMM_COLUMNS * 2 / (f.p.oh * f.p.ow), f.p.mb * f.p.g / IM2COL_GRID));
    f.image_blocks = div_up(f.p.mb, f.images);
    f.pixelwise = (struct conv){.mb = f.p.mb,
                                .g = 1,
                                .ic = f.p.oc,
                                .oc = f.p.oc,
                                .ih = 1,
                                .oh = 1,
                                .iw = f.p.oh * f.p.ow,
                                .ow = f.p.oh * f.p.ow,
                                .kh = 1,
                                .kw = 1,
                                .sh = 1,
                                .sw = 1};
    return f;
}

static inline int64_t col2im_weights(const struct conv *p)
{
    return im2col_line(p->oc * (p->ic / p->g) * p->kh * p->kw);
}

static inline int64_t col2im_block(void)
{
    return im2col_line(GEMM_DEPTH * IM2COL_COLUMNS + IM2COL_SLACK);
}

/* Rows of a block of columns; more than COL2IM_ROWS where one channel has more taps. */
static inline int64_t col2im_columns(const struct conv *p)
{
    return max_i64(COL2IM_ROWS, p->kh * p->kw) * COL2IM_ROW;
}

static size_t col2im_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    return (size_t)(col2im_weights(&p->conv) +
                    h->threads * (col2im_block() + col2im_columns(&p->conv))) *
           sizeof(float);
}

/* One tile is one channel block of one group. */
static void col2im_pack(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct col2im f = col2im_plan(a);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t group = tile / f.channel_blocks, ic = tile % f.channel_blocks * f.channels;
        const int64_t rows = min_i64(f.channels, f.icg - ic) * f.taps,
                      height = gemm_panel_rows(rows);
        const float *weights = a->t[WEIGHTS] + (group * f.ocg * f.icg + ic) * f.taps;
        float *out = (float *)a->scratch + (group * f.icg + ic) * f.taps * f.ocg;
        for (int64_t l = 0; l < f.ocg; l += f.depth) {
            const int64_t k = min_i64(f.depth, f.ocg - l);
            for (int64_t i = 0; i < rows; i += height)
                gemm_pack_a(out + l * rows + i * k, weights + l * f.icg * f.taps + i, 1,
                            f.icg * f.taps, min_i64(height, rows - i), k);
        }
    }
}

/* row[x + i * step] += in[i] where that is inside the row of `width`. */
static inline void col2im_row(float *restrict row, int64_t x, int64_t step,
                              const float *restrict in, int64_t count, int64_t width)
{
    if (step != 1) {
        for (int64_t i = 0; i < count; i++, x += step)
            if (x >= 0 && x < width)
                row[x] += in[i];
        return;
    }
    int64_t i = max_i64(0, -x);
    const int64_t last = min_i64(count, width - x);
    for (; i + V <= last; i += V)
        vstore(row + x + i, vadd(vload(row + x + i), vload(in + i)));
    for (; i < last; i++)
        row[x + i] += in[i];
}

/* Adds the columns of `channels` channels to diff_src, which points at the first of them in image 0. */
static inline void col2im_add(const struct conv *p, int64_t channels,
                              const struct im2col_piece *pieces, int64_t count,
                              const float *restrict columns, float *restrict diff_src)
{
    struct im2col_tap t = {0};
    for (int64_t row = 0; row < channels * p->kh * p->kw;
         row++, columns += COL2IM_ROW, im2col_next(p, &t)) {
        for (const struct im2col_piece *s = pieces; s < pieces + count; s++) {
            const int64_t ih = s->top + t.kh * (p->dh + 1);
            if (ih < 0 || ih >= p->ih)
                continue;
            float *out = diff_src + ((s->image * p->ic + t.channel) * p->ih + ih) * p->iw;
            col2im_row(out, s->left + t.kw * (p->dw + 1), p->sw, columns + s->at, s->count, p->iw);
        }
    }
}

static void col2im_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct col2im f = col2im_plan(a);
    const int64_t pixels = f.p.oh * f.p.ow, plane = f.p.ih * f.p.iw;
    float *block = (float *)a->scratch + col2im_weights(&f.p) +
                   thread * (col2im_block() + col2im_columns(&f.p));
    float *columns = block + col2im_block();
    struct im2col_piece pieces[IM2COL_COLUMNS];

    for (int64_t tile = first; tile < last; tile++) {
        const int64_t n = tile / (f.p.g * f.channel_blocks) * f.images,
                      images = min_i64(f.images, f.p.mb - n);
        const int64_t group = tile / f.channel_blocks % f.p.g,
                      ic = tile % f.channel_blocks * f.channels;
        const int64_t channels = min_i64(f.channels, f.icg - ic), rows = channels * f.taps;
        const float *diff_dst = a->t[DIFF_DST] + group * f.ocg * pixels;
        const float *weights = (const float *)a->scratch + (group * f.icg + ic) * f.taps * f.ocg;
        float *diff_src = a->t[DIFF_SRC] + (group * f.icg + ic) * plane;
        for (int64_t image = n; image < n + images; image++)
            memset(diff_src + image * f.p.ic * plane, 0,
                   (size_t)(channels * plane) * sizeof *diff_src);
        for (int64_t q = n * pixels; q < (n + images) * pixels; q += IM2COL_COLUMNS) {
            const int64_t width = min_i64(IM2COL_COLUMNS, (n + images) * pixels - q);
            const int64_t padded = div_up(width, GEMM_COLUMNS) * GEMM_COLUMNS;
            for (int64_t l = 0; l < f.ocg; l += f.depth) {
                const int64_t k = min_i64(f.depth, f.ocg - l);
                for (int64_t j = 0; j < width; j += GEMM_COLUMNS) {
                    const int64_t count = im2col_pieces(&f.pixelwise, q + j,
                                                        min_i64(GEMM_COLUMNS, width - j), pieces);
                    im2col_panel(&f.pixelwise, diff_dst, pieces, count, l, k, block + j * k);
                }
                gemm_block(rows, gemm_panel_rows(rows), padded, k, weights + l * rows, block,
                           l == 0, NULL, columns, COL2IM_ROW);
            }
            col2im_add(&f.p, channels, pieces, im2col_pieces(&f.p, q, width, pieces), columns,
                       diff_src);
        }
    }
}

static void col2im_run(const struct args *a)
{
    const struct col2im f = col2im_plan(a);
    run_tiles(a, f.p.g * f.channel_blocks, col2im_pack);
    run_tiles(a, f.image_blocks * f.p.g * f.channel_blocks, col2im_tiles);
}

#define IM2COL_BWD_DATA                                                                            \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = col2im_scratch, .run = col2im_run
