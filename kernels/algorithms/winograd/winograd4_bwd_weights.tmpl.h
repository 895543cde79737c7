/* Gradient of the weights and of the bias by Winograd's F(4x4,3x3): winograd4.tmpl.h has the parts. Defines w4_fits(),
 * w4_scratch(), w4_flops(), w4_run().
 *
 *   for each (group, block of ic, panel of oc, chunk of blocks of tiles)     dealt to threads
 *     for each block of the chunk
 *       V[point][tile][ic] = B' d B     D[point][tile][lane] = A dy A'
 *       for each point: M[point][ic][lane] += V' D                           the register tile, over tiles
 *     the chunk's own gradient = G' M G
 *   add up the chunks in ascending order and transpose to diff_weights[oc][ic][kh][kw]
 *
 * With more than one block of ic or panel of oc, V and D of all tiles are made once before, if they are not too large.
 * The bias costs nothing: point (1, 1) of A dy A' is the sum of the tile.
 *
 * Bound: a quarter of the direct kernel's FMAs; the transforms, (216 ic + 111 oc) / (72 ic oc) of that or 7 % at 64
 * channels; and the traffic of V, D and the sums M to the L2. M, 590 KiB at 64 channels, is read and written once per
 * block. */
#include "shared/partition.h"

/* Products broadcast inputs, which lie side by side, and sum over tiles. */
static const bool W4_TURNED = true;

#include "algorithms/winograd/winograd4.tmpl.h"

enum {
    /* Inputs and tiles of a block: with 64 outputs, M of 590 KiB stays in L2, a point of V and D in L1. */
    W4_INPUTS = 64,
    W4_TILES = 48,
    /* Tasks that keep a large machine busy, and blocks a chunk must have to pay for its transform. */
    W4_TASKS = 16,
    W4_CHUNK_BLOCKS = 2,
    W4_SUM_POINT = 7
};
/* V and D of all tiles at most: larger ones come back from a shared cache or memory for every block and panel, which takes
 * longer than to make them again in L2. */
#define W4_SHARED_BYTES (12 << 20)

struct w4_plan {
    const struct conv *conv;
    struct tensor src, diff_dst;
    struct w4_grid grid;
    int64_t inputs, outputs;        /* channels of a group */
    int64_t vectors, panels, lanes; /* of outputs; of the widest panel */
    int64_t block, blocks;          /* of inputs */
    int64_t chunks;                 /* of blocks of tiles */
    int64_t each; /* tiles from point to point: odd, so that points do not share cache sets */
    bool shared;
    float *sums, *bias; /* of a chunk: [vector][ic, kh, kw][lane], [vector][lane] */
    float *v, *d, *m, *window;
    size_t bytes;
};

static inline int64_t w4_v_block(const struct w4_plan *d)
{
    return W4_POINTS * d->each * d->block + W4_MAX_ROWS;
}

static inline int64_t w4_d_block(const struct w4_plan *d)
{
    return W4_POINTS * d->each * d->lanes;
}

static inline int64_t w4_m_rows(const struct w4_plan *d)
{
    return div_up(d->block, W4_ROWS) * W4_ROWS;
}

static struct w4_plan w4_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct w4_plan d = {.conv = p,
                        .src = {a->t[SRC], a->formats.src, p->ic, p->ih, p->iw},
                        .diff_dst = {a->t[DIFF_DST], a->formats.dst, p->oc, p->oh, p->ow},
                        .inputs = p->ic / p->g,
                        .outputs = p->oc / p->g};
    d.vectors = div_up(d.outputs, V);
    d.panels = div_up(d.vectors, W4_VECTORS);
    d.lanes = div_up(d.vectors, d.panels) * V;
    d.block = div_up(div_up(d.inputs, div_up(d.inputs, W4_INPUTS)), V) * V;
    d.blocks = div_up(d.inputs, d.block);
    d.grid = w4_grid_make(p->mb, p->oh, p->ow, W4_TILES, 1, 1);
    /* Few blocks and chunks are dealt evenly if there is an even number of them. */
    if (d.grid.blocks > 1) {
        d.grid.block = div_up(d.grid.all, div_up(d.grid.blocks, 2) * 2);
        d.grid.blocks = div_up(d.grid.all, d.grid.block);
        d.grid.tiles = d.grid.block * d.grid.cols;
    }
    d.each = d.grid.tiles | 1;
    const int64_t pairs = p->g * d.blocks * d.panels;
    d.chunks = min_i64(div_up(W4_TASKS, pairs), d.grid.blocks / W4_CHUNK_BLOCKS);
    d.chunks = max_i64(d.chunks - d.chunks % 2, pairs > 1 ? 1 : min_i64(d.grid.blocks, 2));
    const int64_t all_v = p->g * d.blocks * d.grid.blocks * w4_v_block(&d);
    const int64_t all_d = p->g * d.panels * d.grid.blocks * w4_d_block(&d);
    d.shared =
        d.blocks * d.panels > 1 && (all_v + all_d) * (int64_t)sizeof(float) <= W4_SHARED_BYTES;

    struct carver c = carve_from(a->scratch, thread);
    d.sums = carve(&c, d.chunks * p->g * d.vectors * V * d.inputs * 9, sizeof(float));
    d.bias = carve(&c, d.chunks * p->g * d.vectors * V, sizeof(float));
    if (d.shared) {
        d.v = carve(&c, all_v, sizeof(float));
        d.d = carve(&c, all_d, sizeof(float));
    } else {
        carve_own(&c, &d.v, w4_v_block(&d), sizeof(float));
        carve_own(&c, &d.d, w4_d_block(&d), sizeof(float));
    }
    carve_own(&c, &d.m, W4_POINTS * w4_m_rows(&d) * d.lanes, sizeof(float));
    carve_own(&c, &d.window, w4_window_floats(&d.grid, W4_PATCH), sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t w4_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return w4_plan(&a, h->threads - 1).bytes;
}

/* Multiplications and additions: 36 products a tile, and the transforms: 18 operations for B' d (an FMA counts two), 11
 * for A y, 15 for G' m, each 12, 10 and 9 times; the sums of bias and chunks. */
static double w4_flops(const struct problem *problem, struct formats f)
{
    (void)f;
    const struct args a = {.problem = problem, .formats = {NCHW, NCHW}};
    const struct w4_plan d = w4_plan(&a, 0);
    const double tiles = (double)(d.grid.all * d.grid.cols), chunks = (double)d.chunks;
    const double g = (double)d.conv->g, inputs = (double)d.inputs, outputs = (double)d.outputs;
    return g * (tiles * (2 * W4_POINTS * inputs * outputs + 12 * 18 * inputs +
                         (10 * 11 + 1) * outputs) +
                ((9 * 15 + 9) * chunks - 9) * inputs * outputs);
}

/* V of one vector of inputs, c and following, of a block of tiles; v is that of their block of inputs. */
static void w4_inputs(const struct w4_plan *d, int64_t group, struct w4_rows rows, int64_t c,
                      float *v)
{
    w4_spread(&d->grid, &d->src, rows.first, rows.end, group * d->inputs + c,
              min_i64(d->inputs - c, V), W4_PATCH, d->conv->ph, d->conv->pw, d->window,
              v + c % d->block, d->each, d->block);
}

/* D of vector j of a panel of `k` vectors that begins with vector `start`. */
static void w4_outputs(const struct w4_plan *d, int64_t group, struct w4_rows rows, int64_t start,
                       int64_t k, int64_t j, float *out)
{
    const int64_t c = (start + j) * V;
    w4_spread(&d->grid, &d->diff_dst, rows.first, rows.end, group * d->outputs + c,
              min_i64(d->outputs - c, V), W4_TILE, 0, 0, d->window, out + j * V, d->each, k * V);
}

/* One task: (group, block of inputs, panel of outputs, chunk). */
static void w4_task(const struct w4_plan *d, int64_t group, int64_t block, int64_t panel,
                    int64_t chunk)
{
    const int64_t start = part_begin(d->vectors, d->panels, panel);
    const int64_t k = part_begin(d->vectors, d->panels, panel + 1) - start;
    const int64_t c0 = block * d->block, inputs = min_i64(d->inputs - c0, d->block);
    const int64_t m_point = w4_m_rows(d) * k * V;
    const int64_t begin = d->grid.blocks * chunk / d->chunks;
    const int64_t end = d->grid.blocks * (chunk + 1) / d->chunks;
    vf bias[W4_MAX_VECTORS];
    for (int64_t j = 0; j < W4_MAX_VECTORS; j++)
        bias[j] = vzero();
    for (int64_t b = begin; b < end; b++) {
        const struct w4_rows rows = w4_rows_of(&d->grid, b);
        const int64_t tiles = (rows.end - rows.first) * d->grid.cols;
        float *v = d->v, *dy = d->d;
        if (d->shared) {
            v += ((group * d->blocks + block) * d->grid.blocks + b) * w4_v_block(d);
            dy += ((group * d->panels + panel) * d->grid.blocks + b) * w4_d_block(d);
        } else {
            for (int64_t c = 0; c < inputs; c += V)
                w4_inputs(d, group, rows, c0 + c, v);
            for (int64_t j = 0; j < k; j++)
                w4_outputs(d, group, rows, start, k, j, dy);
        }
        for (int64_t point = 0; point < W4_POINTS; point++)
            for (int64_t i = 0; i < inputs; i += W4_ROWS)
                hot_w4(k, d->m + point * m_point + i * k * V, b > begin,
                       v + point * d->each * d->block + i, d->block, dy + point * d->each * k * V,
                       tiles, d->m + point * m_point + (i + W4_ROWS) * k * V);
        for (int64_t j = 0; j < k; j++)
            for (int64_t t = 0; t < tiles; t++)
                bias[j] = vadd(bias[j], vload(dy + ((W4_SUM_POINT * d->each + t) * k + j) * V));
    }
    const int64_t all = chunk * d->conv->g * d->vectors + group * d->vectors + start;
    for (int64_t j = 0; j < k; j++) {
        if (block == 0)
            vstore(d->bias + (all + j) * V, bias[j]);
        float *out = d->sums + ((all + j) * d->inputs + c0) * 9 * V;
        for (int64_t i = 0; i < inputs; i++)
            w4_kernel_gradient(d->m + (i * k + j) * V, m_point, out + i * 9 * V);
    }
}

static void w4_tasks(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_plan d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const int64_t pair = i / d.chunks;
        w4_task(&d, pair / d.panels / d.blocks, pair / d.panels % d.blocks, pair % d.panels,
                i % d.chunks);
    }
}

/* V of all tiles: (group, block of tiles, vector of inputs). */
static void w4_all_inputs(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_plan d = w4_plan(a, thread);
    const int64_t vectors = div_up(d.inputs, V);
    for (int64_t i = first; i < last; i++) {
        const int64_t c = i % vectors * V, b = i / vectors % d.grid.blocks;
        const int64_t group = i / vectors / d.grid.blocks;
        w4_inputs(&d, group, w4_rows_of(&d.grid, b), c,
                  d.v + ((group * d.blocks + c / d.block) * d.grid.blocks + b) * w4_v_block(&d));
    }
}

/* D of all tiles: (group, block of tiles, panel of outputs). */
static void w4_all_outputs(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_plan d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const int64_t panel = i % d.panels, b = i / d.panels % d.grid.blocks;
        const int64_t group = i / d.panels / d.grid.blocks;
        const int64_t start = part_begin(d.vectors, d.panels, panel);
        const int64_t k = part_begin(d.vectors, d.panels, panel + 1) - start;
        for (int64_t j = 0; j < k; j++)
            w4_outputs(&d, group, w4_rows_of(&d.grid, b), start, k, j,
                       d.d + ((group * d.panels + panel) * d.grid.blocks + b) * w4_d_block(&d));
    }
}

/* Tiles of the end: (group, vector of outputs). */
static void w4_finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_plan d = w4_plan(a, thread);
    const int64_t length = d.inputs * 9, all = d.conv->g * d.vectors * V;
    for (int64_t i = first; i < last; i++) {
        const int64_t v = i % d.vectors, oc = i / d.vectors * d.outputs + v * V;
        const int64_t lanes = min_i64(d.outputs - v * V, V);
        const float *from = d.sums + i * length * V;
        float *to = a->t[DIFF_WEIGHTS] + oc * length;
        for (int64_t r = 0; r < length; r += V) {
            const int64_t n = min_i64(length - r, V);
            vf b[V];
            for (int64_t j = 0; j < V; j++) {
                b[j] = vzero();
                if (j < n)
                    b[j] = sum_chunks(from + (r + j) * V, all * length, d.chunks);
            }
            vtranspose(b);
            for (int64_t j = 0; j < lanes; j++)
                vstore_n(to + j * length + r, b[j], n);
        }
        if (a->t[DIFF_BIAS])
            vstore_n(a->t[DIFF_BIAS] + oc, sum_chunks(d.bias + i * V, all, d.chunks), lanes);
    }
}

static void w4_run(const struct args *a)
{
    const struct w4_plan d = w4_plan(a, 0);
    const int64_t g = d.conv->g;
    if (d.shared) {
        run_tiles(a, g * d.grid.blocks * div_up(d.inputs, V), w4_all_inputs);
        run_tiles(a, g * d.grid.blocks * d.panels, w4_all_outputs);
    }
    run_tiles(a, g * d.blocks * d.panels * d.chunks, w4_tasks);
    run_tiles(a, g * d.vectors, w4_finish);
}
