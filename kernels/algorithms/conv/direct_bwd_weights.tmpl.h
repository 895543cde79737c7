/* Direct convolution, gradient of the weights and of the bias. Defines direct_scratch() and direct_run().
 *
 * The micro-kernel of direct_core.tmpl.h with the index sets exchanged: a tile is TILE_PIXELS weights (ic, kh, kw)
 * by TILE_VECTORS vectors of oc, and the loop runs over the output pixels of a unit.
 *
 *   for each (group, block of ic, chunk of units), some blocks of oc      dealt to threads
 *     for each unit of the chunk
 *       copy the window of src
 *       for each of the blocks of oc
 *         transpose diff_dst to [pixel][oc]
 *         for each tile of weights: the micro-kernel, adding to the chunk's own sums
 *   add up the chunks in ascending order and transpose to diff_weights[oc][ic][kh][kw]
 *
 * A window is larger than the diff_dst that meets it, and copying it out of one part of the L2 into another costs up to a
 * fifth of the products of a single block: hence several, as many as have their sums in L2. Which blocks go together
 * depends on team and cache and changes no bits.
 *
 * Limited by the FMA ports; with small images by packing.
 *
 * Chunks exist because a small layer has too few weights to keep many threads busy; how many there are follows
 * from the problem alone, hence the same bits for any number of threads. */
#include "algorithms/conv/direct_core.tmpl.h"
#include "shared/pixel_rows.tmpl.h"

/* Parameters:
 *
 *   TILE_PIXELS     3 to 8    rows of a register tile: weights of an output
 *   TILE_VECTORS    1 to 4    vectors of a row */
_Static_assert(TILE_PIXELS >= 3 && TILE_PIXELS <= MAX_PIXELS,
               "tile() unrolls up to MAX_PIXELS rows");
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= MAX_VECTORS,
               "hot_tile() has a case for 1 to 4 vectors");

/* A tile of k vectors, so that 6 or 100 channels compute few unused lanes. Its sums begin with `start`, in rows
 * `start_step` floats apart, and go to `out`. */
struct job {
    float *out, *start;
    int64_t start_step;
    const float *x, *w;
    const ptrdiff_t *at, *step;
    int64_t n;
};

static inline __attribute__((always_inline)) void tile_at(int k, const struct job *j)
{
    if (k <= TILE_VECTORS)
        tile(TILE_PIXELS, k, (struct tile_rows){.at = j->out, .step = k * V},
             (struct tile_rows){.at = j->start, .step = j->start_step}, j->x, j->at, j->w, j->step,
             1, j->n, NULL);
}

/* It stands alone (noinline) so that its code can be found and checked for spills. */
static __attribute__((noinline)) void hot_tile(int64_t k, const struct job *j)
{
    switch (k) {
    case 1: tile_at(1, j); break;
    case 2: tile_at(2, j); break;
    case 3: tile_at(3, j); break;
    default: tile_at(4, j);
    }
}

/* Pixels of a unit. Its diff_dst, 64 KiB at 64 lanes, streams from L2 for every tile of weights. A tile is then long
 * enough to hide the loading and storing of its sums. */
#define UNIT_PIXELS 256
/* Weights (ic, kh, kw) of an output per task. Their sums, 256 KiB at 64 lanes, and the window of a unit stay in L2;
 * diff_dst is transposed again for each block of inputs. */
#define BLOCK_WEIGHTS 1024
/* Fewer inputs where that makes too few tasks. */
#define BLOCK_INPUTS_MIN 16
/* The number of tasks that keeps a large machine busy; and the least number of pixels of a chunk, so that adding up its
 * sums costs little. It is lower for sums so small that they stay in a cache. */
#define TASKS 32
#define CHUNK_PIXELS 512
#define SMALL_CHUNK_PIXELS 128
#define SMALL_WEIGHTS 16384

struct plan {
    const struct conv *conv;
    struct tensor src, diff_dst;
    struct units units;
    struct window window;
    int64_t inputs, outputs, taps; /* channels per group */
    int64_t vectors, blocks;       /* of oc */
    int64_t input_block, input_blocks;
    int64_t all_units, chunks;
    int64_t
        rows; /* of a chunk's sums per group: (ic, kh, kw) of each block of ic, rounded up to whole tiles */
    /* scratch, shared */
    float *sums, *bias_sums; /* [chunk][group][block of oc][row][lane], [chunk][group][oc lane] */
    /* scratch, one per thread */
    float *input, *gradient, *zero;
    ptrdiff_t *pixel, *weight;
    size_t bytes;
};

static struct plan direct_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {
        .conv = p,
        .src = {a->t[SRC], a->formats.src, p->ic, p->ih, p->iw},
        .diff_dst = {a->t[DIFF_DST], a->formats.dst, p->oc, p->oh, p->ow},
        .inputs = p->ic / p->g,
        .outputs = p->oc / p->g,
        .taps = p->kh * p->kw,
    };
    int64_t pixels = p->mb * p->oh * p->ow, lanes = p->g * div_up(d.outputs, 64);
    bool small = p->oc * d.inputs * d.taps <= SMALL_WEIGHTS;
    int64_t chunk_pixels = small ? SMALL_CHUNK_PIXELS : CHUNK_PIXELS, unit = UNIT_PIXELS;
    if (small) /* several units for each chunk */
        unit = min_i64(unit, max_i64(pixels / 8, SMALL_CHUNK_PIXELS / 2));
    d.units = units_make(p->mb, p->oh, p->ow, unit);
    d.all_units = d.units.nn * d.units.ny * d.units.nx;
    d.vectors = div_up(d.outputs, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    /* In units of 64 channels, not of this ISA's block: the order of the sums is then the same for all ISAs. */
    int64_t wanted = max_i64(min_i64(pixels / chunk_pixels, d.all_units), 1);
    d.input_block = max_i64(BLOCK_WEIGHTS / d.taps, 1);
    if (wanted < 4 && lanes * div_up(d.inputs, d.input_block) * wanted < TASKS)
        d.input_block = min_i64(d.input_block, BLOCK_INPUTS_MIN);
    d.input_blocks = div_up(d.inputs, d.input_block);
    d.input_block = div_up(d.inputs, d.input_blocks);
    d.input_blocks = div_up(d.inputs, d.input_block);
    d.chunks = min_i64(div_up(TASKS, lanes * d.input_blocks), wanted);
    d.chunks = d.chunks >= 4 ? d.chunks / 4 * 4 : d.chunks;
    d.rows = d.input_blocks * div_up(d.input_block * d.taps, TILE_PIXELS) * TILE_PIXELS;
    d.window =
        window_make(a->formats.src, (d.units.rows - 1) * p->sh + (p->kh - 1) * (p->dh + 1) + 1,
                    (d.units.cols - 1) * p->sw + (p->kw - 1) * (p->dw + 1) + 1, d.input_block);

    int64_t most = d.units.images * d.units.rows * d.units.cols;
    struct carver c = carve_from(a->scratch, thread);
    d.sums = carve(&c, d.chunks * p->g * d.vectors * V * d.rows, sizeof(float));
    d.bias_sums = carve(&c, d.chunks * p->g * d.vectors * V, sizeof(float));
    carve_own(&c, &d.zero, TILE_LANES, sizeof(float));
    carve_own(&c, &d.pixel, most, sizeof(ptrdiff_t));
    carve_own(&c, &d.weight, d.input_block * d.taps + TILE_PIXELS, sizeof(ptrdiff_t));
    carve_own(&c, &d.gradient, (most + V) * TILE_LANES, sizeof(float));
    carve_own(&c, &d.input, window_floats(&d.window, d.units.images), sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t direct_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return direct_plan(&a, h->threads - 1).bytes;
}

static inline int64_t block_vectors(const struct plan *d, int64_t block)
{
    return min_i64(d->vectors - block * TILE_VECTORS, TILE_VECTORS);
}

static inline float *block_sums(const struct plan *d, int64_t chunk, int64_t group, int64_t block)
{
    int64_t lanes = d->vectors * V;
    return d->sums + ((chunk * d->conv->g + group) * lanes + block * TILE_LANES) * d->rows;
}

/* Where a unit lies in the output. */
static struct patch patch_of(const struct plan *d, int64_t unit)
{
    const struct units *u = &d->units;
    struct patch p = {.n0 = unit / (u->nx * u->ny) * u->images,
                      .y0 = unit / u->nx % u->ny * u->rows,
                      .x0 = unit % u->nx * u->cols};
    p.images = min_i64(u->images, d->conv->mb - p.n0);
    p.rows = min_i64(u->rows, d->conv->oh - p.y0);
    p.cols = min_i64(u->cols, d->conv->ow - p.x0);
    return p;
}

/* sums[k vectors] += each of n rows, in order. */
static void add_rows(float *sums, const float *rows, int64_t k, int64_t n)
{
    vf s[TILE_VECTORS];
    for (int64_t j = 0; j < TILE_VECTORS; j++)
        s[j] = vzero();
    for (int64_t q = 0; q < n; q++)
        for (int64_t j = 0; j < TILE_VECTORS;
             j++) /* what lies beyond k vectors is read but not used */
            s[j] = vadd(s[j], vload(rows + (q * k + j) * V));
    for (int64_t j = 0; j < k; j++)
        vstore(sums + j * V, vadd(vload(sums + j * V), s[j]));
}

/* Blocks first <= b < last of oc: they share the windows of src, which are packed once for them all. */
static void accumulate_blocks(const struct plan *d, int64_t group, int64_t part, int64_t chunk,
                              int64_t first, int64_t last)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    int64_t c0 = group * d->inputs + part * d->input_block;
    int64_t channels = min_i64(d->input_block, d->inputs - part * d->input_block);
    int64_t rows = channels * d->taps, tiles = div_up(rows, TILE_PIXELS), r = 0;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t kh = 0; kh < p->kh; kh++)
            for (int64_t kw = 0; kw < p->kw; kw++)
                d->weight[r++] = window_channel(w, c0, c) + kh * (p->dh + 1) * w->row +
                                 kw * (p->dw + 1) * w->pixel;
    for (r = 0; r < TILE_PIXELS; r++) /* the last tile repeats the last weight */
        d->weight[rows + r] = d->weight[rows - 1];

    int64_t begin = d->all_units * chunk / d->chunks, end = d->all_units * (chunk + 1) / d->chunks;
    for (int64_t unit = begin; unit < end; unit++) {
        struct patch patch = patch_of(d, unit), after = patch_of(d, min_i64(unit + 1, end - 1));
        struct lines next_src = lines_make(&d->src, after.n0, after.images, c0, channels,
                                           after.y0 * p->sh - p->ph, w->rows);
        int64_t pixels = 0;
        for (int64_t n = 0; n < patch.images; n++) {
            window_pack(w, &d->src, patch.n0 + n, c0, channels, patch.y0 * p->sh - p->ph,
                        patch.x0 * p->sw - p->pw, d->input + n * w->image);
            for (int64_t y = 0; y < patch.rows; y++)
                for (int64_t x = 0; x < patch.cols; x++)
                    d->pixel[pixels++] = n * w->image + y * p->sh * w->row + x * p->sw * w->pixel;
        }
        for (int64_t b = first; b < last; b++) {
            int64_t k = block_vectors(d, b), oc = group * d->outputs + b * TILE_LANES;
            int64_t soon = b + 1 < last ? b + 1 : first;
            const struct patch *then = b + 1 < last ? &patch : &after;
            struct lines next_diff = lines_make(
                &d->diff_dst, then->n0, then->images, group * d->outputs + soon * TILE_LANES,
                min_i64(d->outputs - soon * TILE_LANES, TILE_LANES), then->y0, then->rows);
            float *sums =
                block_sums(d, chunk, group, b) + part * (d->rows / d->input_blocks) * k * V;
            take_block(d->gradient, &d->diff_dst, &patch, oc, k,
                       min_i64(d->outputs - b * TILE_LANES, TILE_LANES));
            if (part == 0) {
                float *bias =
                    d->bias_sums + (chunk * p->g + group) * d->vectors * V + b * TILE_LANES;
                for (int64_t j = 0; unit == begin && j < k * V; j++)
                    bias[j] = 0;
                add_rows(bias, d->gradient, k, pixels);
            }
            for (int64_t t = 0; t < tiles; t++) {
                float *to = sums + t * TILE_PIXELS * k * V;
                struct job job = {.out = to,
                                  .start = unit == begin ? d->zero : to,
                                  .start_step = unit == begin ? 0 : k * V,
                                  .x = d->input,
                                  .w = d->gradient,
                                  .at = d->weight + t * TILE_PIXELS,
                                  .step = d->pixel,
                                  .n = pixels};
                hot_tile(k, &job);
                lines_fetch(&next_src, (b - first) * tiles + t, (last - first) * tiles);
                lines_fetch(&next_diff, t, tiles);
            }
        }
    }
}

/* Tiles of the accumulation: (group, block of ic, chunk, block of oc). */
static void accumulate(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a, thread);
    for (int64_t j = 0; j < TILE_LANES; j++)
        d.zero[j] = 0;
    /* Blocks whose sums stay in half of the L2. */
    int64_t block_bytes = d.rows / d.input_blocks * TILE_LANES * (int64_t)sizeof(float);
    int64_t most = max_i64((int64_t)a->hints.l2 / 2 / block_bytes, 1);
    while (first < last) {
        int64_t block = first % d.blocks, rest = first / d.blocks;
        int64_t count = min_i64(d.blocks - block, last - first), parts = div_up(count, most);
        int64_t chunk = rest % d.chunks, part = rest / d.chunks % d.input_blocks;
        for (int64_t i = 0; i < parts; i++)
            accumulate_blocks(&d, rest / d.chunks / d.input_blocks, part, chunk,
                              block + count * i / parts, block + count * (i + 1) / parts);
        first += count;
    }
}

/* Tiles of the end: (group, vector of oc). */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = direct_plan(a, thread);
    int64_t width = d.inputs * d.taps, pitch = d.conv->g * d.vectors * V * d.rows;
    for (int64_t i = first; i < last; i++) {
        int64_t group = i / d.vectors, v = i % d.vectors, block = v / TILE_VECTORS;
        int64_t k = block_vectors(&d, block), m = min_i64(d.outputs - v * V, V);
        int64_t oc = group * d.outputs + v * V;
        float *to = a->t[DIFF_WEIGHTS] + oc * width;
        const float *sums = block_sums(&d, 0, group, block) + v % TILE_VECTORS * V;
        for (int64_t part = 0; part < d.input_blocks; part++) {
            int64_t rows = min_i64(d.input_block, d.inputs - part * d.input_block) * d.taps;
            const float *from = sums + part * (d.rows / d.input_blocks) * k * V;
            for (int64_t r = 0; r < rows; r += V) {
                vf b[V];
                for (int64_t j = 0; j < V; j++)
                    b[j] = r + j < rows ? sum_chunks(from + (r + j) * k * V, pitch, d.chunks)
                                        : vzero();
                vtranspose(b);
                for (int64_t j = 0; j < m; j++)
                    vstore_n(to + j * width + part * d.input_block * d.taps + r, b[j],
                             min_i64(rows - r, V));
            }
        }
        if (a->t[DIFF_BIAS])
            vstore_n(a->t[DIFF_BIAS] + oc,
                     sum_chunks(d.bias_sums + (group * d.vectors + v) * V,
                                d.conv->g * d.vectors * V, d.chunks),
                     m);
    }
}

static void direct_run(const struct args *a)
{
    struct plan d = direct_plan(a, 0);
    run_tiles_twice(a, d.conv->g * d.blocks * d.input_blocks * d.chunks, accumulate,
                    d.conv->g * d.vectors, finish);
}

#define DIRECT_BWD_WEIGHTS                                                                         \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .scratch_size = direct_scratch, .run = direct_run
