/* Gradient of the data with pixels in the lanes: for few input channels in nchw. Defines rows_fits(), rows_scratch()
 * and rows_run().
 *
 * A row of diff_src is a sum over taps of rows of diff_dst, each shifted by its kw. The shift commutes with the sum over
 * the channels. So rows are first summed unshifted, in place in diff_dst, one sum for each (ic, kw); only these kw sums
 * are then shifted and added. No tap in the padding is computed, a stride costs nothing before the last step, and only
 * the weights are packed.
 *
 * direct_data.tmpl.h leaves most lanes of ic empty there. Limited by the FMA ports where rows are multiples of V. Strips follow
 * from the problem alone: the same bits for any number of threads.
 *
 *   pack the weights, [part of (ic, kw)][kh][oc][(ic, kw)]         each thread for itself: few channels, few weights
 *   for each strip of rows of an image                             dealt to threads
 *     for each part of (ic, kw), each row, each few vectors        the micro-kernel, over kh and oc
 *     for each row and ic: add the kw sums, shifted, to diff_src */
#include "algorithms/conv/rows.tmpl.h"

/* Parameters:
 *
 *   TILE_SUMS_1, TILE_SUMS_2, TILE_SUMS_3    1 to 28    sums of a tile of 1, 2 and 3 vectors: widths of tile_width() */
_Static_assert(TILE_SUMS_1 >= 1 && TILE_SUMS_1 <= 28, "tile() unrolls up to MAX_SUMS sums");
_Static_assert(TILE_SUMS_2 >= 1 && TILE_SUMS_2 <= TILE_SUMS_1,
               "tiles of two vectors have fewer sums");
_Static_assert(TILE_SUMS_3 >= 1 && TILE_SUMS_3 <= TILE_SUMS_2,
               "tiles of three vectors have fewer sums");

/* Floats of the sums of a strip: half of a 32 KiB L1. */
#define STRIP_FLOATS 4096
/* Beyond this a thread would spend its time packing weights that others pack too. */
#define MAX_INPUTS 32

/* Bounds of a tile that unroll pragmas can repeat: sums of a vector, vectors. */
#define MAX_SUMS 28
#define MAX_VECTORS 3

/* Sums of a tile by its number of vectors. */
static const int64_t tile_sums[] = {TILE_SUMS_1, TILE_SUMS_2, TILE_SUMS_3};

struct plan {
    const struct conv *conv;
    int64_t inputs, outputs, sums; /* channels per group; (ic, kw) */
    int64_t vectors, group;        /* of a row of diff_dst; most of them in a tile */
    int64_t parts, width;          /* the (ic, kw) in parts, each padded to a tile */
    int64_t strip, strips;
    int64_t margin, row; /* of a row of sums: floats to the left of pixel 0, floats in all */
    float *packed, *part, *phase; /* scratch of a thread */
    struct run *runs;
    ptrdiff_t *shift; /* [remainder of the column by the stride][kw]; how many each has */
    int64_t *shifts;
    size_t bytes;
};

/* The products of one kh with all output channels: a row of diff_dst in each of them, their weights. */
struct run {
    const float *dy, *w;
};

/* The smallest tile that takes n sums. */
static int64_t tile_width(int64_t n)
{
    static const int64_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,       9,
                                    11, 12, 14, 15, 18, 21, 24, MAX_SUMS};
    int64_t i = 0;
    while (sizes[i] < n)
        i++;
    return sizes[i];
}

static struct plan rows_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {.conv = p, .inputs = p->ic / p->g, .outputs = p->oc / p->g};
    d.sums = d.inputs * p->kw;
    d.vectors = row_vectors(p->ow);
    d.group = div_up(d.vectors, div_up(d.vectors, MAX_VECTORS));
    d.parts = div_up(d.sums, tile_sums[d.group - 1]);
    d.width = tile_width(div_up(d.sums, d.parts));
    d.parts = div_up(d.sums, d.width);
    int64_t wide = (p->kw - 1) * (p->dw + 1), count = div_up(div_up(p->iw, p->sw), V) * V;
    d.margin = max_i64(div_up(wide - p->pw, p->sw), 0);
    d.row = d.margin + max_i64(d.vectors * V, count + (p->sw - 1 + p->pw) / p->sw) + V;
    d.strip = min_i64(max_i64(STRIP_FLOATS / (d.parts * d.width * d.row), 1), p->ih);
    d.strips = div_up(p->ih, d.strip);
    d.strip = div_up(p->ih, d.strips);
    d.strips = div_up(p->ih, d.strip);

    struct carver c = carve_from(a->scratch, thread);
    carve_own(&c, &d.packed, p->g * d.parts * p->kh * d.outputs * d.width, sizeof(float));
    carve_own(&c, &d.part, d.strip * d.parts * d.width * d.row, sizeof(float));
    carve_own(&c, &d.phase, count, sizeof(float));
    carve_own(&c, &d.runs, p->kh, sizeof *d.runs);
    carve_own(&c, &d.shift, p->sw * p->kw, sizeof *d.shift);
    carve_own(&c, &d.shifts, p->sw, sizeof *d.shifts);
    d.bytes = carve_end(&c);
    return d;
}

static size_t rows_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return rows_plan(&a, h->threads - 1).bytes;
}

static const char *rows_fits(const struct problem *p, struct formats f)
{
    (void)f;
    return p->conv.ic / p->conv.g > MAX_INPUTS ? "more input channels than rows are meant for"
                                               : NULL;
}

/* What a tile computes: `width` sums of some vectors of a row of diff_dst, stored `row` floats apart. */
struct job {
    const struct run *runs, *end;
    int64_t width, outputs, plane,
        n;                /* plane: floats from channel to channel; n: pixels of a short row */
    int64_t x, last, row; /* where the first and the last vector begin */
    float *to;
};

static inline __attribute__((always_inline)) void tile(int k, int vectors, const struct job *j)
{
    vf sum[MAX_SUMS][MAX_VECTORS];
#pragma GCC unroll 28
    for (int c = 0; c < MAX_SUMS; c++)
#pragma GCC unroll 3
        for (int v = 0; v < MAX_VECTORS; v++)
            if (c < k && v < vectors)
                sum[c][v] = vzero();
    int64_t plane = j->plane, n = j->n, last = j->last - j->x;
    for (const struct run *r = j->runs; r < j->end; r++) {
        const float *dy = r->dy + j->x, *w = r->w, *end = w + j->outputs * k;
        for (; w < end; w += k) {
            vf x[MAX_VECTORS];
#pragma GCC unroll 3
            for (int v = 0; v < MAX_VECTORS; v++)
                if (v < vectors)
                    x[v] = vectors == 1       ? vload_n(dy, n)
                           : v == vectors - 1 ? vload(dy + last)
                                              : vload(dy + v * V);
            dy += plane;
#pragma GCC unroll 28
            for (int c = 0; c < MAX_SUMS; c++) {
                if (c >= k)
                    break;
#pragma GCC unroll 3
                for (int v = 0; v < MAX_VECTORS; v++)
                    if (v < vectors)
                        sum[c][v] = vfma_at(x[v], w + c, sum[c][v]);
            }
        }
    }
    float *to = j->to + j->x;
    int64_t row = j->row;
#pragma GCC unroll 28
    for (int c = 0; c < MAX_SUMS; c++)
#pragma GCC unroll 3
        for (int v = 0; v < MAX_VECTORS; v++)
            if (c < k && v < vectors)
                vstore(to + c * row + (v > 0 && v == vectors - 1 ? last : v * V), sum[c][v]);
}

/* The tiles of more sums than there are registers for are not compiled. */
static inline __attribute__((always_inline)) void tile_size(int k, int vectors, const struct job *j)
{
    if (k <= (vectors == 1 ? TILE_SUMS_1 : vectors == 2 ? TILE_SUMS_2 : TILE_SUMS_3))
        tile(k, vectors, j);
}

static inline __attribute__((always_inline)) void tile_sums_of(int vectors, const struct job *j)
{
    switch (j->width) {
    case 1: tile_size(1, vectors, j); break;
    case 2: tile_size(2, vectors, j); break;
    case 3: tile_size(3, vectors, j); break;
    case 4: tile_size(4, vectors, j); break;
    case 5: tile_size(5, vectors, j); break;
    case 6: tile_size(6, vectors, j); break;
    case 7: tile_size(7, vectors, j); break;
    case 8: tile_size(8, vectors, j); break;
    case 9: tile_size(9, vectors, j); break;
    case 11: tile_size(11, vectors, j); break;
    case 12: tile_size(12, vectors, j); break;
    case 14: tile_size(14, vectors, j); break;
    case 15: tile_size(15, vectors, j); break;
    case 18: tile_size(18, vectors, j); break;
    case 21: tile_size(21, vectors, j); break;
    case 24: tile_size(24, vectors, j); break;
    default: tile_size(28, vectors, j);
    }
}

/* One function per number of vectors, with a loop for each number of sums. */
static __attribute__((noinline)) void hot_rows_1(const struct job *j)
{
    tile_sums_of(1, j);
}

static __attribute__((noinline)) void hot_rows_2(const struct job *j)
{
    tile_sums_of(2, j);
}

static __attribute__((noinline)) void hot_rows_3(const struct job *j)
{
    tile_sums_of(3, j);
}

static void (*const hot_rows[])(const struct job *j) = {hot_rows_1, hot_rows_2, hot_rows_3};

/* The weights of (group, part, kh): [oc][(ic, kw)]. */
static inline float *packed_at(const struct plan *d, int64_t g, int64_t part, int64_t kh)
{
    return d->packed + ((g * d->parts + part) * d->conv->kh + kh) * d->outputs * d->width;
}

static void pack_weights(const struct plan *d, const float *weights)
{
    const struct conv *p = d->conv;
    int64_t taps = p->kh * p->kw;
    float *to = d->packed;
    for (int64_t i = 0; i < p->g * d->parts * p->kh; i++) {
        int64_t kh = i % p->kh, first = i / p->kh % d->parts * d->width, g = i / p->kh / d->parts;
        int64_t n = min_i64(d->width, d->sums - first);
        for (int64_t o = 0; o < d->outputs; o++, to += d->width) {
            const float *from = weights + (g * d->outputs + o) * d->inputs * taps + kh * p->kw;
            int64_t c = first / p->kw, kw = first % p->kw;
            for (int64_t s = 0; s < d->width; s++) {
                to[s] = s < n ? from[c * taps + kw] : 0;
                if (++kw == p->kw) {
                    kw = 0;
                    c++;
                }
            }
        }
    }
}

/* Sums of row y of diff_src, all parts' `part` of them. */
static void sum_row(const struct plan *d, const float *dy, int64_t g, int64_t part, int64_t y,
                    float *to)
{
    const struct conv *p = d->conv;
    struct run *end = d->runs;
    for (int64_t kh = 0; kh < p->kh; kh++) {
        int64_t row;
        if (row_divides(y + p->ph - kh * (p->dh + 1), p->sh, &row) && row >= 0 && row < p->oh)
            *end++ = (struct run){dy + row * p->ow, packed_at(d, g, part, kh)};
    }
    struct job j = {.runs = d->runs,
                    .end = end,
                    .width = d->width,
                    .outputs = d->outputs,
                    .plane = p->oh * p->ow,
                    .n = min_i64(p->ow, V),
                    .row = d->row,
                    .to = to + d->margin};
    int64_t groups = div_up(d->vectors, d->group);
    for (int64_t i = 0; i < groups; i++) {
        int64_t first = d->vectors * i / groups, count = d->vectors * (i + 1) / groups - first;
        j.x = first * V;
        /* The last vector of a row ends where it ends and overlaps the one before, with the same bits. */
        j.last = max_i64(min_i64((first + count - 1) * V, p->ow - V), 0);
        hot_rows[count - 1](&j);
    }
}

/* Where the kw sums of a channel are that meet at columns q, q + sw, ... of diff_src; returns how many. */
static int64_t shifts_of(const struct plan *d, int64_t q, ptrdiff_t *shift)
{
    const struct conv *p = d->conv;
    int64_t n = 0, at;
    for (int64_t kw = 0; kw < p->kw; kw++)
        if (row_divides(q + p->pw - kw * (p->dw + 1), p->sw, &at))
            shift[n++] = kw * d->row + d->margin + at;
    return n;
}

/* Adds up the kw sums of one channel and row: dx[x] = sum of sums[kw][(x + pw - kw dilation) / stride]. */
static void shift_row(const struct plan *d, const float *sums, float *dx)
{
    const struct conv *p = d->conv;
    for (int64_t q = 0; q < min_i64(p->sw, p->iw); q++) {
        int64_t count = p->sw == 1 ? p->iw : div_up(p->iw - q, p->sw), n = d->shifts[q];
        const ptrdiff_t *shift = d->shift + q * p->kw;
        for (int64_t j = 0; j < count; j += V) {
            vf s = vzero();
            for (int64_t i = 0; i < n; i++)
                s = vadd(s, vload(sums + shift[i] + j));
            if (p->sw > 1)
                vstore(d->phase + j, s);
            else if (count - j >= V)
                vstore(dx + j, s);
            else
                vstore_n(dx + j, s, count - j);
        }
        if (p->sw > 1)
            for (int64_t j = 0; j < count; j++)
                dx[q + j * p->sw] = d->phase[j];
    }
}

/* The rows of diff_dst that rows y0 to y0 + rows of diff_src read first. */
static struct lines lines_of(const struct plan *d, const float *dy, int64_t y0, int64_t rows)
{
    const struct conv *p = d->conv;
    int64_t first = max_i64(y0 + p->ph - (p->kh - 1) * (p->dh + 1), 0) / p->sh;
    int64_t end = min_i64((y0 + rows - 1 + p->ph) / p->sh + 1, p->oh);
    first = min_i64(first, end);
    return (struct lines){.at = dy + first * p->ow,
                          .images = 1,
                          .planes = d->outputs,
                          .run = (end - first) * p->ow,
                          .plane = p->oh * p->ow};
}

/* Tile i: (group, image, strip). */
struct place {
    int64_t g, n, y0, rows;
};

static struct place place_of(const struct plan *d, int64_t i)
{
    const struct conv *p = d->conv;
    struct place at = {.g = i / d->strips / p->mb, .n = i / d->strips % p->mb};
    at.y0 = i % d->strips * d->strip;
    at.rows = min_i64(d->strip, p->ih - at.y0);
    return at;
}

static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = rows_plan(a, thread);
    const struct conv *p = d.conv;
    int64_t all = d.parts * d.width * d.row;
    pack_weights(&d, a->t[WEIGHTS]);
    for (int64_t i = 0; i < d.strip * all; i++) /* the margins stay zero */
        d.part[i] = 0;
    for (int64_t q = 0; q < p->sw; q++)
        d.shifts[q] = shifts_of(&d, q, d.shift + q * p->kw);
    for (int64_t i = first; i < last; i++) {
        struct place at = place_of(&d, i), next = place_of(&d, min_i64(i + 1, last - 1));
        int64_t size = p->oh * p->ow, rows = at.rows, calls = d.parts * rows;
        const float *dy = a->t[DIFF_DST] + (at.n * p->oc + at.g * d.outputs) * size;
        float *dx = a->t[DIFF_SRC] + ((at.n * p->ic + at.g * d.inputs) * p->ih + at.y0) * p->iw;
        struct lines soon = lines_of(
            &d, a->t[DIFF_DST] + (next.n * p->oc + next.g * d.outputs) * size, next.y0, next.rows);
        for (int64_t part = 0; part < d.parts; part++) {
            for (int64_t y = 0; y < rows; y++) {
                sum_row(&d, dy, at.g, part, at.y0 + y, d.part + y * all + part * d.width * d.row);
                lines_fetch(&soon, part * rows + y, calls);
            }
        }
        for (int64_t c = 0; c < d.inputs; c++)
            for (int64_t y = 0; y < rows; y++)
                shift_row(&d, d.part + y * all + c * p->kw * d.row, dx + (c * p->ih + y) * p->iw);
    }
}

static void rows_run(const struct args *a)
{
    struct plan d = rows_plan(a, 0);
    run_tiles(a, d.conv->g * d.conv->mb * d.strips, convolve);
}

/* What tiles compute: taps that reach a row of diff_dst, for every pixel of diff_dst. */
static double rows_flops(const struct problem *problem, struct formats f)
{
    (void)f;
    const struct conv *p = &problem->conv;
    double reached = 0;
    for (int64_t y = 0; y < p->ih; y++) {
        for (int64_t kh = 0; kh < p->kh; kh++) {
            int64_t at = y + p->ph - kh * (p->dh + 1);
            reached += at >= 0 && at % p->sh == 0 && at / p->sh < p->oh;
        }
    }
    return 2.0 * (double)p->mb * (double)p->oc * (double)(p->ic / p->g) * (double)p->kw *
           (double)p->ow * reached;
}

#define ROWS_BWD_DATA                                                                              \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .fits = rows_fits, .scratch_size = rows_scratch, .flops = rows_flops, .run = rows_run
