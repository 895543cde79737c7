/* conv_fwd as products: for every group dst[oc][pixels] = bias + weights[oc][taps] columns[taps][pixels].
 *
 * A tile of the grid is one block of columns of one group, through all cuts of the taps: it makes its part of the
 * column matrix directly in packed order and multiplies it with all output channels. The weights are packed once.
 *
 * Scratch: packed weights [g][cut][panel][k][rows]; then for each thread a block of columns.
 * Entry points: im2col_fwd_scratch, im2col_fwd_run. */
#include "algorithms/conv/im2col.tmpl.h"

struct im2col_fwd {
    struct conv p;
    int64_t ocg, icg, taps, depth,
        height;                      /* depth of a cut of the taps, height of a panel of weights */
    int64_t pixels, columns, blocks; /* of all images; of a tile; tiles of a group */
};

static inline struct im2col_fwd im2col_fwd_plan(const struct args *a)
{
    struct im2col_fwd f = {.p = im2col_conv(a)};
    f.ocg = f.p.oc / f.p.g;
    f.icg = f.p.ic / f.p.g;
    f.taps = f.icg * f.p.kh * f.p.kw;
    f.depth = gemm_depth(f.taps);
    f.height = gemm_panel_rows(f.ocg);
    f.pixels = f.p.mb * f.p.oh * f.p.ow;
    const int64_t panels = div_up(f.pixels, GEMM_COLUMNS);
    f.columns = GEMM_COLUMNS * max_i64(1, min_i64(IM2COL_PANELS, panels * f.p.g / IM2COL_GRID));
    f.blocks = div_up(f.pixels, f.columns);
    return f;
}

static inline int64_t im2col_fwd_weights(const struct conv *p)
{
    return im2col_line(p->oc * (p->ic / p->g) * p->kh * p->kw);
}

static inline int64_t im2col_fwd_block(void)
{
    return im2col_line(GEMM_DEPTH * IM2COL_COLUMNS + IM2COL_SLACK);
}

static size_t im2col_fwd_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    return (size_t)(im2col_fwd_weights(&p->conv) + h->threads * im2col_fwd_block()) * sizeof(float);
}

/* One tile is one panel of one group's weights. */
static void im2col_fwd_pack(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct im2col_fwd f = im2col_fwd_plan(a);
    const int64_t panels = div_up(f.ocg, f.height);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t group = tile / panels, i = tile % panels * f.height,
                      rows = min_i64(f.height, f.ocg - i);
        float *out = (float *)a->scratch + group * f.ocg * f.taps;
        const float *weights = a->t[WEIGHTS] + (group * f.ocg + i) * f.taps;
        for (int64_t l = 0; l < f.taps; l += f.depth) {
            const int64_t k = min_i64(f.depth, f.taps - l);
            gemm_pack_a(out + l * f.ocg + i * k, weights + l, f.taps, 1, rows, k);
        }
    }
}

/* One tile of dst whose columns are not one run of memory: gathered, multiplied, scattered. */
static inline void im2col_fwd_scattered(const struct im2col_fwd *f, int rows, int64_t k,
                                        const float *restrict a, const float *restrict b,
                                        const struct im2col_piece *pieces, int64_t count,
                                        const float *start, float *dst)
{
    const int64_t plane = f->p.oh * f->p.ow;
    float tile[GEMM_TILE] = {0};
    if (!start) {
        for (const struct im2col_piece *s = pieces; s < pieces + count; s++)
            for (int r = 0; r < rows; r++)
                memcpy(tile + r * GEMM_COLUMNS + s->at,
                       dst + (s->image * f->p.oc + r) * plane + s->pixel,
                       (size_t)s->count * sizeof *tile);
        start = tile;
    }
    hot_gemm(rows, k, a, b, GEMM_COLUMNS, start, GEMM_COLUMNS, tile, GEMM_COLUMNS);
    for (const struct im2col_piece *s = pieces; s < pieces + count; s++)
        for (int r = 0; r < rows; r++)
            memcpy(dst + (s->image * f->p.oc + r) * plane + s->pixel,
                   tile + r * GEMM_COLUMNS + s->at, (size_t)s->count * sizeof *tile);
}

/* One panel of weights against the block: dst points at its first channel in image 0. */
static inline void im2col_fwd_rows(const struct im2col_fwd *f, int rows, int64_t k,
                                   const float *restrict a, const float *restrict block,
                                   const struct im2col_piece (*pieces)[GEMM_COLUMNS],
                                   const int64_t *count, int64_t panels, const float *start,
                                   float *dst)
{
    const int64_t plane = f->p.oh * f->p.ow;
    for (int64_t j = 0; j < panels; j++) {
        const struct im2col_piece *s = pieces[j], *end = s + count[j] - 1;
        const float *b = block + j * gemm_b_panel(k);
        if (s->image == end->image && end->at + end->count == GEMM_COLUMNS) {
            float *c = dst + s->image * f->p.oc * plane + s->pixel;
            hot_gemm(rows, k, a, b, GEMM_COLUMNS, start ? start : c, start ? GEMM_COLUMNS : plane,
                     c, plane);
        } else {
            im2col_fwd_scattered(f, rows, k, a, b, s, count[j], start, dst);
        }
    }
}

static void im2col_fwd_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct im2col_fwd f = im2col_fwd_plan(a);
    const int64_t plane = f.p.oh * f.p.ow;
    float *block = (float *)a->scratch + im2col_fwd_weights(&f.p) + thread * im2col_fwd_block();
    struct im2col_piece pieces[IM2COL_PANELS][GEMM_COLUMNS];
    int64_t count[IM2COL_PANELS];

    for (int64_t tile = first; tile < last; tile++) {
        const int64_t group = tile / f.blocks, q = tile % f.blocks * f.columns;
        const int64_t columns = min_i64(f.columns, f.pixels - q),
                      panels = div_up(columns, GEMM_COLUMNS);
        const float *src = a->t[SRC] + group * f.icg * f.p.ih * f.p.iw;
        const float *weights = (const float *)a->scratch + group * f.ocg * f.taps;
        for (int64_t j = 0; j < panels; j++)
            count[j] = im2col_pieces(&f.p, q + j * GEMM_COLUMNS,
                                     min_i64(GEMM_COLUMNS, columns - j * GEMM_COLUMNS), pieces[j]);
        for (int64_t l = 0; l < f.taps; l += f.depth) {
            const int64_t k = min_i64(f.depth, f.taps - l);
            for (int64_t j = 0; j < panels; j++)
                im2col_panel(&f.p, src, pieces[j], count[j], l, k, block + j * gemm_b_panel(k));
            for (int64_t i = 0; i < f.ocg; i += f.height) {
                const int64_t rows = min_i64(f.height, f.ocg - i), oc = group * f.ocg + i;
                float start[GEMM_TILE];
                for (int64_t r = 0; r < rows; r++)
                    for (int v = 0; v < GEMM_VECS; v++)
                        vstore(start + r * GEMM_COLUMNS + v * V,
                               a->t[BIAS] ? vset1(a->t[BIAS][oc + r]) : vzero());
                im2col_fwd_rows(&f, (int)rows, k, weights + l * f.ocg + i * k, block, pieces, count,
                                panels, l ? NULL : start, a->t[DST] + oc * plane);
            }
        }
    }
}

static void im2col_fwd_run(const struct args *a)
{
    const struct im2col_fwd f = im2col_fwd_plan(a);
    run_tiles(a, f.p.g * div_up(f.ocg, f.height), im2col_fwd_pack);
    run_tiles(a, f.p.g * f.blocks, im2col_fwd_tiles);
}

#define IM2COL_FWD                                                                                 \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = im2col_fwd_scratch, .run = im2col_fwd_run
