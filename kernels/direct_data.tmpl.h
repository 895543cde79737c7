/* Direct convolution to pixels: the forward pass and, with the roles of the channels exchanged, the
 * gradient of the data. The including template says which by defining direct_pass() and
 * direct_axis().
 *
 *   for each unit (a few image rows, or a few small images)       units are dealt to threads
 *     copy its input window, zero padded
 *     for each block of TILE_LANES outputs
 *       for each block of inputs whose packed weights fit L1
 *         for each tile of TILE_PIXELS pixels: the micro-kernel    sums wait in `sums`, pixel-major
 *       transpose the sums into the output
 *
 * Weights are packed once per call, [group][phase][block of outputs][input][tap][TILE_LANES].
 * The gradient of a strided convolution falls into sh sw phases: the input pixels with the same
 * remainder take part in the same subset of taps, and within a phase they are an ordinary
 * convolution of stride 1. */
#include "direct_core.tmpl.h"

/* One dimension of one phase: output j < count lies at out0 + j out_step and reads, with tap i <
 * taps, input j in_step + shift0 + i shift_step. Tap i is the kernel's k0 + i k_step. */
struct axis {
    int64_t out0, out_step, count, in_step;
    int64_t k0, k_step, taps, shift0, shift_step;
};

/* One pass: what is read, what is written, and where weight (output o, input i, tap) of a group
 * lies. */
struct pass {
    const struct conv *conv;
    struct tensor in, out;
    const float *weights, *bias;
    int64_t inputs, outputs;      /* channels per group */
    int64_t group, output, input; /* distances in weights */
    int64_t phases_y, phases_x;
};

static struct pass direct_pass(const struct problem *p, struct formats f,
                               float *const t[ROLE_COUNT]);
static struct axis direct_axis(const struct conv *p, bool vertical, int64_t phase);

/* Pixels of a unit: 256 KiB of sums for 64 lanes and about as much of a window at 60 channels stay in an L2 of 1 MiB;
 * a 32x32 image then is one unit, and no row of it is packed twice. */
#define UNIT_PIXELS 1024
/* Fewest: below this, packing costs more than idle threads. */
#define UNIT_PIXELS_MIN 48
/* Bytes of packed weights that pass over the pixels at a time. They stay in L1 from tile to tile (32 KiB on the
 * smaller machines): streamed from L2, each tile waits for its first weights whenever the prefetches of the next
 * window fill the miss buffers. Sums are reloaded once per block, one load in 90 multiply-adds at 60 channels. */
#define WEIGHTS_BYTES (24 * 1024)

struct plan {
    struct pass pass;
    struct units units;
    struct window window;
    int64_t y_step, x_step, y_low, x_low; /* window of output j begins at input j step + low */
    int64_t max_taps, blocks, vectors, splits;
    /* scratch */
    float *packed, *input, *sums, *bias;
    struct packed_tap {
        int64_t before, taps, index; /* taps of earlier phases, taps of this phase, which of them */
    } * tap;
    ptrdiff_t *pixel, *step;
    size_t bytes;
};

/* What the phases of a dimension have in common. */
struct span {
    int64_t count, step, low, high, taps;
};

static struct span direct_span(const struct conv *p, bool vertical, int64_t phases)
{
    struct span s = {.low = INT64_MAX, .high = INT64_MIN};
    for (int64_t i = 0; i < phases; i++) {
        struct axis a = direct_axis(p, vertical, i);
        s.count = max_i64(s.count, a.count);
        s.step = a.in_step;
        s.taps = max_i64(s.taps, a.taps);
        if (a.taps == 0)
            continue;
        int64_t last = a.shift0 + (a.taps - 1) * a.shift_step;
        s.low = min_i64(s.low, min_i64(a.shift0, last));
        s.high = max_i64(s.high, max_i64(a.shift0, last));
    }
    return s;
}

/* The plan and, when scratch is given, its pieces for one thread. */
static struct plan direct_plan(const struct problem *problem, struct formats f,
                               float *const t[ROLE_COUNT], void *scratch, int thread)
{
    struct plan d = {.pass = direct_pass(problem, f, t)};
    const struct conv *p = &problem->conv;
    const struct pass *s = &d.pass;
    struct span y = direct_span(p, true, s->phases_y), x = direct_span(p, false, s->phases_x);
    int64_t wanted = min_i64(max_i64(p->mb * y.count * x.count / 32, UNIT_PIXELS_MIN), UNIT_PIXELS);
    d.units = units_make(p->mb, y.count, x.count, wanted);
    d.y_step = y.step;
    d.x_step = x.step;
    d.y_low = y.low;
    d.x_low = x.low;
    d.max_taps = y.taps * x.taps;
    d.window = window_make(s->in.layout, (d.units.rows - 1) * y.step + y.high - y.low + 1,
                           (d.units.cols - 1) * x.step + x.high - x.low + 1, s->inputs);
    d.vectors = div_up(s->outputs, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    int64_t units = p->g * d.units.nn * d.units.ny * d.units.nx;
    d.splits = min_i64(div_up(16, units), d.blocks);

    int64_t pixels = d.units.images * d.units.rows * d.units.cols + TILE_PIXELS;
    struct carver c = {.base = scratch};
    d.packed = carve(&c, p->g * d.vectors * V * s->inputs * p->kh * p->kw, sizeof(float));
    d.tap = carve(&c, p->kh * p->kw, sizeof *d.tap);
    size_t shared = c.used;
    d.bias = carve(&c, TILE_LANES, sizeof(float));
    d.pixel = carve(&c, pixels, sizeof(ptrdiff_t));
    d.step = carve(&c, s->inputs * d.max_taps, sizeof(ptrdiff_t));
    d.sums = carve(&c, (pixels + V) * TILE_LANES, sizeof(float));
    d.input = carve(&c, window_floats(&d.window, d.units.images), sizeof(float));
    size_t own = c.used - shared;
    if (scratch) {
        size_t skip = (size_t)thread * own;
        d.bias += skip / sizeof(float);
        d.pixel += skip / sizeof(ptrdiff_t);
        d.step += skip / sizeof(ptrdiff_t);
        d.sums += skip / sizeof(float);
        d.input += skip / sizeof(float);
    }
    d.bytes = shared + own * (size_t)(thread + 1);
    return d;
}

static size_t direct_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    static float *const none[ROLE_COUNT];
    return direct_plan(p, f, none, NULL, h->threads - 1).bytes;
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

/* Packed weights of a phase (`taps` taps, `before` in earlier phases), group and block of outputs.
 */
static inline float *packed_block(const struct plan *d, int64_t group, int64_t before, int64_t taps,
                                  int64_t block)
{
    int64_t all = d->pass.conv->kh * d->pass.conv->kw;
    return d->packed +
           ((group * all + before) * d->vectors + block * TILE_VECTORS * taps) * V * d->pass.inputs;
}

static inline int64_t block_vectors(const struct plan *d, int64_t block)
{
    return min_i64(d->vectors - block * TILE_VECTORS, TILE_VECTORS);
}

/* Tiles of the packing: (group, vector of outputs). */
static void pack_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a->problem, a->formats, a->t, a->scratch, thread);
    const struct pass *s = &d.pass;
    int64_t all = s->conv->kh * s->conv->kw;
    /* Taps of successive inputs follow each other in the forward pass: one long run instead of many
     * of kh kw. */
    bool joined = s->input == all;
    int64_t runs = joined ? 1 : s->inputs, length = joined ? s->inputs * all : all;
    for (int64_t i = first; i < last; i++) {
        int64_t group = i / d.vectors, v = i % d.vectors, block = v / TILE_VECTORS;
        int64_t k = block_vectors(&d, block), rows = min_i64(s->outputs - v * V, V);
        const float *from = s->weights + group * s->group + v * V * s->output;
        for (int64_t r = 0; r < runs; r++) {
            int64_t c = r, t = 0;
            for (int64_t q = 0; q < length; q += V) {
                int64_t n = min_i64(length - q, V);
                vf m[V];
                load_transposed(m, from + r * s->input + q, s->output, rows, n);
                for (int64_t l = 0; l < n; l++) {
                    struct packed_tap tap = d.tap[t];
                    float *to = packed_block(&d, group, tap.before, tap.taps, block);
                    vstore(to + ((c * tap.taps + tap.index) * k + v % TILE_VECTORS) * V, m[l]);
                    if (++t == all) {
                        t = 0;
                        c++;
                    }
                }
            }
        }
    }
}

/* A unit of one phase as the output sees it. */
struct patch {
    int64_t n0, images, y0, rows, x0, cols; /* in the phase's own coordinates */
    struct axis y, x;
};

static inline int64_t clipped(int64_t first, int64_t length, int64_t end)
{
    return max_i64(min_i64(length, end - first), 0);
}

/* Writes n consecutive pixels of one image row or plane, m <= V * k channels from c on, to nchw. */
static void put_planes(const struct tensor *t, float *to, const float *sums, int64_t k, int64_t m,
                       int64_t n)
{
    int64_t plane = t->h * t->w;
    for (int64_t j = 0; j * V < m; j++) {
        int64_t rows = min_i64(m - j * V, V);
        for (int64_t p = 0; p < n; p += V) {
            vf b[V];
            for (int64_t i = 0; i < V; i++)
                b[i] = vload(sums + ((p + i) * k + j) * V);
            vtranspose(b);
            float *q = to + j * V * plane + p;
            if (n - p >= V)
                for (int64_t i = 0; i < rows; i++)
                    vstore(q + i * plane, b[i]);
            else
                for (int64_t i = 0; i < rows; i++)
                    vstore_n(q + i * plane, b[i], n - p);
        }
    }
}

/* Writes m channels from c on of one pixel. */
static inline void put_pixel(const struct tensor *t, int64_t n, int64_t y, int64_t x, int64_t c,
                             int64_t m, const float *sums)
{
    int64_t at = y * t->w + x, plane = t->h * t->w;
    if (t->layout == NHWC) {
        float *to = t->data + (n * plane + at) * t->c + c;
        for (int64_t i = 0; i < m; i += V)
            vstore_n(to + i, vload(sums + i), min_i64(m - i, V));
    } else if (t->layout == NCHW16C) {
        float *to = t->data + n * div_up(t->c, 16) * plane * 16 + at * 16;
        if (c % 16 == 0)
            for (int64_t i = 0; i < m; i += V)
                vstore_n(to + (c + i) / 16 * plane * 16 + i % 16, vload(sums + i),
                         min_i64(m - i, V));
        else
            for (int64_t i = 0; i < m; i++)
                to[(c + i) / 16 * plane * 16 + (c + i) % 16] = sums[i];
    } else {
        float *to = t->data + (n * t->c + c) * plane + at;
        for (int64_t i = 0; i < m; i++)
            to[i * plane] = sums[i];
    }
}

/* Writes the sums of a block (rows of k vectors) to the output: m channels from c on. */
static void put_block(const struct tensor *t, const struct patch *u, const float *sums, int64_t k,
                      int64_t c, int64_t m)
{
    int64_t plane = t->h * t->w;
    bool runs = t->layout == NCHW && u->x.out_step == 1;
    bool whole = runs && u->y.out_step == 1 && u->cols == t->w;
    for (int64_t n = 0; n < u->images; n++) {
        float *image = t->data + ((u->n0 + n) * t->c + c) * plane;
        if (whole) {
            put_planes(t, image + (u->y.out0 + u->y0) * t->w, sums, k, m, u->rows * u->cols);
            sums += u->rows * u->cols * k * V;
            continue;
        }
        for (int64_t r = 0; r < u->rows; r++) {
            int64_t y = u->y.out0 + (u->y0 + r) * u->y.out_step;
            if (runs)
                put_planes(t, image + y * t->w + u->x.out0 + u->x0, sums, k, m, u->cols);
            else
                for (int64_t q = 0; q < u->cols; q++)
                    put_pixel(t, u->n0 + n, y, u->x.out0 + (u->x0 + q) * u->x.out_step, c, m,
                              sums + q * k * V);
            sums += u->cols * k * V;
        }
    }
}

/* Lanes of the last nchw16c block that are no channels must come out as zero. */
static void put_zero_lanes(const struct tensor *t, const struct patch *u)
{
    static const float zeros[16];
    if (t->layout != NCHW16C || t->c % 16 == 0)
        return;
    struct tensor padded = *t;
    padded.c = div_up(t->c, 16) * 16;
    for (int64_t n = 0; n < u->images; n++)
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t q = 0; q < u->cols; q++)
                put_pixel(&padded, u->n0 + n, u->y.out0 + (u->y0 + r) * u->y.out_step,
                          u->x.out0 + (u->x0 + q) * u->x.out_step, t->c, padded.c - t->c, zeros);
}

/* Computes blocks first <= b < last of one phase over one unit whose window is packed. Meanwhile the lines
 * `next` of the input and those the results will go to are fetched. */
static void convolve_patch(const struct plan *d, const struct patch *u, int64_t group,
                           int64_t before, int64_t first, int64_t last, const struct lines *next)
{
    const struct pass *s = &d->pass;
    const struct window *w = &d->window;
    int64_t taps = u->y.taps * u->x.taps, pixels = u->images * u->rows * u->cols, i = 0;
    int64_t tiles = div_up(pixels, TILE_PIXELS);
    for (int64_t n = 0; n < u->images; n++)
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t q = 0; q < u->cols; q++)
                d->pixel[i++] = n * w->image + r * d->y_step * w->row + q * d->x_step * w->pixel;
    for (int64_t p = 0; p < TILE_PIXELS; p++) /* the last tile repeats the last pixel */
        d->pixel[i + p] = d->pixel[i - 1];
    i = 0;
    for (int64_t c = 0; c < s->inputs; c++)
        for (int64_t y = 0; y < u->y.taps; y++)
            for (int64_t x = 0; x < u->x.taps; x++)
                d->step[i++] = window_channel(w, group * s->inputs, c) +
                               (u->y.shift0 + y * u->y.shift_step - d->y_low) * w->row +
                               (u->x.shift0 + x * u->x.shift_step - d->x_low) * w->pixel;

    for (int64_t b = first; b < last; b++) {
        int64_t k = block_vectors(d, b), c0 = b * TILE_LANES,
                m = min_i64(s->outputs - c0, TILE_LANES);
        int64_t rows = s->inputs * taps; /* 0 in a phase no tap reaches: its outputs are zero */
        int64_t some = max_i64(WEIGHTS_BYTES / (max_i64(taps, 1) * k * V * 4), 1) * taps;
        const float *weights = packed_block(d, group, before, taps, b);
        int64_t given = s->bias ? m : 0;
        for (int64_t j = 0; j < given; j++)
            d->bias[j] = s->bias[group * s->outputs + c0 + j];
        for (int64_t j = given; j < k * V; j++)
            d->bias[j] = 0;
        tile_of_vectors *hot = hot_tile(k);
        struct lines to =
            lines_make(&s->out, u->n0, u->images, group * s->outputs + c0, m,
                       u->y.out0 + u->y0 * u->y.out_step, (u->rows - 1) * u->y.out_step + 1);
        int64_t r = 0;
        do {
            int64_t n = min_i64(rows - r, some);
            for (int64_t p = 0; p < pixels; p += TILE_PIXELS) {
                float *sums = d->sums + p * k * V;
                hot(sums, r ? sums : d->bias, r ? k * V : 0, d->input, d->pixel + p,
                    weights + r * k * V, d->step + r, n);
                if (r + some >= rows)
                    lines_fetch(&to, p / TILE_PIXELS, tiles);
                if (r == 0 && b == first)
                    lines_fetch(next, p / TILE_PIXELS, tiles);
            }
            r += some;
        } while (r < rows);
        put_block(&s->out, u, d->sums, k, group * s->outputs + c0, m);
    }
    if (group == s->conv->g - 1 && last == d->blocks)
        put_zero_lanes(&s->out, u);
}

/* Tile i of the convolution: (group, unit, share of the blocks of outputs). */
struct place {
    int64_t group, n0, images, y0, x0, split;
};

static struct place place_of(const struct plan *d, int64_t i)
{
    const struct units *u = &d->units;
    struct place at = {.split = i % d->splits};
    i /= d->splits;
    at.x0 = i % u->nx * u->cols;
    i /= u->nx;
    at.y0 = i % u->ny * u->rows;
    i /= u->ny;
    at.n0 = i % u->nn * u->images;
    at.images = min_i64(u->images, d->pass.conv->mb - at.n0);
    at.group = i / u->nn;
    return at;
}

static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a->problem, a->formats, a->t, a->scratch, thread);
    const struct pass *s = &d.pass;
    for (int64_t i = first; i < last; i++) {
        struct place at = place_of(&d, i), after = place_of(&d, min_i64(i + 1, last - 1));
        struct lines next = lines_make(&s->in, after.n0, after.images, after.group * s->inputs,
                                       s->inputs, after.y0 * d.y_step + d.y_low, d.window.rows);
        for (int64_t n = 0; n < at.images; n++)
            window_pack(&d.window, &s->in, at.n0 + n, at.group * s->inputs, s->inputs,
                        at.y0 * d.y_step + d.y_low, at.x0 * d.x_step + d.x_low,
                        d.input + n * d.window.image);
        int64_t before = 0;
        for (int64_t py = 0; py < s->phases_y; py++) {
            for (int64_t px = 0; px < s->phases_x; px++) {
                struct patch patch = {.n0 = at.n0,
                                      .images = at.images,
                                      .y0 = at.y0,
                                      .x0 = at.x0,
                                      .y = direct_axis(s->conv, true, py),
                                      .x = direct_axis(s->conv, false, px)};
                patch.rows = clipped(at.y0, d.units.rows, patch.y.count);
                patch.cols = clipped(at.x0, d.units.cols, patch.x.count);
                if (patch.rows * patch.cols > 0)
                    convolve_patch(&d, &patch, at.group, before, d.blocks * at.split / d.splits,
                                   d.blocks * (at.split + 1) / d.splits, &next);
                before += patch.y.taps * patch.x.taps;
                next.images = 0; /* fetched once */
            }
        }
    }
}

static void direct_run(const struct args *a)
{
    struct plan d = direct_plan(a->problem, a->formats, a->t, a->scratch, 0);
    sort_taps(&d);
    run_tiles(a, d.pass.conv->g * d.vectors, pack_weights);
    run_tiles(a, d.pass.conv->g * d.units.nn * d.units.ny * d.units.nx * d.splits, convolve);
}
