/* conv_fwd by Winograd's F(2x2,3x3) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015): a 2x2
 * tile of dst from a 4x4 patch of src with 16 products a channel instead of 36. Stride 1, no dilation. Layout nchw.
 *
 *   U = G g G^T     V = B^T d B     dst = A^T (sum over ic of U V) A
 *   G = 1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1   B^T = 1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1   A^T = 1 1 1 0; 0 1 -1 -1
 *
 * For each of the 16 points it is a matrix product [oc][ic] x [ic][tiles], done by gemm.tmpl.h. Tiles are flattened
 * over n and the rows and columns of tiles. A tile of the grid is one block of them in one group. It makes V in packed
 * order. Then, for each panel of output channels, it makes the 16 products and their inverse transform, which stay in
 * cache together. The transforms along a patch's row run along a row of patches; those along its columns run over whole
 * vectors of patches, anywhere in the image.
 *
 * Limited by the FMA ports with many channels, by the transforms with few. The grid is fixed: the same bits for any number of
 * threads.
 *
 * Scratch: packed U [g][panel][16][ic][rows]; then for each thread V [16][panel][ic][GEMM_COLUMNS], one channel's row
 * transforms, the products of one panel M [16][rows][patches], and a row of src with its padding.
 * Entry points: winograd2_fits, winograd2_scratch, winograd2_flops, winograd2_run. */
#include "algorithms/gemm/gemm.tmpl.h"
#include "shared/partition.h"

enum {
    POINTS = 16,
    /* Patches of a block at most: V of 64 channels, 16 x 64 x 64 x 4 = 256 KiB at 16 floats a vector, stays in L2. */
    WINOGRAD_PANELS = 2,
    WINOGRAD_PATCHES = WINOGRAD_PANELS * GEMM_COLUMNS,
    /* Tiles the grid should have, so that a team of this size or a few times fewer is evenly loaded. */
    WINOGRAD_GRID = 16
};

struct winograd2 {
    const struct conv *p;
    int64_t icg, ocg, height;       /* height of a panel of U */
    int64_t rows, columns, patches; /* 2x2 tiles down and across an image; of the batch */
    int64_t block, blocks;          /* patches of a tile of the grid; tiles of a group */
    int64_t line;                   /* floats of a padded row of src */
};

static inline struct winograd2 winograd2_plan(const struct conv *p)
{
    struct winograd2 f = {.p = p, .icg = p->ic / p->g, .ocg = p->oc / p->g};
    f.height = gemm_panel_rows(f.ocg);
    f.rows = div_up(p->oh, 2);
    f.columns = div_up(p->ow, 2);
    f.patches = p->mb * f.rows * f.columns;
    const int64_t panels = div_up(f.patches, GEMM_COLUMNS);
    f.block = GEMM_COLUMNS * max_i64(1, min_i64(WINOGRAD_PANELS, panels * p->g / WINOGRAD_GRID));
    f.blocks = div_up(f.patches, f.block);
    f.line = div_up(2 * f.columns + 2, 16) * 16;
    return f;
}

static const char *winograd2_fits(const struct problem *p, struct formats f)
{
    (void)f;
    const struct conv *c = &p->conv;
    if (c->kh != 3 || c->kw != 3)
        return "kernel is not 3x3";
    if (c->sh != 1 || c->sw != 1)
        return "stride is not 1";
    return c->dh || c->dw ? "kernel is dilated" : NULL;
}

static inline int64_t winograd2_weights(const struct conv *p)
{
    return div_up(POINTS * p->oc * (p->ic / p->g), 16) * 16;
}

static inline int64_t winograd2_v(const struct winograd2 *f)
{
    return POINTS * f->icg * WINOGRAD_PATCHES;
}

enum {
    WINOGRAD_ROWS = POINTS * WINOGRAD_PATCHES,
    WINOGRAD_M = POINTS * GEMM_ROWS * WINOGRAD_PATCHES
};

static inline int64_t winograd2_share(const struct winograd2 *f)
{
    return div_up(winograd2_v(f) + WINOGRAD_ROWS + WINOGRAD_M + f->line, 16) * 16;
}

static size_t winograd2_scratch(const struct problem *p, struct formats formats,
                                const struct hints *h)
{
    (void)formats;
    const struct winograd2 f = winograd2_plan(&p->conv);
    return (size_t)(winograd2_weights(&p->conv) + h->threads * winograd2_share(&f)) * sizeof(float);
}

/* Products and additions of the 16 matrix products, the patches' transforms (32 a channel), the inverse ones (24 an
 * output channel) and those of the weights (4 sums, each of 2 additions and halved, down 3 columns and across 4 rows). */
static double winograd2_flops(const struct problem *p, struct formats formats)
{
    (void)formats;
    const struct winograd2 f = winograd2_plan(&p->conv);
    const double patches = (double)f.patches, ic = (double)p->conv.ic, oc = (double)p->conv.oc,
                 icg = (double)f.icg;
    const double weights = 7 * (2 * 3 + 1);
    return 2 * POINTS * patches * oc * icg + 32 * patches * ic + 24 * patches * oc +
           weights * oc * icg;
}

/* (g0, g1, g2) to G g, with `step` between the results. */
static inline void winograd2_g(float g0, float g1, float g2, float *out, int64_t step)
{
    const float even = 0.5f * (g0 + g2), odd = 0.5f * g1;
    out[0] = g0;
    out[step] = even + odd;
    out[2 * step] = even - odd;
    out[3 * step] = g2;
}

/* One tile is one panel of one group's output channels. */
static void winograd2_pack(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct winograd2 f = winograd2_plan(&a->problem->conv);
    const int64_t panels = div_up(f.ocg, f.height);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t i = tile % panels * f.height, oc = tile / panels * f.ocg + i;
        const int64_t rows = min_i64(f.height, f.ocg - i);
        float *restrict out = (float *)a->scratch + POINTS * f.icg * oc;
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t ic = 0; ic < f.icg; ic++) {
                const float *w = a->t[WEIGHTS] + ((oc + r) * f.icg + ic) * 9;
                float down[4][3], u[POINTS];
                for (int x = 0; x < 3; x++)
                    winograd2_g(w[x], w[3 + x], w[6 + x], &down[0][x], 3);
                for (int y = 0; y < 4; y++)
                    winograd2_g(down[y][0], down[y][1], down[y][2], u + 4 * y, 1);
                for (int point = 0; point < POINTS; point++)
                    out[(point * f.icg + ic) * rows + r] = u[point];
            }
        }
    }
}

/* Patches at .. at + count of a block are neighbours in one row of patches. */
struct winograd2_span {
    int64_t image, row, column, at, count;
};

static inline int64_t winograd2_runs(const struct winograd2 *f, int64_t patch, int64_t patches,
                                     struct winograd2_span *out)
{
    int64_t n = 0, column = patch % f->columns, row = patch / f->columns;
    for (int64_t at = 0; at < patches; n++) {
        const int64_t count = min_i64(patches - at, f->columns - column);
        out[n] = (struct winograd2_span){row / f->rows, row % f->rows, column, at, count};
        at += count;
        column = 0;
        row++;
    }
    return n;
}

/* One row of `count` neighbouring patches times B: out[x][i], x < 4, from row[2 i .. 2 i + 3]. */
static inline void winograd2_across(const float *restrict row, int64_t count, float *restrict out)
{
    float *restrict o0 = out, *restrict o1 = out + WINOGRAD_PATCHES;
    float *restrict o2 = out + 2 * WINOGRAD_PATCHES, *restrict o3 = out + 3 * WINOGRAD_PATCHES;
    for (int64_t i = 0; i < count; i++) {
        const float d0 = row[2 * i], d1 = row[2 * i + 1], d2 = row[2 * i + 2], d3 = row[2 * i + 3];
        o0[i] = d0 - d2;
        o1[i] = d1 + d2;
        o2[i] = d2 - d1;
        o3[i] = d1 - d3;
    }
}

/* d B for all patches of one channel: rows[y][x][patch]. `line` holds a padded row of src. */
static inline void winograd2_channel(const struct winograd2 *f, const float *restrict src,
                                     const struct winograd2_span *runs, int64_t count,
                                     float *restrict line, float *restrict rows)
{
    const struct conv *p = f->p;
    for (const struct winograd2_span *s = runs; s < runs + count; s++) {
        const float *image = src + s->image * p->ic * p->ih * p->iw;
        const int64_t left = 2 * s->column - p->pw, width = 2 * s->count + 2;
        const int64_t first = min_i64(width, max_i64(0, -left));
        const int64_t last = max_i64(first, min_i64(width, p->iw - left));
        for (int64_t y = 0; y < 4; y++) {
            const int64_t ih = 2 * s->row - p->ph + y;
            float *out = rows + 4 * y * WINOGRAD_PATCHES + s->at;
            if (ih < 0 || ih >= p->ih) {
                for (int64_t x = 0; x < 4; x++)
                    memset(out + x * WINOGRAD_PATCHES, 0, (size_t)s->count * sizeof *out);
                continue;
            }
            const float *row = image + ih * p->iw + left;
            if (first > 0 || last < width) {
                for (int64_t i = 0; i < first; i++)
                    line[i] = 0;
                memcpy(line + first, row + first, (size_t)(last - first) * sizeof *line);
                for (int64_t i = last; i < width; i++)
                    line[i] = 0;
                row = line;
            }
            winograd2_across(row, s->count, out);
        }
    }
}

/* B^T (d B) for all patches of one channel, to its row of the 16 packed operands: v[point][panel][ic][lane]. */
static inline void winograd2_down(const struct winograd2 *f, int64_t panels,
                                  const float *restrict rows, float *restrict v)
{
    for (int64_t panel = 0; panel < panels; panel++) {
        for (int64_t x = 0; x < 4; x++) {
            for (int64_t i = 0; i < GEMM_COLUMNS; i += V) {
                const float *in = rows + x * WINOGRAD_PATCHES + panel * GEMM_COLUMNS + i;
                const int64_t step = panels * f->icg * GEMM_COLUMNS;
                float *out = v + x * step + panel * f->icg * GEMM_COLUMNS + i;
                const vf d0 = vload(in), d1 = vload(in + 4 * WINOGRAD_PATCHES);
                const vf d2 = vload(in + 8 * WINOGRAD_PATCHES),
                         d3 = vload(in + 12 * WINOGRAD_PATCHES);
                vstore(out, vsub(d0, d2));
                vstore(out + 4 * step, vadd(d1, d2));
                vstore(out + 8 * step, vsub(d2, d1));
                vstore(out + 12 * step, vsub(d1, d3));
            }
        }
    }
}

/* A^T m for one output channel: m[point][rows of the panel][patch] to half[y][x][patch], y < 2, x < 4. */
static inline void winograd2_fold(int64_t patches, int64_t rows, const float *restrict m,
                                  float *restrict half)
{
    const int64_t step = rows * WINOGRAD_PATCHES;
    for (int64_t x = 0; x < 4; x++) {
        for (int64_t i = 0; i < patches; i += V) {
            const float *in = m + x * step + i;
            const vf m0 = vload(in), m1 = vload(in + 4 * step), m2 = vload(in + 8 * step),
                     m3 = vload(in + 12 * step);
            vstore(half + x * WINOGRAD_PATCHES + i, vadd(m0, vadd(m1, m2)));
            vstore(half + (4 + x) * WINOGRAD_PATCHES + i, vsub(vsub(m1, m2), m3));
        }
    }
}

/* The second half, (A^T m) A + bias, for one row of `count` neighbouring patches; width pixels are written. */
static inline void winograd2_unfold(const float *restrict half, int64_t count, int64_t width,
                                    float bias, float *restrict dst)
{
    const float *restrict h0 = half, *restrict h1 = half + WINOGRAD_PATCHES;
    const float *restrict h2 = half + 2 * WINOGRAD_PATCHES, *restrict h3 =
                                                                half + 3 * WINOGRAD_PATCHES;
    const int64_t whole = min_i64(count, width / 2);
    for (int64_t i = 0; i < whole; i++) {
        dst[2 * i] = h0[i] + h1[i] + h2[i] + bias;
        dst[2 * i + 1] = h1[i] - h2[i] - h3[i] + bias;
    }
    if (whole < count)
        dst[2 * whole] = h0[whole] + h1[whole] + h2[whole] + bias;
}

/* One output channel of the block to dst, which points at the channel in image 0. */
static inline void winograd2_output(const struct winograd2 *f, const struct winograd2_span *runs,
                                    int64_t count, const float *restrict half, float bias,
                                    float *restrict dst)
{
    const struct conv *p = f->p;
    for (const struct winograd2_span *s = runs; s < runs + count; s++) {
        const int64_t width = min_i64(2 * s->count, p->ow - 2 * s->column);
        for (int64_t y = 0; y < min_i64(2, p->oh - 2 * s->row); y++) {
            float *out = dst + (s->image * p->oc * p->oh + 2 * s->row + y) * p->ow + 2 * s->column;
            winograd2_unfold(half + 4 * y * WINOGRAD_PATCHES + s->at, s->count, width, bias, out);
        }
    }
}

static void winograd2_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct winograd2 f = winograd2_plan(&a->problem->conv);
    const struct conv *p = f.p;
    float *v = (float *)a->scratch + winograd2_weights(p) + thread * winograd2_share(&f);
    float *rows = v + winograd2_v(&f), *m = rows + WINOGRAD_ROWS, *line = m + WINOGRAD_M;
    struct winograd2_span runs[WINOGRAD_PATCHES];

    /* Lanes without a patch are multiplied too: they must hold numbers, not what was there before. */
    memset(rows, 0, WINOGRAD_ROWS * sizeof *rows);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t group = tile / f.blocks, patch = tile % f.blocks * f.block;
        const int64_t patches = min_i64(f.block, f.patches - patch),
                      panels = div_up(patches, GEMM_COLUMNS);
        const int64_t count = winograd2_runs(&f, patch, patches, runs);
        for (int64_t ic = 0; ic < f.icg; ic++) {
            const float *src = a->t[SRC] + (group * f.icg + ic) * p->ih * p->iw;
            winograd2_channel(&f, src, runs, count, line, rows);
            winograd2_down(&f, panels, rows, v + ic * GEMM_COLUMNS);
        }
        for (int64_t i = 0; i < f.ocg; i += f.height) {
            const int64_t oc = group * f.ocg + i, height = min_i64(f.height, f.ocg - i);
            const float *u = (const float *)a->scratch + POINTS * f.icg * oc;
            for (int64_t point = 0; point < POINTS; point++)
                for (int64_t j = 0; j < panels; j++)
                    hot_gemm((int)height, f.icg, u + point * f.icg * height,
                             v + (point * panels + j) * f.icg * GEMM_COLUMNS, GEMM_COLUMNS,
                             gemm_zero, 0, m + point * height * WINOGRAD_PATCHES + j * GEMM_COLUMNS,
                             WINOGRAD_PATCHES);
            for (int64_t r = 0; r < height; r++) {
                winograd2_fold(panels * GEMM_COLUMNS, height, m + r * WINOGRAD_PATCHES, rows);
                winograd2_output(&f, runs, count, rows, a->t[BIAS] ? a->t[BIAS][oc + r] : 0,
                                 a->t[DST] + (oc + r) * p->oh * p->ow);
            }
        }
    }
}

static void winograd2_run(const struct args *a)
{
    const struct winograd2 f = winograd2_plan(&a->problem->conv);
    run_tiles(a, f.p->g * div_up(f.ocg, f.height), winograd2_pack);
    run_tiles(a, f.p->g * f.blocks, winograd2_tiles);
}

#define WINOGRAD2                                                                                  \
    .formats = {{NCHW, NCHW}}, .algebra = WINOGRAD_F2, .thread_invariant = true,                   \
    .fits = winograd2_fits, .scratch_size = winograd2_scratch, .flops = winograd2_flops,           \
    .run = winograd2_run
