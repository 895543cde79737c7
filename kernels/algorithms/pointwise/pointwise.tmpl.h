/* Convolutions with a kernel of 1x1 and any stride as the matrix products they are: the forward pass and, where the
 * including file says so by BACKWARD, the gradient of the data.
 *
 *   sum[r][l] += rows[r][k] * panel[k][l]
 *
 *   layout           r runs over    l: lanes of    k runs over
 *   nhwc, nchw16c    pixels         outputs        inputs
 *   nchw             outputs        pixels         inputs
 *
 *   for each unit of rows and some blocks of TILE_LANES lanes          dealt to threads
 *     for each cut of k
 *       for each of these blocks
 *         pack its panel: weights, or pixels of planes                 stays near
 *         for each TILE_PIXELS rows: the micro-kernel                  sums wait in `sums` from cut to cut
 *
 * Rows are read in place, pixels of the whole batch one after the other, so that 7x7 images fill tiles as well as larger
 * ones. direct_data.tmpl.h packs all weights first and passes few rows over them; deep layers of few pixels then wait
 * until weights are written, and each unit reads them again. Here a panel is packed where it is used, and a unit has
 * enough rows to pay for that. The micro-kernel prefetches the rows and sums of the next tile. Bound: the FMA ports, then
 * inputs from beyond the L2.
 *
 * With a stride, the forward pass in nhwc and nchw16c first copies the pixels it uses: in place, they would occupy only
 * half of the sets of all caches. The gradient writes each pixel together with its zeros. In nchw the gradient reads
 * weights that were transposed once per call. A sum is made in the order of k for any cuts, units and groups, so the bits
 * are the same for any team and cache. */
#include "algorithms/conv/direct_core.tmpl.h"
#include "algorithms/pointwise/pointwise.h"

#include <string.h>

/* Parameters:
 *
 *   TILE_PIXELS     3 to 8    rows of a register tile: pixels, in nchw outputs
 *   TILE_VECTORS    1 to 4    vectors of a row
 *   BACKWARD        bool      the gradient of the data */
_Static_assert(TILE_PIXELS >= 3 && TILE_PIXELS <= MAX_PIXELS,
               "tile() unrolls up to MAX_PIXELS rows");
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= MAX_VECTORS,
               "hot_pointwise() has a case for 1 to 4 vectors");

/* Rows of a unit: 256 KiB of sums for 64 lanes, and a panel is used often enough to pay for its packing. */
#define UNIT_ROWS 1024
/* Items of work wanted, for teams of many sizes, and fewest rows of a unit cut for them. */
#define ITEMS 8
/* Blocks whose sums wait at a time: a cut of the rows of a unit, 400 KiB, comes once for them all. */
#define GROUP 2
#define UNIT_ROWS_MIN 96

struct plan {
    const struct conv *conv;
    struct tensor in, out;
    const float *weights, *bias;
    int64_t inputs, outputs;
    int64_t in_sy, in_sx, out_sy, out_sx; /* steps from one pixel of the products to the next */
    bool planes;                          /* lanes are pixels, rows are outputs */
    bool copied, turned;                  /* pixels in use, weights: in `copy` */
    bool streams;                         /* pixels and the zeros around them go past the cache */
    int64_t pixels, rows, lanes;
    int64_t unit_rows, units, vectors, blocks, group;
    int64_t depth, cuts;
    int64_t run; /* so many successive inputs of a row lie side by side */
    /* scratch */
    float *copy, *panel, *sums, *start;
    ptrdiff_t *step, *at, *to; /* per input; per row of a unit: where it is read and goes to */
    size_t bytes;
};

/* Is a batch of images much larger than the team's L2s, not read soon, and made of whole lines? Ordinary stores would read
 * it first. Gradients of 1x1 at stride 2 of ResNet-50 take 0.95 of the time in nchw16c, 0.8 to 0.92 in nhwc. */
static bool streams_lines(const struct tensor *t, int64_t images, const struct hints *h)
{
    size_t bytes = (size_t)(images * t->c * t->h * t->w) * sizeof(float);
    return (uintptr_t)t->data % 64 == 0 && t->c % 16 == 0 && !h->keep &&
           bytes > 4 * h->l2 * (size_t)h->threads;
}

static struct plan pointwise_plan(const struct args *a, int thread)
{
    const struct conv *c = &a->problem->conv;
    struct tensor src = {a->t[BACKWARD ? DIFF_SRC : SRC], a->formats.src, c->ic, c->ih, c->iw};
    struct tensor dst = {a->t[BACKWARD ? DIFF_DST : DST], a->formats.dst, c->oc, c->oh, c->ow};
    bool strided = c->sh > 1 || c->sw > 1, planes = a->formats.src == NCHW;
    struct plan d = {
        .conv = c,
        .in = BACKWARD ? dst : src,
        .out = BACKWARD ? src : dst,
        .weights = a->t[WEIGHTS],
        .bias = BACKWARD ? NULL : a->t[BIAS],
        .inputs = BACKWARD ? c->oc : c->ic,
        .outputs = BACKWARD ? c->ic : c->oc,
        .in_sy = BACKWARD ? 1 : c->sh,
        .in_sx = BACKWARD ? 1 : c->sw,
        .out_sy = BACKWARD ? c->sh : 1,
        .out_sx = BACKWARD ? c->sw : 1,
        .planes = planes,
        .copied = !BACKWARD && !planes && strided,
        .turned = BACKWARD && planes,
        .pixels = c->mb * c->oh * c->ow,
    };
    d.streams = BACKWARD && strided && !planes && streams_lines(&d.out, c->mb, &a->hints);
    d.rows = planes ? d.outputs : d.pixels;
    d.lanes = planes ? d.pixels : d.outputs;
    d.vectors = div_up(d.lanes, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    int64_t wanted = min_i64(max_i64(d.rows * d.blocks / ITEMS, UNIT_ROWS_MIN), UNIT_ROWS);
    d.unit_rows = div_up(div_up(d.rows, div_up(d.rows, wanted)), TILE_PIXELS) * TILE_PIXELS;
    d.units = div_up(d.rows, d.unit_rows);
    d.group = min_i64(GROUP, d.blocks);
    /* Of the L1 a panel would take two thirds; a row passes through the rest. */
    int64_t most =
        max_i64(panel_bytes(&a->hints, (int64_t)a->hints.l1 * 2 / 3) / (TILE_LANES * 4) / 16, 1) *
        16;
    d.depth = div_up(div_up(d.inputs, div_up(d.inputs, most)), 16) * 16;
    d.cuts = div_up(d.inputs, d.depth);
    d.run = d.inputs % 4 ? 1 : d.inputs % 16 ? 4 : 16;

    struct carver s = carve_from(a->scratch, thread);
    if (d.copied)
        d.copy = carve(&s, d.pixels * (a->formats.src == NHWC ? c->ic : div_up(c->ic, 16) * 16),
                       sizeof(float));
    if (d.turned)
        d.copy = carve(&s, d.inputs * d.outputs, sizeof(float));
    carve_own(&s, &d.panel, d.depth * TILE_LANES + 2 * V, sizeof(float));
    carve_own(&s, &d.sums, d.unit_rows * TILE_LANES * d.group, sizeof(float));
    carve_own(&s, &d.start, planes ? d.unit_rows * V : TILE_LANES, sizeof(float));
    carve_own(&s, &d.step, d.inputs, sizeof(ptrdiff_t));
    carve_own(&s, &d.at, d.unit_rows, sizeof(ptrdiff_t));
    carve_own(&s, &d.to, d.unit_rows, sizeof(ptrdiff_t));
    d.bytes = carve_end(&s);
    return d;
}

static size_t pointwise_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return pointwise_plan(&a, h->threads - 1).bytes;
}

/* Copies the pixels a strided forward pass uses. Tiles: (image, plane, row). */
static void copy_used(const struct plan *d, int64_t first, int64_t last)
{
    struct planes p = planes_of(&d->in, 0, d->inputs);
    int64_t rows = d->conv->oh, cols = d->conv->ow;
    for (int64_t i = first; i < last; i++) {
        const float *from =
            d->in.data + i / rows * p.size + i % rows * d->in_sy * d->in.w * p.pitch;
        float *to = d->copy + i * cols * p.pitch;
        for (int64_t x = 0; x < cols; x++, to += p.pitch, from += d->in_sx * p.pitch) {
            int64_t c = 0;
            for (; c + V <= p.pitch; c += V)
                vstore(to + c, vload(from + c));
            if (c < p.pitch)
                vstore_n(to + c, vload_n(from + c, p.pitch - c), p.pitch - c);
        }
    }
}

/* Turns weights[input][output]. Tiles: vectors of outputs. */
static void turn_weights(const struct plan *d, int64_t first, int64_t last)
{
    for (int64_t o = first * V; o < min_i64(last * V, d->outputs); o += V)
        turn_to_planes(d->copy + o * d->inputs, d->inputs, d->weights + o, d->outputs,
                       d->outputs - o, d->inputs);
}

static int64_t first_tiles(const struct plan *d)
{
    if (d->turned)
        return div_up(d->outputs, V);
    return d->conv->mb * planes_of(&d->in, 0, d->inputs).all * d->conv->oh;
}

static void copy_first(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = pointwise_plan(a, thread);
    if (d.turned)
        turn_weights(&d, first, last);
    else
        copy_used(&d, first, last);
}

/* Vectors of lanes are dealt to blocks evenly: a block of one vector would keep few sums in flight. */
static inline int64_t block_first(const struct plan *d, int64_t block)
{
    return part_begin(d->vectors, d->blocks, block);
}

/* A block of lanes. */
struct block {
    int64_t vectors, first, count;
};

/* What a tile of k vectors reads and writes: rows and lanes of both ends come from tables. */
struct job {
    struct tile_rows to, from;
    const float *x, *w;
    const ptrdiff_t *at, *step;
    int64_t run, n;
    struct tile_ahead ahead;
};

static inline __attribute__((always_inline)) void tile_between(int k, const struct job *j)
{
    if (k > TILE_VECTORS)
        return;
    if (!j->to.row || !j->to.lane || !j->from.row || !j->from.lane)
        __builtin_unreachable();
    tile(TILE_PIXELS, k, j->to, j->from, j->x, j->at, j->w, j->step, j->run, j->n, &j->ahead);
}

/* It stands alone (noinline) so that its code can be found and checked for spills. */
static __attribute__((noinline)) void hot_pointwise(int64_t k, const struct job *j)
{
    switch (k) {
    case 1: tile_between(1, j); break;
    case 2: tile_between(2, j); break;
    case 3: tile_between(3, j); break;
    default: tile_between(4, j);
    }
}

/* Pixel i of the products: its image and place there. */
struct place {
    int64_t n, y, x;
};

static inline struct place place_of(const struct plan *d, int64_t i)
{
    int64_t cols = d->conv->ow, image = d->conv->oh * cols;
    return (struct place){i / image, i % image / cols, i % cols};
}

/* Where pixel `at` of a tensor lies, in its first plane. */
static inline ptrdiff_t offset_of(const struct tensor *t, struct place at, int64_t sy, int64_t sx)
{
    struct planes p = planes_of(t, 0, t->c);
    return at.n * p.all * p.size + (at.y * sy * t->w + at.x * sx) * p.pitch;
}

/* The pixels that products read, as a tensor: those of the copy are all in use. */
static inline struct tensor pixels_read(const struct plan *d)
{
    struct tensor t = d->in;
    if (d->copied) {
        t.data = d->copy;
        t.h = d->conv->oh;
        t.w = d->conv->ow;
    }
    return t;
}

/* Lists the rows of a unit; the last one again and again to fill its tile. */
static void list_rows(const struct plan *d, int64_t first, int64_t rows)
{
    struct tensor in = pixels_read(d);
    for (int64_t i = 0; i < d->unit_rows; i++) {
        int64_t r = first + min_i64(i, rows - 1);
        if (d->planes) {
            d->at[i] = r * d->inputs;
            d->to[i] = r * d->out.h * d->out.w;
            vstore(d->start + i * V, vset1(d->bias ? d->bias[r] : 0));
        } else {
            struct place at = place_of(d, r);
            d->at[i] = offset_of(&in, at, d->copied ? 1 : d->in_sy, d->copied ? 1 : d->in_sx);
            d->to[i] = offset_of(&d->out, at, d->out_sy, d->out_sx);
        }
    }
}

/* Where the lanes are outputs: the sums of a row begin with the bias. */
static void list_start(const struct plan *d, const struct block *b)
{
    for (int64_t j = 0; j < b->vectors * V; j++)
        d->start[j] = 0;
    if (d->bias)
        memcpy(d->start, d->bias + b->first, (size_t)b->count * sizeof *d->start);
}

static void list_steps(const struct plan *d)
{
    struct tensor in = pixels_read(d);
    int64_t plane = planes_of(&in, 0, in.c).size;
    bool blocked = in.layout == NCHW16C;
    for (int64_t c = 0; c < d->inputs; c++)
        d->step[c] = blocked ? c / 16 * plane + c % 16 : c;
}

/* Where lanes are pixels: some that lie side by side in both tensors. */
struct piece {
    int64_t lane, count;
    struct place place;
    ptrdiff_t in, out;
};

static struct piece piece_at(const struct plan *d, const struct block *b, int64_t lane)
{
    int64_t i = b->first + lane, image = d->conv->oh * d->conv->ow;
    struct piece s = {.lane = lane, .count = 1, .place = place_of(d, i)};
    if (d->in_sx == 1 && d->in_sy == 1 && d->out_sx == 1 && d->out_sy == 1)
        s.count = min_i64(image - i % image, b->count - lane);
    s.in = offset_of(&d->in, s.place, d->in_sy, d->in_sx);
    s.out = offset_of(&d->out, s.place, d->out_sy, d->out_sx);
    return s;
}

/* Inputs k0 .. k0 + n of planes. Written piece by piece in ascending order of lanes, row by row: whole vectors run over
 * into what comes next. */
static void pack_pixels(const struct plan *d, const struct block *b, int64_t k0, int64_t n)
{
    int64_t plane = d->in.h * d->in.w, row = b->vectors * V;
    struct piece all[TILE_LANES];
    int pieces = 0;
    for (int64_t lane = 0; lane < b->count; lane += all[pieces++].count)
        all[pieces] = piece_at(d, b, lane);
    float *out = d->panel;
    for (int64_t k = 0; k < n; k++, out += row) {
        const float *from = d->in.data + (k0 + k) * plane;
        for (int i = 0; i < pieces; i++) {
            if (all[i].count == 1)
                out[all[i].lane] = from[all[i].in];
            else
                put_floats_over(out + all[i].lane, from + all[i].in, all[i].count, all[i].count);
        }
        put_zeros_over(out + b->count, row - b->count);
    }
}

/* Inputs k0 .. k0 + n of weights[output][input]. */
static void pack_transposed(const struct plan *d, const struct block *b, int64_t k0, int64_t n)
{
    int64_t row = b->vectors * V;
    for (int64_t v = 0; v < b->vectors; v++) {
        int64_t c = b->first + v * V;
        turn_to_lanes(d->panel + v * V, row, d->weights + c * d->inputs + k0, d->inputs,
                      d->outputs - c, n);
    }
}

/* Inputs k0 .. k0 + n of weights[input][output]. */
static void pack_copied(const struct plan *d, const struct block *b, int64_t k0, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        put_floats_over(d->panel + k * b->vectors * V,
                        d->weights + (k0 + k) * d->outputs + b->first, b->count, b->vectors * V);
}

/* What packing that panel reads. */
static struct lines panel_lines(const struct plan *d, const struct block *b, int64_t k0, int64_t n)
{
    struct lines s = {.images = 1, .planes = n, .run = b->count};
    if (d->planes) {
        s.plane = d->in.h * d->in.w;
        s.run = min_i64(s.run, piece_at(d, b, 0).count);
        s.at = d->in.data + k0 * s.plane + piece_at(d, b, 0).in;
    } else if (BACKWARD) {
        s.plane = d->outputs;
        s.at = d->weights + k0 * s.plane + b->first;
    } else {
        s.plane = d->inputs;
        s.planes = b->count;
        s.run = n;
        s.at = d->weights + b->first * s.plane + k0;
    }
    return s;
}

/* Where the sums of a block may go straight from the registers: whole vectors without zeros between or behind them. */
static bool goes_straight(const struct plan *d, const struct block *b, ptrdiff_t lane[MAX_VECTORS],
                          float **to)
{
    const struct tensor *t = &d->out;
    int64_t plane = t->h * t->w;
    for (int64_t j = 0; j < MAX_VECTORS; j++) {
        int64_t c = b->first + j * V;
        lane[j] = t->layout == NCHW16C ? c / 16 * plane * 16 + c % 16 : j * V;
    }
    *to = t->data;
    if (d->out_sy * d->out_sx > 1 || b->count % V || (t->layout == NCHW16C && t->c % 16))
        return false;
    if (!d->planes) {
        *to += t->layout == NHWC ? b->first : 0;
        return true;
    }
    struct piece p = piece_at(d, b, 0);
    *to += p.out;
    return p.count == b->count;
}

/* The pixels of the output that belong to pixel `at` of the products: itself and the zeros behind and below it. */
struct own {
    int64_t rows, cols;
};

static inline struct own own_of(const struct plan *d, struct place at)
{
    const struct conv *c = d->conv;
    return (struct own){at.y == c->oh - 1 ? d->out.h - at.y * d->out_sy : d->out_sy,
                        at.x == c->ow - 1 ? d->out.w - at.x * d->out_sx : d->out_sx};
}

/* Some channels of a pixel, with those behind the last that nchw16c has. */
static inline void put_pixel(const struct plan *d, const struct block *b, const float *from,
                             float *to)
{
    const struct tensor *t = &d->out;
    int64_t end = b->first + b->count, plane = t->h * t->w;
    if (t->layout == NCHW16C && end == t->c)
        end = div_up(end, 16) * 16;
    for (int64_t c = b->first; c < end; c += V) {
        int64_t n = min_i64(t->c - c, V);
        float *at = to + (t->layout == NHWC ? c : c / 16 * plane * 16 + c % 16);
        /* The sums of a tile are whole vectors, whatever is in the lanes behind the last channel. */
        vf x = vzero();
        if (from && n > 0)
            x = vload(from + c - b->first);
        if (n >= V && d->streams)
            vstream(at, x);
        else if (n >= V)
            vstore(at, x);
        else if (t->layout == NHWC)
            vstore_n(at, x, n);
        else
            vstore(at, vzero());
        if (n < V && n > 0 && t->layout != NHWC)
            vstore_n(at, x, n);
    }
}

/* Writes the sums of a block of outputs. */
static void put_channels(const struct plan *d, const struct block *b, int64_t first, int64_t rows,
                         const float *sums)
{
    int64_t pitch = planes_of(&d->out, 0, d->out.c).pitch;
    for (int64_t i = 0; i < rows; i++) {
        struct own own = own_of(d, place_of(d, first + i));
        for (int64_t y = 0; y < own.rows; y++)
            for (int64_t x = 0; x < own.cols; x++)
                put_pixel(d, b, y + x ? NULL : sums + i * TILE_LANES,
                          d->out.data + d->to[i] + (y * d->out.w + x) * pitch);
    }
}

/* Writes the sums of a block of pixels to planes. */
static void put_planes(const struct plan *d, const struct block *b, int64_t rows, const float *sums)
{
    struct piece s;
    for (int64_t lane = 0; lane < b->count; lane += s.count) {
        s = piece_at(d, b, lane);
        struct own own = own_of(d, s.place);
        for (int64_t i = 0; i < rows; i++) {
            const float *from = sums + i * TILE_LANES + lane;
            float *to = d->out.data + s.out + d->to[i];
            for (int64_t p = 0; p < s.count; p += V) {
                if (s.count - p >= V)
                    vstore(to + p, vload(from + p));
                else
                    vstore_n(to + p, vload_n(from + p, s.count - p), s.count - p);
            }
            if (d->out_sy * d->out_sx == 1)
                continue;
            for (int64_t y = 0; y < own.rows; y++)
                for (int64_t x = y == 0; x < own.cols; x++)
                    to[y * d->out.w + x] = 0;
        }
    }
}

/* Adds inputs k0 .. k0 + n to the sums of rows `first` on of a block; the last ones go to the output. Meanwhile
 * the lines `next` are fetched. */
static void multiply(const struct plan *d, const struct block *b, int64_t first, int64_t rows,
                     float *sums, int64_t k0, int64_t n, const struct lines *next)
{
    static const ptrdiff_t same[MAX_PIXELS], together[MAX_VECTORS] = {0, V, 2 * V, 3 * V};
    static const ptrdiff_t each[MAX_PIXELS] = {0, V, 2 * V, 3 * V, 4 * V, 5 * V, 6 * V, 7 * V};
    static const ptrdiff_t waiting[MAX_PIXELS] = {
        0,
        TILE_LANES,
        2 * TILE_LANES,
        3 * TILE_LANES,
        4 * TILE_LANES,
        5 * TILE_LANES,
        6 * TILE_LANES,
        7 * TILE_LANES,
    };
    ptrdiff_t lane[MAX_VECTORS];
    float *out;
    bool last = k0 + n == d->inputs, straight = goes_straight(d, b, lane, &out) && last;
    const float *x = d->planes ? d->turned ? d->copy : d->weights : pixels_read(d).data;
    int64_t tiles = div_up(rows, TILE_PIXELS);
    for (int64_t t = 0; t < tiles; t++) {
        int64_t r = t * TILE_PIXELS;
        struct job job = {.to = {.at = sums + r * TILE_LANES, .row = waiting, .lane = together},
                          .x = x,
                          .w = d->panel,
                          .at = d->at + r,
                          .step = d->step + k0,
                          .run = d->run,
                          .n = n,
                          .ahead = {t + 1 < tiles ? d->at[r + TILE_PIXELS] - d->at[r] : 0,
                                    TILE_PIXELS * TILE_LANES}};
        job.from = job.to;
        if (k0 == 0 && d->planes)
            job.from = (struct tile_rows){.at = d->start + r * V, .row = each, .lane = same};
        else if (k0 == 0)
            job.from = (struct tile_rows){.at = d->start, .row = same, .lane = together};
        if (straight) {
            job.to = (struct tile_rows){.at = out, .row = d->to + r, .lane = lane};
            job.ahead.sums = 0;
        }
        hot_pointwise(b->vectors, &job);
        lines_fetch(next, t, tiles);
    }
    if (last && !straight && d->planes)
        put_planes(d, b, rows, sums);
    else if (last && !straight)
        put_channels(d, b, first, rows, sums);
}

/* A panel: the lanes of a block, inputs k0 .. k0 + n. */
struct panel {
    struct block block;
    int64_t k0, n;
};

static struct panel panel_of(const struct plan *d, int64_t block, int64_t cut)
{
    int64_t v = block_first(d, block), vectors = block_first(d, block + 1) - v, k0 = cut * d->depth;
    return (struct panel){{vectors, v * V, min_i64(d->lanes - v * V, vectors * V)},
                          k0,
                          min_i64(d->depth, d->inputs - k0)};
}

/* Blocks first <= b < last, at most GROUP, of the rows `row` on. */
static void multiply_group(const struct plan *d, int64_t row, int64_t rows, int64_t first,
                           int64_t last)
{
    int64_t count = last - first, panels = d->cuts * count;
    for (int64_t s = 0; s < panels; s++) {
        struct panel p = panel_of(d, first + s % count, s / count);
        struct lines next = {.images = 0};
        if (s + 1 < panels) {
            struct panel q = panel_of(d, first + (s + 1) % count, (s + 1) / count);
            next = panel_lines(d, &q.block, q.k0, q.n);
        }
        if (d->planes)
            pack_pixels(d, &p.block, p.k0, p.n);
        else if (BACKWARD)
            pack_copied(d, &p.block, p.k0, p.n);
        else
            pack_transposed(d, &p.block, p.k0, p.n);
        if (!d->planes && s < count)
            list_start(d, &p.block);
        multiply(d, &p.block, row, rows, d->sums + s % count * d->unit_rows * TILE_LANES, p.k0, p.n,
                 &next);
    }
}

/* Tiles: (unit of rows, block of lanes). */
static void multiply_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = pointwise_plan(a, thread);
    list_steps(&d);
    while (first < last) {
        int64_t unit = first / d.blocks, block = first % d.blocks, row = unit * d.unit_rows;
        int64_t end = min_i64(d.blocks, block + last - first),
                rows = min_i64(d.unit_rows, d.rows - row);
        int64_t groups = div_up(end - block, d.group);
        list_rows(&d, row, rows);
        for (int64_t g = 0; g < groups; g++)
            multiply_group(&d, row, rows, block + (end - block) * g / groups,
                           block + (end - block) * (g + 1) / groups);
        first += end - block;
    }
    vfence();
}

static void pointwise_run(const struct args *a)
{
    struct plan d = pointwise_plan(a, 0);
    if (d.copied || d.turned)
        run_tiles_twice(a, first_tiles(&d), copy_first, d.units * d.blocks, multiply_tiles);
    else
        run_tiles(a, d.units * d.blocks, multiply_tiles);
}
