/* Direct convolution to pixels: the forward pass and, with the roles of the channels exchanged, the
 * gradient of the data. The including template says which by defining direct_pass() and
 * direct_axis().
 *
 *   for each unit (a few image rows, or a few small images)       units are dealt to threads
 *     copy its input window, zero padded, or read the input where it lies
 *     for each block of TILE_LANES outputs
 *       for each class of pixels that the same taps reach
 *         for each run of packed weights that fits L1
 *           for each tile of TILE_PIXELS pixels: the micro-kernel  sums wait in `sums` from run to run
 *       the last run writes to the output, or `sums` is transposed into it
 *
 * If pixels are read in place, products with padding are skipped. A class is a rectangle of pixels with the same taps
 * inside the image; these taps are a rectangle of the kernel, and runs of packed weights. In 2x2 images, several of them
 * at a time, 16 of the 36 products of a 3x3 kernel remain. In a window copied with its padding, all pixels of a unit are
 * one class. The window is used for nchw, and for few channels, where runs would be short.
 *
 * With DIRECT_STATISTICS, which the including template sets, the tensors MEAN and VARIANCE get the statistics of each
 * output channel. A tile is added to them while its results are in L1; a unit writes its share to scratch; at the end
 * the shares are merged in the order of the units (chan.h).
 *
 * Bound: the FMA ports; with few channels packing and transposing; in the gradient of a strided convolution scattered
 * stores. Statistics cost 4 operations per value, and a merge every TILE_PIXELS, beside the 2 ic kh kw of the value.
 * The grid of tiles follows from the problem alone, so the bits are the same for any number of threads.
 *
 * Weights are packed once per call, [group][phase][block of outputs][tap][input][TILE_LANES]. With a padded window the
 * order is [input][tap], so that planes of nchw are read tap after tap, in the order of cache lines.
 * The gradient of a strided convolution has sh sw phases. Input pixels with the same remainder modulo the stride use the
 * same subset of taps; within a phase they are an ordinary convolution of stride 1. */
#include "algorithms/conv/direct_axes.tmpl.h"
#include "algorithms/conv/direct_core.tmpl.h"
#include "algorithms/conv/direct_output.tmpl.h"
#include "shared/chan.h"
#include "shared/conv_flops.h"

/* Parameters:
 *
 *   TILE_PIXELS     3 to 8    rows of a register tile: pixels
 *   TILE_VECTORS    1 to 4    vectors of a row */
_Static_assert(TILE_PIXELS >= 3 && TILE_PIXELS <= MAX_PIXELS,
               "tile() unrolls up to MAX_PIXELS rows");
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= MAX_VECTORS,
               "hot_tile() has a case for 1 to 4 vectors");

/* Tiles have TILE_PIXELS, one or two less: any number of pixels of some tiles then divides without rest. */
#define TILE_PIXELS_MIN (TILE_PIXELS - 2)

/* What a tile of `pixels` by k vectors reads and writes. Tables give the rows of both; the sums at the beginning are
 * contiguous. */
struct job {
    struct tile_rows to, from;
    const float *x, *w;
    const ptrdiff_t *at, *step;
    int64_t run, n;
};

static inline __attribute__((always_inline)) void tile_between(int pixels, int k,
                                                               const struct job *j)
{
    if (k > TILE_VECTORS)
        return;
    if (!j->to.row || !j->to.lane || !j->from.row)
        __builtin_unreachable();
    tile(pixels, k, j->to, (struct tile_rows){.at = j->from.at, .row = j->from.row}, j->x, j->at,
         j->w, j->step, j->run, j->n, NULL);
}

/* It stands alone (noinline) so that its code can be found and checked for spills. */
static __attribute__((noinline)) void hot_tile(int64_t pixels, int64_t k, const struct job *j)
{
    switch (4 * (TILE_PIXELS - pixels) + k) {
    case 1: tile_between(TILE_PIXELS, 1, j); break;
    case 2: tile_between(TILE_PIXELS, 2, j); break;
    case 3: tile_between(TILE_PIXELS, 3, j); break;
    case 4: tile_between(TILE_PIXELS, 4, j); break;
    case 5: tile_between(TILE_PIXELS - 1, 1, j); break;
    case 6: tile_between(TILE_PIXELS - 1, 2, j); break;
    case 7: tile_between(TILE_PIXELS - 1, 3, j); break;
    case 8: tile_between(TILE_PIXELS - 1, 4, j); break;
    case 9: tile_between(TILE_PIXELS - 2, 1, j); break;
    case 10: tile_between(TILE_PIXELS - 2, 2, j); break;
    case 11: tile_between(TILE_PIXELS - 2, 3, j); break;
    default: tile_between(TILE_PIXELS - 2, 4, j);
    }
}

/* Pixels of a unit: 256 KiB of sums for 64 lanes and about as much of a window at 60 channels stay in an L2 of 1 MiB;
 * a 32x32 image then is one unit, and no row of it is packed twice. */
#define UNIT_PIXELS 1024
/* Fewest: below this, packing costs more than idle threads. */
#define UNIT_PIXELS_MIN 48
/* Images this small make units of whole tiles of images: each of their pixels may be a class of its own. */
#define SMALL_IMAGE 64
/* The fewest inputs for which products with padding are skipped: a run of weights should take much longer than loading
 * and storing its sums. */
#define RUN_INPUTS 16
/* Bytes of packed weights that pass over the pixels at a time, where they should stay in L1. */
#define WEIGHTS_L1 (24 * 1024)

/* How tiles read a unit: a padded copy in the layout of the tensor; a copy of whole images, transposed from planes to
 * pixels; or the tensor itself. */
enum reading { READ_PADDED, READ_TURNED, READ_IN_PLACE };

struct plan {
    struct pass pass;
    struct units units;
    enum reading reading;
    struct window window; /* what is read: the copy, or the tensor */
    int64_t y_step, x_step, y_low, x_low,
        y_high; /* a padded window of output j begins at input j step + low */
    int64_t max_taps, blocks, vectors, splits;
    int64_t run;           /* so many successive inputs of a pixel lie side by side */
    int64_t weights_bytes; /* that pass over the pixels at a time */
    /* scratch */
    float *packed, *input, *sums, *bias;
    float *statistics; /* [group][vector of outputs][unit][CHAN_FLOATS] */
    struct packed_tap {
        int64_t before, taps, index; /* taps of earlier phases, taps of this phase, which of them */
    } * tap;
    ptrdiff_t *step;            /* per row of weights */
    ptrdiff_t *at, *wait, *out; /* per pixel: where it is read, where its sums wait and go to */
    size_t bytes;
};

/* A function of the problem and the layout alone. */
static enum reading reading_of(const struct pass *s, int64_t pixels)
{
    const struct conv *p = s->conv;
    if (s->inputs < RUN_INPUTS)
        return READ_PADDED;
    if (s->in.layout != NCHW)
        return READ_IN_PLACE;
    /* A line of small planes has several channels of a pixel; of larger ones only pixels, which classes scatter. */
    if (max_i64(s->in.h * s->in.w, pixels) > 4 * SMALL_IMAGE ||
        share_inside(p, true, s->phases_y, s->in.h) * share_inside(p, false, s->phases_x, s->in.w) >
            0.92)
        return READ_PADDED;
    return s->in.h * s->in.w <= 8 ? READ_IN_PLACE : READ_TURNED;
}

/* Images where they lie, or turned to pixels of whole vectors. */
static struct window window_of_images(const struct tensor *t, int64_t inputs, bool turned)
{
    struct window w = {.layout = turned ? NHWC : t->layout, .rows = t->h, .cols = t->w};
    struct planes p = planes_of(t, 0, t->c);
    w.pixel = turned ? div_up(inputs, V) * V : p.pitch;
    w.row = w.pixel * t->w;
    w.plane = w.row * t->h;
    w.planes = turned ? 1 : p.all;
    w.image = w.plane * w.planes;
    return w;
}

static inline int64_t units_count(const struct units *u)
{
    return u->nn * u->ny * u->nx;
}

/* The plan and, when scratch is given, its pieces for one thread. */
static struct plan direct_plan(const struct args *a, int thread)
{
    struct plan d = {.pass = direct_pass(a)};
    const struct conv *p = &a->problem->conv;
    const struct pass *s = &d.pass;
    struct span y = direct_span(p, true, s->phases_y), x = direct_span(p, false, s->phases_x);
    d.vectors = div_up(s->outputs, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    d.reading = reading_of(s, y.count * x.count);
    d.y_step = y.step;
    d.x_step = x.step;
    d.y_low = y.low;
    d.x_low = x.low;
    d.y_high = y.high;
    d.max_taps = y.taps * x.taps;
    /* Blocks of outputs are dealt out like units where no unit is copied for it. */
    int64_t image = y.count * x.count, deal = d.reading == READ_IN_PLACE ? d.blocks : 1;
    int64_t wanted = min_i64(max_i64(p->mb * image * deal / 32, UNIT_PIXELS_MIN), UNIT_PIXELS);
    if (d.reading != READ_PADDED && image <= SMALL_IMAGE)
        wanted = max_i64(wanted, 2 * (TILE_PIXELS - 1) * image);
    if (d.reading == READ_TURNED)
        wanted = max_i64(wanted, image);
    d.units = units_make(p->mb, y.count, x.count, wanted);
    if (d.reading == READ_PADDED)
        d.window = window_make(s->in.layout, (d.units.rows - 1) * y.step + y.high - y.low + 1,
                               (d.units.cols - 1) * x.step + x.high - x.low + 1, s->inputs);
    else
        d.window = window_of_images(&s->in, s->inputs, d.reading == READ_TURNED);
    bool beside = d.reading != READ_PADDED && d.window.layout != NCHW;
    d.run = !beside || s->inputs % 4 ? 1 : s->inputs % 16 ? 4 : 16;
    int64_t units = p->g * units_count(&d.units);
    d.splits = min_i64(div_up(d.reading == READ_IN_PLACE ? 32 : 16, units), d.blocks);

    int64_t pixels = d.units.images * d.units.rows * d.units.cols;
    /* Bounds of the reach move at most once per tap and end. */
    int64_t classes = d.reading == READ_PADDED ? 1
                                               : min_i64(d.units.rows, 2 * y.taps + 1) *
                                                     min_i64(d.units.cols, 2 * x.taps + 1);
    int64_t listed = pixels + classes * TILE_PIXELS;
    struct carver c = carve_from(a->scratch, thread);
    d.packed = carve(&c, p->g * d.vectors * V * s->inputs * p->kh * p->kw, sizeof(float));
    d.tap = carve(&c, p->kh * p->kw, sizeof *d.tap);
    if (DIRECT_STATISTICS)
        d.statistics = carve(&c, units * d.vectors * CHAN_FLOATS, sizeof(float));
    carve_own(&c, &d.bias, TILE_LANES, sizeof(float));
    carve_own(&c, &d.step, s->inputs * d.max_taps, sizeof(ptrdiff_t));
    carve_own(&c, &d.at, listed, sizeof(ptrdiff_t));
    carve_own(&c, &d.wait, listed, sizeof(ptrdiff_t));
    carve_own(&c, &d.out, listed, sizeof(ptrdiff_t));
    carve_own(&c, &d.sums, (pixels + V) * TILE_LANES, sizeof(float));
    if (d.reading != READ_IN_PLACE)
        carve_own(&c, &d.input, window_floats(&d.window, d.units.images), sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t direct_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return direct_plan(&a, h->threads - 1).bytes;
}

/* Without products with padding, but where a window is copied with it. */
static inline double direct_flops(const struct problem *problem, struct formats f)
{
    const struct args a = {.problem = problem, .formats = f};
    const struct plan d = direct_plan(&a, 0);
    return conv_flops(d.pass.conv, d.reading == READ_PADDED);
}

/* In which phase each tap of the kernel takes part. */
static void sort_taps(const struct plan *d)
{
    const struct conv *p = d->pass.conv;
    int64_t before = 0;
    for (int64_t i = 0; i < d->pass.phases_y; i++) {
        struct axis y = direct_axis(p, true, i);
        for (int64_t j = 0; j < d->pass.phases_x; j++) {
            struct axis x = direct_axis(p, false, j);
            int64_t taps = y.taps * x.taps;
            for (int64_t t = 0; t < taps; t++) {
                int64_t kh = y.k0 + t / x.taps * y.k_step, kw = x.k0 + t % x.taps * x.k_step;
                d->tap[kh * p->kw + kw] = (struct packed_tap){before, taps, t};
            }
            before += taps;
        }
    }
}

/* Vectors of outputs are dealt to blocks evenly: a block of one vector would keep few sums in flight. */
static inline int64_t block_first(const struct plan *d, int64_t block)
{
    return part_begin(d->vectors, d->blocks, block);
}

static inline int64_t block_vectors(const struct plan *d, int64_t block)
{
    return block_first(d, block + 1) - block_first(d, block);
}

/* The block of a vector. */
static inline int64_t block_of(const struct plan *d, int64_t vector)
{
    return ((vector + 1) * d->blocks - 1) / d->vectors;
}

/* Packed weights of a phase (`taps` taps, `before` in earlier phases), group and block of outputs.
 */
static inline float *packed_block(const struct plan *d, int64_t group, int64_t before, int64_t taps,
                                  int64_t block)
{
    int64_t all = d->pass.conv->kh * d->pass.conv->kw;
    return d->packed + ((group * all + before) * d->vectors + block_first(d, block) * taps) * V *
                           d->pass.inputs;
}

/* Tiles of the packing: (group, vector of outputs). */
static void pack_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a, thread);
    const struct pass *s = &d.pass;
    int64_t all = s->conv->kh * s->conv->kw;
    /* In the forward pass, the taps of successive inputs follow each other: one long run instead of many runs of kh kw.
     * In the gradient the taps of successive outputs do: the tiles of an input are one run. */
    bool joined = s->input == all;
    int64_t runs = joined ? 1 : s->inputs, length = joined ? s->inputs * all : all;
    for (int64_t r = 0; r < runs; r++) {
        for (int64_t i = first; i < last; i++) {
            int64_t group = i / d.vectors, v = i % d.vectors, block = block_of(&d, v);
            int64_t k = block_vectors(&d, block), lane = (v - block_first(&d, block)) * V;
            int64_t rows = min_i64(s->outputs - v * V, V), c = r, t = 0;
            const float *from = s->weights + group * s->group + v * V * s->output + r * s->input;
            for (int64_t q = 0; q < length; q += V) {
                int64_t n = min_i64(length - q, V);
                vf m[V];
                /* These are more streams than hardware prefetchers follow. */
                for (int64_t j = 0; joined && j < rows; j++)
                    __builtin_prefetch(from + q + j * s->output + 8 * V, 0, 2);
                load_transposed(m, from + q, s->output, rows, n);
                for (int64_t l = 0; l < n; l++) {
                    struct packed_tap tap = d.tap[t];
                    float *to = packed_block(&d, group, tap.before, tap.taps, block);
                    int64_t row = d.reading == READ_PADDED ? c * tap.taps + tap.index
                                                           : tap.index * s->inputs + c;
                    vstore(to + row * k * V + lane, m[l]);
                    if (++t == all) {
                        t = 0;
                        c++;
                    }
                }
            }
        }
    }
}

static inline int64_t clipped(int64_t first, int64_t length, int64_t end)
{
    return max_i64(min_i64(length, end - first), 0);
}

/* Pixels of a dimension, from `first` on, that the same taps reach. */
struct alike {
    int64_t count;
    struct reach taps;
};

static struct alike alike_from(const struct plan *d, const struct axis *a, int64_t size,
                               int64_t first, int64_t end)
{
    struct alike s = {end - first, {0, a->taps}};
    if (d->reading == READ_PADDED)
        return s;
    s.taps = reach_of(a, size, first);
    for (s.count = 1; first + s.count < end; s.count++) {
        struct reach r = reach_of(a, size, first + s.count);
        if (r.lo != s.taps.lo || r.hi != s.taps.hi)
            break;
    }
    return s;
}

/* A class: some images of the rectangle of pixels that one rectangle of taps reaches. */
struct class
{
    int64_t y, x; /* its corner in the patch */
    struct alike rows, cols;
    int64_t listed, end; /* its pixels in the lists; the last one repeated to fill tiles */
};

static inline int64_t class_tiles(const struct patch *u, const struct class *c)
{
    return div_up(u->images * c->rows.count * c->cols.count, TILE_PIXELS);
}

/* The class after c, row by row; false at the end. Begins with one that is all zero. */
static bool class_next(const struct plan *d, const struct patch *u, struct class *c)
{
    const struct pass *s = &d->pass;
    c->x += c->cols.count;
    if (c->end == 0 || c->x == u->cols) {
        c->y += c->rows.count;
        c->x = 0;
        if (c->y == u->rows)
            return false;
        c->rows = alike_from(d, &u->y, s->in.h, u->y0 + c->y, u->y0 + u->rows);
    }
    c->cols = alike_from(d, &u->x, s->in.w, u->x0 + c->x, u->x0 + u->cols);
    c->listed = c->end;
    c->end +=
        max_i64(u->images * c->rows.count * c->cols.count, class_tiles(u, c) * TILE_PIXELS_MIN);
    return true;
}

/* Lists the pixels of a patch class by class; returns the number of tiles they make. */
static int64_t list_pixels(const struct plan *d, const struct patch *u)
{
    const struct window *w = &d->window;
    const struct tensor *t = &d->pass.out;
    bool padded = d->reading == READ_PADDED;
    int64_t read_y = padded ? 0 : u->y0, read_x = padded ? 0 : u->x0;
    struct planes to = planes_of(t, 0, t->c);
    int64_t tiles = 0;
    for (struct class c = {0}; class_next(d, u, &c);) {
        int64_t i = c.listed;
        tiles += class_tiles(u, &c);
        for (int64_t n = 0; n < u->images; n++) {
            for (int64_t r = c.y; r < c.y + c.rows.count; r++) {
                ptrdiff_t at = n * w->image + (read_y + r) * d->y_step * w->row +
                               (read_x + c.x) * d->x_step * w->pixel;
                ptrdiff_t wait = ((n * u->rows + r) * u->cols + c.x) * TILE_LANES;
                ptrdiff_t out = (u->n0 + n) * to.all * to.size +
                                ((u->y.out0 + (u->y0 + r) * u->y.out_step) * t->w + u->x.out0 +
                                 (u->x0 + c.x) * u->x.out_step) *
                                    to.pitch;
                for (int64_t q = 0; q < c.cols.count; q++, i++) {
                    d->at[i] = at + q * d->x_step * w->pixel;
                    d->wait[i] = wait + q * TILE_LANES;
                    d->out[i] = out + q * u->x.out_step * to.pitch;
                }
            }
        }
        for (; i < c.end; i++) {
            d->at[i] = d->at[i - 1];
            d->wait[i] = d->wait[i - 1];
            d->out[i] = d->out[i - 1];
        }
    }
    return tiles;
}

/* How far from its pixel each row of weights reads. */
static void list_steps(const struct plan *d, const struct patch *u, int64_t group)
{
    const struct pass *s = &d->pass;
    const struct window *w = &d->window;
    bool padded = d->reading == READ_PADDED;
    int64_t taps = u->y.taps * u->x.taps;
    int64_t low_y = padded ? d->y_low : 0, low_x = padded ? d->x_low : 0;
    int64_t c0 = d->reading == READ_TURNED ? 0 : group * s->inputs;
    for (int64_t c = 0; c < s->inputs; c++) {
        ptrdiff_t channel = window_channel(w, c0, c);
        ptrdiff_t *row = d->step + (padded ? c * taps : c);
        for (int64_t y = 0; y < u->y.taps; y++)
            for (int64_t x = 0; x < u->x.taps; x++, row += padded ? 1 : s->inputs)
                *row = channel + (u->y.shift0 + y * u->y.shift_step - low_y) * w->row +
                       (u->x.shift0 + x * u->x.shift_step - low_x) * w->pixel;
    }
}

/* Where the sums of a block may go straight from the registers: whole vectors, at `lane` from their pixels. */
static bool goes_straight(const struct tensor *t, int64_t c, int64_t m, ptrdiff_t lane[MAX_VECTORS],
                          float **to)
{
    for (int64_t j = 0; j < MAX_VECTORS; j++)
        lane[j] = t->layout == NCHW16C ? j * V / 16 * t->h * t->w * 16 + j * V % 16 : j * V;
    if (m % V || t->layout == NCHW || (t->layout == NCHW16C && c % 16))
        return false;
    *to = t->data + (t->layout == NHWC ? c : c / 16 * t->h * t->w * 16);
    return true;
}

/* What a unit knows of vector v of all outputs. */
static inline float *unit_statistics(const struct plan *d, int64_t v, int64_t unit)
{
    return d->statistics + (v * units_count(&d->units) + unit) * CHAN_FLOATS;
}

/* One block of outputs of one phase over one unit. */
static void convolve_block(const struct plan *d, const struct patch *u, const float *input,
                           const float *weights, int64_t k, int64_t c0, int64_t m,
                           int64_t all_tiles, struct lines next, struct chan *statistics)
{
    static const ptrdiff_t same[MAX_PIXELS], together[MAX_VECTORS] = {0, V, 2 * V, 3 * V};
    const struct pass *s = &d->pass;
    int64_t some = d->weights_bytes / (k * V * 4), begun = 0, ended = 0;
    ptrdiff_t lane[MAX_VECTORS];
    float *out = NULL;
    bool straight = goes_straight(&s->out, c0, m, lane, &out);
    struct lines to =
        lines_make(&s->out, u->n0, u->images, c0, m, u->y.out0 + u->y0 * u->y.out_step,
                   (u->rows - 1) * u->y.out_step + 1);
    if (straight)
        to.images = 0;
    for (struct class c = {0}; class_next(d, u, &c);) {
        struct reach ky = c.rows.taps, kx = c.cols.taps;
        int64_t high = ky.hi - ky.lo, wide = kx.hi - kx.lo, pixels = c.end - c.listed;
        int64_t tiles = class_tiles(u, &c), real = u->images * c.rows.count * c.cols.count;
        /* Rows of taps that follow each other are one run. No run at all: the sums are the bias. */
        bool joined = wide == u->x.taps || high * wide == 0;
        int64_t runs = joined ? 1 : high, length = (joined ? high * wide : wide) * s->inputs;
        int64_t pieces = max_i64(div_up(length, some), 1);
        for (int64_t i = 0; i < runs * pieces; i++) {
            int64_t begin = length / d->run * (i % pieces) / pieces * d->run,
                    end = length / d->run * (i % pieces + 1) / pieces * d->run;
            int64_t row =
                ((ky.lo + i / pieces) * u->x.taps + kx.lo) * s->inputs * (length > 0) + begin;
            bool last = i == runs * pieces - 1;
            for (int64_t t = 0; t < tiles; t++) {
                int64_t p = c.listed + pixels * t / tiles;
                int64_t count = c.listed + pixels * (t + 1) / tiles - p;
                struct tile_rows from = {.at = d->bias, .row = same};
                struct tile_rows end_at = {.at = d->sums, .row = d->wait + p, .lane = together};
                if (i > 0)
                    from = end_at;
                if (last && straight) {
                    end_at = (struct tile_rows){.at = out, .row = d->out + p, .lane = lane};
                    for (int64_t q = 0; q < count; q++)
                        for (int64_t j = 0; j < k * V; j += 16)
                            __builtin_prefetch(out + d->out[p + q] + lane[j / V]);
                }
                struct job job = {.to = end_at,
                                  .from = from,
                                  .x = input,
                                  .w = weights + row * k * V,
                                  .at = d->at + p,
                                  .step = d->step + row,
                                  .run = d->run,
                                  .n = end - begin};
                hot_tile(count, k, &job);
                /* Behind the last pixel of a class it is repeated. */
                int64_t taken = min_i64(count, c.listed + real - p);
                for (int64_t j = 0; DIRECT_STATISTICS && last && taken > 0 && j < k; j++)
                    chan_take_rows(&statistics[j], end_at.at + end_at.lane[j], end_at.row, taken);
                if (i == 0 && next.images)
                    lines_fetch(&next, begun++, all_tiles);
                if (last && to.images)
                    lines_fetch(&to, ended++, all_tiles);
            }
        }
    }
    if (!straight)
        put_block(&s->out, u, d->sums, c0, m);
}

/* Computes blocks first <= b < last of one phase over one unit, which is read from `input` on. Meanwhile the lines
 * `next` of the input are fetched. */
static void convolve_patch(const struct plan *d, const struct patch *u, const float *input,
                           int64_t group, int64_t before, int64_t first, int64_t last,
                           struct lines next)
{
    const struct pass *s = &d->pass;
    int64_t taps = u->y.taps * u->x.taps, tiles = list_pixels(d, u);
    list_steps(d, u, group);
    for (int64_t b = first; b < last; b++) {
        struct chan statistics[TILE_VECTORS];
        int64_t k = block_vectors(d, b), c0 = block_first(d, b) * V;
        for (int64_t j = 0; DIRECT_STATISTICS && j < k; j++)
            statistics[j] = chan_none();
        int64_t m = min_i64(s->outputs - c0, k * V), given = s->bias ? m : 0;
        for (int64_t j = 0; j < given; j++)
            d->bias[j] = s->bias[group * s->outputs + c0 + j];
        for (int64_t j = given; j < k * V; j++)
            d->bias[j] = 0;
        convolve_block(d, u, input, packed_block(d, group, before, taps, b), k,
                       group * s->outputs + c0, m, tiles, next, statistics);
        next.images = 0; /* fetched once */
        for (int64_t j = 0; DIRECT_STATISTICS && j < k; j++)
            chan_put(unit_statistics(d, group * d->vectors + c0 / V + j, u->unit), &statistics[j]);
    }
    if (group == s->conv->g - 1 && last == d->blocks)
        put_zero_lanes(&s->out, u);
}

/* Copies an image of planes pixel by pixel, zeros to the vector's end. */
static void turn_image(const struct window *w, const struct tensor *t, int64_t n, int64_t c0,
                       int64_t channels, float *out)
{
    for (int64_t c = 0; c < channels; c += V)
        turn_to_lanes(out + c, w->pixel, channel_of(t, n, c0 + c), t->h * t->w, channels - c,
                      t->h * t->w);
}

/* Tile i of the convolution: (group, unit, share of the blocks of outputs). */
struct place {
    int64_t group, unit, n0, images, y0, x0, split;
};

static struct place place_of(const struct plan *d, int64_t i)
{
    const struct units *u = &d->units;
    struct place at = {.split = i % d->splits};
    i /= d->splits;
    at.unit = i % units_count(u);
    at.x0 = i % u->nx * u->cols;
    i /= u->nx;
    at.y0 = i % u->ny * u->rows;
    i /= u->ny;
    at.n0 = i % u->nn * u->images;
    at.images = min_i64(u->images, d->pass.conv->mb - at.n0);
    at.group = i / u->nn;
    return at;
}

/* What lies where the tiles of a unit begin to read. */
static const float *read_unit(const struct plan *d, const struct place *at)
{
    const struct pass *s = &d->pass;
    int64_t c0 = at->group * s->inputs;
    for (int64_t n = 0; n < at->images && d->reading == READ_PADDED; n++)
        window_pack(&d->window, &s->in, at->n0 + n, c0, s->inputs, at->y0 * d->y_step + d->y_low,
                    at->x0 * d->x_step + d->x_low, d->input + n * d->window.image);
    for (int64_t n = 0; n < at->images && d->reading == READ_TURNED; n++)
        turn_image(&d->window, &s->in, at->n0 + n, c0, s->inputs, d->input + n * d->window.image);
    if (d->reading != READ_IN_PLACE)
        return d->input;
    struct planes p = planes_of(&s->in, c0, s->inputs);
    return s->in.data + (at->n0 * p.all + p.first) * p.size + (s->in.layout == NHWC ? c0 : 0);
}

/* Lines the next tile of the convolution will read and this one does not. */
static struct lines lines_after(const struct plan *d, const struct place *at,
                                const struct place *after)
{
    const struct pass *s = &d->pass;
    struct lines next = lines_make(&s->in, after->n0, after->images, after->group * s->inputs,
                                   s->inputs, after->y0 * d->y_step + d->y_low,
                                   (d->units.rows - 1) * d->y_step + d->y_high - d->y_low + 1);
    if (after->group == at->group && after->n0 == at->n0 && after->y0 == at->y0)
        next.images = 0;
    return next;
}

static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a, thread);
    const struct pass *s = &d.pass;
    const float *input = NULL;
    d.weights_bytes = panel_bytes(&a->hints, WEIGHTS_L1);
    for (int64_t i = first; i < last; i++) {
        struct place at = place_of(&d, i), after = place_of(&d, min_i64(i + 1, last - 1));
        struct lines next = lines_after(&d, &at, &after);
        /* Shares of a unit follow each other and read the same copy. */
        if (i == first || at.split == 0)
            input = read_unit(&d, &at);
        int64_t before = 0;
        for (int64_t py = 0; py < s->phases_y; py++) {
            for (int64_t px = 0; px < s->phases_x; px++) {
                struct patch patch = {.unit = at.unit,
                                      .n0 = at.n0,
                                      .images = at.images,
                                      .y0 = at.y0,
                                      .x0 = at.x0,
                                      .y = direct_axis(s->conv, true, py),
                                      .x = direct_axis(s->conv, false, px)};
                patch.rows = clipped(at.y0, d.units.rows, patch.y.count);
                patch.cols = clipped(at.x0, d.units.cols, patch.x.count);
                if (patch.rows * patch.cols > 0)
                    convolve_patch(&d, &patch, input, at.group, before,
                                   d.blocks * at.split / d.splits,
                                   d.blocks * (at.split + 1) / d.splits, next);
                before += patch.y.taps * patch.x.taps;
                next.images = 0; /* fetched once */
            }
        }
    }
}

/* The statistics of the whole batch: tiles are (group, vector of outputs). */
static inline void merge_units(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        int64_t lane = i % d.vectors * V, c = i / d.vectors * d.pass.outputs + lane;
        chan_finish(unit_statistics(&d, i, 0), CHAN_FLOATS, units_count(&d.units),
                    d.pass.outputs - lane, a->t[MEAN] + c, a->t[VARIANCE] + c);
    }
}

static void direct_run(const struct args *a)
{
    struct plan d = direct_plan(a, 0);
    sort_taps(&d);
    run_tiles(a, d.pass.conv->g * d.vectors, pack_weights);
    run_tiles(a, d.pass.conv->g * units_count(&d.units) * d.splits, convolve);
    if (DIRECT_STATISTICS)
        run_tiles(a, d.pass.conv->g * d.vectors, merge_units);
}

#define DIRECT_DATA                                                                                \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .flops = direct_flops, .scratch_size = direct_scratch,               \
    .run = direct_run
