/* What the three convolution passes share when written as matrix products (im2col: Chellapilla, Puri and Simard 2006).
 *
 * A convolution becomes a problem that the packed micro-kernel solves, at the price of copying. Limited by the FMA ports; by
 * making columns (the gradient of the data: by adding them up) where there are few outputs or tiny images. The grids are
 * fixed: the same bits for any number of threads.
 *
 * The column matrix has a row for every tap (ic, kh, kw) of a group and a column for every output pixel, flattened over
 * n, oh, ow, so that several small images fill a panel. It never exists as a whole. The pieces below describe the columns
 * of one panel or cut; only a block of it is made, in the packed order that gemm.tmpl.h reads. */
#ifndef BATCHMARK_IM2COL_TMPL_H
#define BATCHMARK_IM2COL_TMPL_H

#include "algorithms/gemm/gemm.tmpl.h"
#include "shared/partition.h"

enum {
    /* Columns of a block: 256 deep and 256 wide at 16 floats a vector, 256 KiB, a quarter of the smallest L2. */
    IM2COL_PANELS = 8,
    IM2COL_COLUMNS = IM2COL_PANELS * GEMM_COLUMNS,
    /* Tiles the grid should have, so that a team of this size or a few times fewer is evenly loaded. */
    IM2COL_GRID = 32,
    /* Floats behind a block that a vector store may overrun. */
    IM2COL_SLACK = 16
};

/* Consecutive output pixels of one row, a part of a panel. */
struct im2col_piece {
    int64_t image; /* n */
    int64_t pixel; /* oh * ow_size + ow of the first */
    int64_t top;   /* ih of kh = 0 */
    int64_t left;  /* iw of kw = 0 for the first pixel */
    int64_t at;    /* column of the first within the panel */
    int64_t count;
};

/* A 1x1 convolution without stride or padding sees an image as one long row: long pieces, few of them. */
static inline struct conv im2col_conv(const struct args *a)
{
    struct conv p = a->problem->conv;
    if (p.kh == 1 && p.kw == 1 && p.sh == 1 && p.sw == 1 && !p.ph && !p.pw && p.oh == p.ih &&
        p.ow == p.iw) {
        p.iw *= p.ih;
        p.ow = p.iw;
        p.ih = p.oh = 1;
    }
    return p;
}

/* The pieces of columns q .. q + columns; returns how many, at most `columns`. */
static inline int64_t im2col_pieces(const struct conv *p, int64_t q, int64_t columns,
                                    struct im2col_piece *out)
{
    const int64_t pixels = p->oh * p->ow;
    int64_t n = 0, image = q / pixels, oh = q % pixels / p->ow, ow = q % p->ow;
    for (int64_t at = 0; at < columns; n++) {
        const int64_t count = min_i64(columns - at, p->ow - ow);
        out[n] = (struct im2col_piece){
            .image = image,
            .pixel = oh * p->ow + ow,
            .top = oh * p->sh - p->ph,
            .left = ow * p->sw - p->pw,
            .at = at,
            .count = count,
        };
        at += count;
        ow = 0;
        if (++oh == p->oh) {
            oh = 0;
            image++;
        }
    }
    return n;
}

/* Row and column of a tap within its channel's kernel, stepped instead of divided. */
struct im2col_tap {
    int64_t channel, kh, kw;
};

static inline struct im2col_tap im2col_tap(const struct conv *p, int64_t index)
{
    return (struct im2col_tap){index / (p->kh * p->kw), index / p->kw % p->kh, index % p->kw};
}

static inline void im2col_next(const struct conv *p, struct im2col_tap *t)
{
    if (++t->kw < p->kw)
        return;
    t->kw = 0;
    if (++t->kh < p->kh)
        return;
    t->kh = 0;
    t->channel++;
}

/* out[i] = row[x + i * step] for i < count, 0 outside the row of `width`. May write up to V floats more. */
static inline void im2col_row(float *restrict out, const float *restrict row, int64_t x,
                              int64_t step, int64_t count, int64_t width)
{
    if (step != 1) {
        for (int64_t i = 0; i < count; i++, x += step)
            out[i] = x >= 0 && x < width ? row[x] : 0;
        return;
    }
    int64_t i = 0;
    const int64_t last = min_i64(count, width - x);
    for (; i < count && x + i < 0; i++)
        out[i] = 0;
    for (; i + V <= last; i += V)
        vstore(out + i, vload(row + x + i));
    if (i < last) {
        vstore(out + i, vload_n(row + x + i, last - i));
        i = last;
    }
    for (; i < count; i++)
        out[i] = 0;
}

/* Rows l .. l + k of the column matrix for the pieces of one panel: out[k][GEMM_COLUMNS]. `src` is the first channel of
 * the group in image 0. Panels are packed in ascending order, for a row may overrun into the one after it. */
static inline void im2col_panel(const struct conv *p, const float *restrict src,
                                const struct im2col_piece *pieces, int64_t count, int64_t l,
                                int64_t k, float *restrict out)
{
    struct im2col_tap t = im2col_tap(p, l);
    const int64_t columns = pieces[count - 1].at + pieces[count - 1].count;
    for (int64_t row = 0; row < k; row++, out += GEMM_COLUMNS, im2col_next(p, &t)) {
        const float *channel = src + t.channel * p->ih * p->iw;
        for (const struct im2col_piece *s = pieces; s < pieces + count; s++) {
            const int64_t ih = s->top + t.kh * (p->dh + 1);
            if (ih >= 0 && ih < p->ih)
                im2col_row(out + s->at, channel + s->image * p->ic * p->ih * p->iw + ih * p->iw,
                           s->left + t.kw * (p->dw + 1), p->sw, s->count, p->iw);
            else
                memset(out + s->at, 0, (size_t)s->count * sizeof *out);
        }
        if (columns < GEMM_COLUMNS)
            memset(out + columns, 0, (size_t)(GEMM_COLUMNS - columns) * sizeof *out);
    }
}

/* Floats, rounded up to a cache line. */
static inline int64_t im2col_line(int64_t floats)
{
    return div_up(floats, 16) * 16;
}

#endif
