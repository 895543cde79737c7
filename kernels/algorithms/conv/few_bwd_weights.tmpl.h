/* Gradient of the weights and of the bias for few input channels, output channels in the lanes. Defines few_fits(),
 * few_scratch() and few_run().
 *
 * A tile is some taps of a row of the kernel and some inputs, by one or two vectors of oc. Its sums stay in registers
 * while it passes over all pixels of a unit. Nothing is packed: diff_dst is read in place in nhwc and nchw16c, and
 * transposed one unit at a time in nchw; src is interleaved and padded, or read in place if it needs neither. The compiler
 * knows the distances of the taps, so a tile needs one pointer per column instead of one per tap. TILE_PIXELS neighbours
 * share columns, which saves loads: 3 taps of 3 inputs for 2 pixels and 32 lanes are 16 loads for 36 products.
 *
 * direct_bwd_weights.tmpl.h spends as long there on copies of diff_dst as on products. Limited by the FMA ports; with 16
 * lanes by loads: of diff_dst across lines in nhwc, of lines of src that hold few inputs in nchw16c. In nchw also by
 * transposing diff_dst.
 *
 *   for each chunk of units                                               dealt to threads
 *     for each unit of the chunk: some images or a strip of rows
 *       src to a window, inputs of a pixel together
 *       for each block of oc
 *         diff_dst to rows, where it cannot be read in place
 *         for each (kh, part of kw, part of ic): the micro-kernel, adding to the chunk's own sums
 *   add up the chunks in ascending order and transpose to diff_weights[oc][ic][kh][kw]
 *
 * Units and chunks follow from the problem alone, so the bits are the same for any number of threads. */
#include "algorithms/conv/direct_core.tmpl.h"
#include "shared/pixel_rows.tmpl.h"

/* Parameters:
 *
 *   TILE_VECTORS    1 or 2                    vectors of outputs of a tile
 *   TILE_PIXELS     1 to 4                    neighbours that share the columns of their taps
 *   TILE_SUMS       5 TILE_VECTORS and more   vectors of sums of a tile */
_Static_assert(TILE_VECTORS == 1 || TILE_VECTORS == 2,
               "there are hot_few functions for 1 and 2 vectors");
_Static_assert(TILE_PIXELS >= 1 && TILE_PIXELS <= 4, "multiply() unrolls up to MAX_TILE_PIXELS");
_Static_assert(TILE_SUMS >= 5 * TILE_VECTORS, "a tile has a row of MAX_COLS taps of an input");

/* Bounds of a tile that unroll pragmas can repeat. */
#define MAX_COLS 5
#define MAX_INPUTS 3
#define MAX_TILE_PIXELS 4
#define MAX_TILE_VECTORS 2

/* Inputs beyond which others are faster: a tile of them all would not stay in registers anyhow. */
#define INPUTS_MAX 16
/* Floats of a unit's diff_dst for one block of outputs. Every tile reads it again, so it must fit an L1 of 32 KiB beside
 * the window. */
#define UNIT_FLOATS 6144
/* Pixels a chunk must have to pay for adding up its sums, chunks that keep a small team busy, and a large one. */
#define CHUNK_PIXELS 1024
#define CHUNKS_MIN 4
#define CHUNKS_MAX 64

/* Where TILE_PIXELS neighbours, or a pixel alone, begin in src and in diff_dst. */
struct spot {
    ptrdiff_t x, dy;
};

struct plan {
    const struct conv *conv;
    struct tensor src, diff_dst;
    struct window window;
    int64_t taps;                     /* of the kernel, all inputs */
    int64_t col_parts, input_parts;   /* of kw and ic: a tile has one of each */
    int64_t vectors, blocks;          /* of oc */
    int64_t groups_of_images, images; /* units: so many images at most, or strips of one */
    int64_t strips, rows;
    int64_t units, chunks;
    bool whole; /* src is read in place */
    float *sums,
        *bias; /* scratch, shared: [chunk][block of oc][kh, kw, ic][lane], [chunk][oc lane] */
    float *input, *gradient; /* scratch of a thread */
    struct spot *spot;
    size_t bytes;
};

static const char *few_fits(const struct problem *p, struct formats f)
{
    (void)f;
    if (p->conv.g > 1)
        return "has groups";
    return p->conv.ic > INPUTS_MAX ? "more than 16 input channels" : NULL;
}

static struct plan few_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {
        .conv = p,
        /* Of a single channel, nchw is nhwc. */
        .src = {a->t[SRC], a->formats.src == NCHW && p->ic == 1 ? NHWC : a->formats.src, p->ic,
                p->ih, p->iw},
        .diff_dst = {a->t[DIFF_DST], a->formats.dst == NCHW && p->oc == 1 ? NHWC : a->formats.dst,
                     p->oc, p->oh, p->ow},
        .taps = p->kh * p->kw * p->ic,
    };
    d.vectors = div_up(p->oc, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    const int64_t tile_vectors = div_up(d.vectors, d.blocks);
    d.col_parts = div_up(p->kw, MAX_COLS);
    const int64_t inputs = TILE_SUMS / (div_up(p->kw, d.col_parts) * tile_vectors);
    d.input_parts = div_up(p->ic, min_i64(inputs, MAX_INPUTS));

    const int64_t pixels = UNIT_FLOATS / TILE_LANES, plane = p->oh * p->ow;
    if (p->mb >= CHUNKS_MIN && plane <= pixels) {
        d.rows = p->oh;
        d.groups_of_images = div_up(div_up(p->mb, pixels / plane), 4) * 4;
        d.groups_of_images = min_i64(d.groups_of_images, p->mb);
        d.images = div_up(p->mb, d.groups_of_images);
    } else {
        d.images = 1;
        d.groups_of_images = p->mb;
        d.rows = min_i64(max_i64(pixels / p->ow, 1), div_up(p->oh, div_up(CHUNKS_MIN, p->mb)));
        d.rows = div_up(p->oh, div_up(p->oh, d.rows));
    }
    d.strips = div_up(p->oh, d.rows);
    d.units = d.groups_of_images * d.strips;
    d.chunks = min_i64(p->mb * plane / CHUNK_PIXELS, CHUNKS_MAX) / 4 * 4;
    d.chunks = min_i64(max_i64(d.chunks, CHUNKS_MIN), d.units);

    const int64_t high = (p->kh - 1) * (p->dh + 1) + 1, wide = (p->kw - 1) * (p->dw + 1) + 1;
    d.whole = d.src.layout != NCHW && !p->ph && !p->pw && (p->oh - 1) * p->sh + high <= p->ih &&
              (p->ow - 1) * p->sw + wide <= p->iw;
    d.window = window_make(d.src.layout == NCHW ? NHWC : d.src.layout, (d.rows - 1) * p->sh + high,
                           (p->ow - 1) * p->sw + wide, p->ic);
    if (d.whole) {
        d.window.row = p->iw * d.window.pixel;
        d.window.image = p->ih * d.window.row;
    }

    struct carver c = carve_from(a->scratch, thread);
    d.sums = carve(&c, d.chunks * d.vectors * V * d.taps, sizeof(float));
    d.bias = carve(&c, d.chunks * d.vectors * V, sizeof(float));
    carve_own(&c, &d.gradient, (d.images * d.rows * p->ow + V) * TILE_LANES, sizeof(float));
    carve_own(&c, &d.input, d.whole ? 0 : window_floats(&d.window, d.images), sizeof(float));
    carve_own(&c, &d.spot, d.rows * p->ow, sizeof *d.spot);
    d.bytes = carve_end(&c);
    return d;
}

static size_t few_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return few_plan(&a, h->threads - 1).bytes;
}

/* Rows of pixels of diff_dst, distances in floats. */
struct pixels {
    const float *at;
    ptrdiff_t step, lane, image;
};

/* What a tile computes: `cols` taps of a row by `inputs`. */
struct job {
    const float *x, *dy;
    ptrdiff_t col, image; /* in x: from tap to tap of a row, image to image */
    ptrdiff_t dy_step, dy_lane,
        dy_image;            /* in dy: from pixel to pixel, vector to vector, image to image */
    const struct spot *spot; /* of an image: first neighbours, then pixels alone */
    int64_t images, together, alone;
    int64_t cols, inputs;
    float *sums, *bias; /* bias: used by one tile of a unit */
    ptrdiff_t sums_col; /* from tap to tap */
    bool fresh;
    const float *soon; /* what is read in its place next, two lines of TILE_PIXELS pixels */
};

/* The products of `pixels` neighbours, whose columns are at[0], at[1], ... */
static inline __attribute__((always_inline)) void
multiply(int pixels, int cols, int inputs, int k, vf sum[MAX_COLS][MAX_INPUTS][MAX_TILE_VECTORS],
         vf *bias, const float *const at[MAX_COLS + MAX_TILE_PIXELS], ptrdiff_t s, const float *dy,
         ptrdiff_t dy_step, ptrdiff_t dy_lane)
{
    vf row[MAX_TILE_PIXELS][MAX_TILE_VECTORS];
#pragma GCC unroll 4
    for (int p = 0; p < MAX_TILE_PIXELS; p++, dy += dy_step)
#pragma GCC unroll 2
        for (int j = 0; j < MAX_TILE_VECTORS; j++)
            if (p < pixels && j < k) {
                row[p][j] = vload(dy + j * dy_lane);
                if (bias)
                    bias[j] = vadd(bias[j], row[p][j]);
            }
#pragma GCC unroll 9
    for (int x = 0; x < MAX_COLS + MAX_TILE_PIXELS; x++) {
        if (x >= cols + pixels - 1)
            break;
#pragma GCC unroll 3
        for (int c = 0; c < MAX_INPUTS; c++) {
            if (c >= inputs)
                break;
            const vf b = vset1(at[x][s + c]);
#pragma GCC unroll 4
            for (int p = 0; p < MAX_TILE_PIXELS; p++)
#pragma GCC unroll 2
                for (int j = 0; j < MAX_TILE_VECTORS; j++)
                    if (p < pixels && p <= x && x - p < cols && j < k)
                        sum[x - p][c][j] = vfma(b, row[p][j], sum[x - p][c][j]);
        }
    }
}

static inline __attribute__((always_inline)) void tile_few(int cols, int inputs, int k,
                                                           bool with_bias, const struct job *job)
{
    vf sum[MAX_COLS][MAX_INPUTS][MAX_TILE_VECTORS], bias[MAX_TILE_VECTORS];
    const float *at[MAX_COLS + MAX_TILE_PIXELS], *dy = job->dy, *soon = job->soon;
#pragma GCC unroll 9
    for (int x = 0; x < MAX_COLS + MAX_TILE_PIXELS; x++)
        at[x] = job->x + min_i64(x, cols + TILE_PIXELS - 2) * job->col;
#pragma GCC unroll 5
    for (int x = 0; x < MAX_COLS; x++)
#pragma GCC unroll 3
        for (int c = 0; c < MAX_INPUTS; c++)
#pragma GCC unroll 2
            for (int j = 0; j < MAX_TILE_VECTORS; j++)
                if (x < cols && c < inputs && j < k)
                    sum[x][c][j] = vzero();
#pragma GCC unroll 2
    for (int j = 0; j < MAX_TILE_VECTORS; j++)
        bias[j] = vzero();
    const ptrdiff_t dy_step = job->dy_step, dy_lane = job->dy_lane;
    for (int64_t n = 0; n < job->images; n++) {
        const struct spot *spot = job->spot, *end = spot + job->together;
        for (; spot < end; spot++) {
            __builtin_prefetch(soon + spot->dy, 0, 2);
            __builtin_prefetch(soon + spot->dy + 16, 0, 2);
            multiply(TILE_PIXELS, cols, inputs, k, sum, with_bias ? bias : NULL, at, spot->x,
                     dy + spot->dy, dy_step, dy_lane);
        }
        for (end += job->alone; spot < end; spot++)
            multiply(1, cols, inputs, k, sum, with_bias ? bias : NULL, at, spot->x, dy + spot->dy,
                     dy_step, dy_lane);
        dy += job->dy_image;
        soon += job->dy_image;
#pragma GCC unroll 9
        for (int x = 0; x < MAX_COLS + MAX_TILE_PIXELS; x++)
            at[x] += job->image;
    }
#pragma GCC unroll 5
    for (int x = 0; x < MAX_COLS; x++)
#pragma GCC unroll 3
        for (int c = 0; c < MAX_INPUTS; c++)
#pragma GCC unroll 2
            for (int j = 0; j < MAX_TILE_VECTORS; j++)
                if (x < cols && c < inputs && j < k) {
                    float *to = job->sums + x * job->sums_col + (c * k + j) * V;
                    vstore(to, job->fresh ? sum[x][c][j] : vadd(vload(to), sum[x][c][j]));
                }
#pragma GCC unroll 2
    for (int j = 0; j < MAX_TILE_VECTORS; j++)
        if (with_bias && j < k)
            vstore(job->bias + j * V, vadd(vload(job->bias + j * V), bias[j]));
}

/* The tiles of a size that TILE_SUMS rules out are not compiled. */
static inline __attribute__((always_inline)) void tile_size(int cols, int inputs, int k,
                                                            bool with_bias, const struct job *job)
{
    if (cols * inputs * k <= TILE_SUMS && k <= TILE_VECTORS)
        tile_few(cols, inputs, k, with_bias, job);
}

static inline __attribute__((always_inline)) void tile_cols(int cols, int k, bool with_bias,
                                                            const struct job *job)
{
    switch (job->inputs) {
    case 1: tile_size(cols, 1, k, with_bias, job); break;
    case 2: tile_size(cols, 2, k, with_bias, job); break;
    default: tile_size(cols, 3, k, with_bias, job);
    }
}

static inline __attribute__((always_inline)) void tile_vectors(int k, bool with_bias,
                                                               const struct job *job)
{
    switch (job->cols) {
    case 1: tile_cols(1, k, with_bias, job); break;
    case 2: tile_cols(2, k, with_bias, job); break;
    case 3: tile_cols(3, k, with_bias, job); break;
    case 4: tile_cols(4, k, with_bias, job); break;
    default: tile_cols(5, k, with_bias, job);
    }
}

/* One function per number of vectors, with and without the bias. */
static __attribute__((noinline)) void hot_few_1(const struct job *job)
{
    tile_vectors(1, false, job);
}

static __attribute__((noinline)) void hot_few_1_bias(const struct job *job)
{
    tile_vectors(1, true, job);
}

static __attribute__((noinline)) void hot_few_2(const struct job *job)
{
    tile_vectors(2, false, job);
}

static __attribute__((noinline)) void hot_few_2_bias(const struct job *job)
{
    tile_vectors(2, true, job);
}

/* Images n0 .. n0 + images, output rows y0 .. y0 + rows. */
static struct patch unit_of(const struct plan *d, int64_t i)
{
    const int64_t group = i / d->strips;
    struct patch u = {.n0 = part_begin(d->conv->mb, d->groups_of_images, group),
                      .y0 = i % d->strips * d->rows,
                      .cols = d->conv->ow};
    u.images = part_begin(d->conv->mb, d->groups_of_images, group + 1) - u.n0;
    u.rows = min_i64(d->rows, d->conv->oh - u.y0);
    return u;
}

/* Blocks differ by a vector at most. */
static inline int64_t block_begin(const struct plan *d, int64_t block)
{
    return part_begin(d->vectors, d->blocks, block);
}

static inline __attribute__((always_inline)) void
put_together(int64_t channels, float *out, const float *from, int64_t plane, int64_t n)
{
    for (int64_t x = 0; x < n; x++)
        for (int64_t c = 0; c < channels; c++)
            out[x * channels + c] = from[c * plane + x];
}

/* window_pack() from nchw to a window of nhwc. */
static void window_interleave(const struct window *w, const struct tensor *t, int64_t n, int64_t y0,
                              int64_t x0, float *out)
{
    const int64_t left = min_i64(max_i64(-x0, 0), w->cols),
                  right = max_i64(min_i64(t->w - x0, w->cols), left);
    const int64_t plane = t->h * t->w;
    for (int64_t r = 0; r < w->rows; r++, out += w->row) {
        const int64_t y = y0 + r;
        if (y < 0 || y >= t->h) {
            put_zeros_over(out, w->row);
            continue;
        }
        const float *from = t->data + n * t->c * plane + y * t->w + x0 + left;
        put_zeros_over(out, left * w->pixel);
        float *to = out + left * w->pixel;
        if (w->pixel == 3)
            put_together(3, to, from, plane, right - left);
        else
            put_together(w->pixel, to, from, plane, right - left);
        put_zeros_over(out + right * w->pixel, (w->cols - right) * w->pixel);
    }
}

/* src of a unit; sets where it lies for the first tap. */
static const float *take_input(const struct plan *d, const struct patch *u)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    if (d->whole)
        return d->src.data + u->n0 * w->image + u->y0 * p->sh * w->row;
    for (int64_t n = 0; n < u->images; n++) {
        float *to = d->input + n * w->image;
        if (d->src.layout == NCHW)
            window_interleave(w, &d->src, u->n0 + n, u->y0 * p->sh - p->ph, -p->pw, to);
        else
            window_pack(w, &d->src, u->n0 + n, 0, p->ic, u->y0 * p->sh - p->ph, -p->pw, to);
    }
    return d->input;
}

/* diff_dst of a unit, k vectors from v on: in place, but where it is nchw or whole vectors would reach over its end. */
static struct pixels take_gradient(const struct plan *d, const struct patch *u, int64_t v,
                                   int64_t k)
{
    const struct tensor *t = &d->diff_dst;
    const int64_t plane = t->h * t->w, c = v * V, m = min_i64(t->c - c, k * V);
    const float *at = channel_of(t, u->n0, c) + u->y0 * t->w * pixel_pitch(t->layout, t->c);
    if (t->layout == NCHW16C)
        return (struct pixels){.at = at,
                               .step = 16,
                               .lane = c % 16 + V < 16 ? V : plane * 16 + V - 16,
                               .image = div_up(t->c, 16) * plane * 16};
    const int64_t last = (u->n0 + u->images - 1) * plane + (u->y0 + u->rows) * t->w - 1;
    if (t->layout == NHWC && last * t->c + c + k * V <= d->conv->mb * plane * t->c)
        return (struct pixels){.at = at, .step = t->c, .lane = V, .image = plane * t->c};
    take_block(d->gradient, t, u, c, k, m);
    return (struct pixels){
        .at = d->gradient, .step = k * V, .lane = V, .image = u->rows * t->w * k * V};
}

/* The spots of the pixels of an image's share of a unit, neighbours first; sets how many there are. */
static void fill_spots(const struct plan *d, int64_t rows, ptrdiff_t dy_step, struct job *job)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    const ptrdiff_t step = p->sw * w->pixel, row = p->sh * w->row;
    /* Neighbours share columns where pixels are as far apart as taps. */
    const int64_t together = p->sw == p->dw + 1 ? p->ow / TILE_PIXELS : 0;
    struct spot *to = d->spot;
    for (int64_t y = 0; y < rows; y++)
        for (int64_t i = 0, x = 0; i < together; i++, x += TILE_PIXELS)
            *to++ = (struct spot){.x = y * row + x * step, .dy = (y * p->ow + x) * dy_step};
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = together * TILE_PIXELS; x < p->ow; x++)
            *to++ = (struct spot){.x = y * row + x * step, .dy = (y * p->ow + x) * dy_step};
    job->spot = d->spot;
    job->together = rows * together;
    job->alone = rows * (p->ow - together * TILE_PIXELS);
    job->dy_step = dy_step;
}

/* All products of a unit. */
static void accumulate_unit(const struct plan *d, const struct patch *u, const struct patch *next,
                            float *sums, float *bias, bool fresh)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    const enum layout layout = d->diff_dst.layout;
    const float *x = take_input(d, u);
    const int64_t parts = d->col_parts * d->input_parts, tiles = p->kh * parts;
    struct job job = {
        .col = (p->dw + 1) * w->pixel, .image = w->image, .images = u->images, .fresh = fresh};
    for (int64_t block = 0; block < d->blocks; block++) {
        const int64_t v = block_begin(d, block), k = block_begin(d, block + 1) - v,
                      m = min_i64(p->oc - v * V, k * V);
        const struct pixels dy = take_gradient(d, u, v, k);
        if (job.dy_step != dy.step)
            fill_spots(d, u->rows, dy.step, &job);
        job.dy = dy.at;
        job.dy_lane = dy.lane;
        job.dy_image = dy.image;
        job.sums_col = p->ic * k * V;
        /* Meanwhile the next unit's diff_dst is prefetched into L2: if it is read in place, two lines of the same pixels with
         * each tile; else between tiles. */
        const struct lines lines =
            lines_make(&d->diff_dst, next->n0, next->images, v * V, m, next->y0, next->rows);
        const int64_t group = layout == NHWC ? TILE_PIXELS * p->oc : TILE_PIXELS * 16;
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t kh = i / parts, col_part = i / d->input_parts % d->col_parts,
                          input_part = i % d->input_parts;
            const int64_t kw = part_begin(p->kw, d->col_parts, col_part);
            const int64_t c = part_begin(p->ic, d->input_parts, input_part);
            job.cols = part_begin(p->kw, d->col_parts, col_part + 1) - kw;
            job.inputs = part_begin(p->ic, d->input_parts, input_part + 1) - c;
            job.x = x + kh * (p->dh + 1) * w->row + kw * job.col + c;
            job.sums = sums + (v * d->taps + ((kh * p->kw + kw) * p->ic + c) * k) * V;
            job.bias = bias + v * V;
            job.soon = layout == NCHW   ? dy.at
                       : layout == NHWC ? lines.at + (block * tiles + i) * 32 % group
                                        : lines.at + i % lines.planes * lines.plane +
                                              i / lines.planes * 32 % group;
            if (i)
                (k == 2 ? hot_few_2 : hot_few_1)(&job);
            else
                (k == 2 ? hot_few_2_bias : hot_few_1_bias)(&job);
            if (layout == NCHW)
                lines_fetch(&lines, i, tiles);
        }
    }
}

/* Tasks: chunks. */
static void accumulate(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = few_plan(a, thread);
    for (int64_t chunk = first; chunk < last; chunk++) {
        const int64_t begin = part_begin(d.units, d.chunks, chunk),
                      end = part_begin(d.units, d.chunks, chunk + 1);
        float *sums = d.sums + chunk * d.vectors * V * d.taps,
              *bias = d.bias + chunk * d.vectors * V;
        put_zeros_over(bias, d.vectors * V);
        for (int64_t i = begin; i < end; i++) {
            const struct patch u = unit_of(&d, i), next = unit_of(&d, min_i64(i + 1, end - 1));
            accumulate_unit(&d, &u, &next, sums, bias, i == begin);
        }
    }
}

/* Tasks of the end: (vector of oc, V weights of each). */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = few_plan(a, thread);
    const struct conv *p = d.conv;
    const int64_t kernel = p->kh * p->kw, pitch = d.vectors * V * d.taps, parts = div_up(d.taps, V);
    for (int64_t i = first; i < last; i++) {
        const int64_t v = i / parts, r = i % parts * V, m = min_i64(p->oc - v * V, V);
        int64_t block = 0;
        while (block_begin(&d, block + 1) <= v)
            block++;
        const int64_t begin = block_begin(&d, block), k = block_begin(&d, block + 1) - begin;
        const float *from = d.sums + (begin * d.taps + v - begin) * V;
        vf b[V];
        for (int64_t j = 0; j < V; j++) {
            const int64_t c = (r + j) / kernel, tap = (r + j) % kernel;
            b[j] =
                c < p->ic ? sum_chunks(from + (tap * p->ic + c) * k * V, pitch, d.chunks) : vzero();
        }
        vtranspose(b);
        for (int64_t j = 0; j < m; j++)
            vstore_n(a->t[DIFF_WEIGHTS] + (v * V + j) * d.taps + r, b[j], min_i64(d.taps - r, V));
        if (a->t[DIFF_BIAS] && r == 0)
            vstore_n(a->t[DIFF_BIAS] + v * V, sum_chunks(d.bias + v * V, d.vectors * V, d.chunks),
                     m);
    }
}

static void few_run(const struct args *a)
{
    const struct plan d = few_plan(a, 0);
    run_tiles_twice(a, d.chunks, accumulate, d.vectors * div_up(d.taps, V), finish);
}

#define FEW_BWD_WEIGHTS                                                                            \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .fits = few_fits, .scratch_size = few_scratch, .run = few_run
