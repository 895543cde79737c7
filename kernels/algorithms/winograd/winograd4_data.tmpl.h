/* Forward convolution and gradient of the data by Winograd's F(4x4,3x3): winograd4.tmpl.h has the parts. The including
 * file defines w4_pass_of(): which tensor is the input, and how the weights are read. The gradient of the data is the
 * forward pass over diff_dst with kernels rotated by 180 degrees, inputs and outputs exchanged, and padding 2 - p.
 *
 *   U[panel][chunk][point][ic][lane] = G g G'               once a call, dealt by vectors of outputs
 *   for each block of tiles                                 dealt to threads
 *     V[chunk][group][point][tile][ic] = B' d B
 *     for each panel of outputs
 *       for each chunk and point: M[group][point][tile][lane] += V U         the register tile
 *       dst = A' M A + bias
 *
 * If U is much larger than the L2, it is not kept. Then V of all tiles is made first, blocks are larger, and U of one chunk
 * and panel is made again for every block.
 *
 * A group is the tiles of one register tile. What a transform writes or reads of it is contiguous, in few pages.
 *
 * With W4_STATISTICS, which the including template sets, the tensors MEAN and VARIANCE get the statistics of each output
 * channel. A tile is added to them while it is in registers; a block writes its share to scratch; at the end the shares
 * are merged in the order of the blocks (chan.h): 4 operations per value beside its 72 ic / 16.
 *
 * Bound: a quarter of the direct kernels' FMAs; the transforms, (216 ic + 146 oc) / (72 ic oc) of that or 8 % at 64
 * channels; and V and M, each written to L2 and read back: 36 vectors per tile where the image has 16. Waiting for L2 costs
 * most. To see how near it comes:
 *   batchmark bench conv_fwd/winograd4_avx512_omp --problem mb16ic64ih56oc64kh3ph1 --threads 2    (pct_peak) */
#include "shared/partition.h"

/* Products broadcast tiles, and sum over inputs, which lie side by side. */
static const bool W4_TURNED = false;

#include "algorithms/winograd/winograd4.tmpl.h"
#include "shared/chan.h"

enum {
    /* What V and M of a block may take next to U, all in an L2 of 1 to 2 MiB, and where U is too large for that: its way
     * from beyond the L2 is then paid by more tiles. */
    W4_BLOCK_BYTES = 600 << 10,
    W4_BLOCK_BYTES_MOST = 1200 << 10,
    W4_SMALL_BYTES = 1 << 20,
    W4_TILES_MIN = 24,
    W4_TILES_MAX = 96,
    /* Inputs of a chunk: 16 KiB of U for a point and a panel of 64 outputs stay in L1. */
    W4_INPUTS = 64,
    /* Floats between the points of U: they must not begin a multiple of 4 KiB apart, in the same sets of the L1. */
    W4_SKEW = 16,
    /* U that is rather made again than read from beyond the L2, and the V there may be in that case. */
    W4_FRESH_BYTES = 4 << 20,
    W4_FRESH_V_BYTES = 64 << 20
};

struct w4_pass {
    struct tensor in, out;
    const float *weights, *bias;
    int64_t inputs, outputs;      /* channels of a group */
    int64_t group, output, input; /* strides of the weights */
    int64_t pad_h, pad_w;
    bool turned;
};

static struct w4_pass w4_pass_of(const struct args *a);

struct w4_data {
    const struct conv *conv;
    struct w4_pass pass;
    struct w4_grid grid;
    int64_t vectors, panels; /* of outputs */
    int64_t lanes;           /* of the widest panel */
    int64_t chunks, chunk;   /* of inputs; channels of one, but for the last */
    int64_t groups;          /* register tiles of a block */
    int64_t v_block;         /* floats of V of a block */
    bool fresh;              /* U is made again for each block */
    float *u, *v, *m, *window, *rows;
    float *statistics; /* [group][vector of outputs][block][CHAN_FLOATS] */
    size_t bytes;
};

static struct w4_data w4_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct w4_data d = {.conv = p, .pass = w4_pass_of(a)};
    const struct w4_pass *s = &d.pass;
    /* Lanes beyond the last channel of a block of 16 are outputs too: zeros. */
    d.vectors = s->out.layout == NCHW16C ? div_up(s->outputs, 16) * 16 / V : div_up(s->outputs, V);
    d.panels = div_up(d.vectors, W4_VECTORS);
    d.lanes = div_up(d.vectors, d.panels) * V;
    d.chunk = div_up(div_up(s->inputs, div_up(s->inputs, W4_INPUTS)), V) * V;
    d.chunks = div_up(s->inputs, d.chunk);
    const int64_t padded = d.chunks * d.chunk, each = W4_POINTS * (int64_t)sizeof(float);
    const int64_t tiles = p->mb * div_up(s->out.h, W4_TILE) * div_up(s->out.w, W4_TILE);
    const int64_t u_bytes = each * padded * d.vectors * V;
    d.fresh = u_bytes > W4_FRESH_BYTES && each * padded * p->g * tiles <= W4_FRESH_V_BYTES;
    int64_t wanted = (u_bytes > W4_SMALL_BYTES ? W4_BLOCK_BYTES_MOST : W4_BLOCK_BYTES) /
                     (each * (padded + d.lanes));
    wanted = d.fresh ? W4_TILES_MAX : min_i64(max_i64(wanted, W4_TILES_MIN), W4_TILES_MAX);
    d.grid = w4_grid_make(p->mb, s->out.h, s->out.w, wanted, d.fresh ? 1 : 16, W4_ROWS);
    d.groups = d.grid.whole / W4_ROWS;
    d.v_block = W4_POINTS * d.grid.whole * padded;

    struct carver c = carve_from(a->scratch, thread);
    const int64_t u_panels = d.vectors * V * d.chunk + d.panels * W4_SKEW;
    if (d.fresh) {
        carve_own(&c, &d.u, W4_POINTS * (d.chunk * d.lanes + W4_SKEW), sizeof(float));
        d.v = carve(&c, p->g * d.grid.blocks * d.v_block, sizeof(float));
    } else {
        d.u = carve(&c, p->g * d.chunks * W4_POINTS * u_panels, sizeof(float));
        carve_own(&c, &d.v, d.v_block, sizeof(float));
    }
    d.statistics = carve(&c, W4_STATISTICS ? p->g * d.vectors * d.grid.blocks * CHAN_FLOATS : 0,
                         sizeof(float));
    carve_own(&c, &d.m, W4_POINTS * d.grid.whole * d.lanes, sizeof(float));
    carve_own(&c, &d.window, w4_window_floats(&d.grid, W4_PATCH), sizeof(float));
    carve_own(&c, &d.rows, w4_window_floats(&d.grid, W4_TILE) + V * V, sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t w4_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return w4_plan(&a, h->threads - 1).bytes;
}

/* Multiplications and additions: 36 products a tile, and the transforms: 18 operations for B' d (an FMA counts two), 13
 * for A' m, 14 for G g, each 12, 10 and 9 times, and the bias. Statistics: 4 for each pixel and 6 for a merge. */
static double w4_flops(const struct problem *problem, struct formats f)
{
    (void)f;
    const struct conv *p = &problem->conv;
    const struct args a = {.problem = problem, .formats = {NCHW, NCHW}};
    const struct w4_pass s = w4_pass_of(&a);
    const double tiles = (double)(p->mb * div_up(s.out.h, W4_TILE) * div_up(s.out.w, W4_TILE));
    const double statistics = W4_STATISTICS ? 16 * 4 + 6 : 0;
    const double g = (double)p->g, inputs = (double)s.inputs, outputs = (double)s.outputs;
    return g * (tiles * (2 * W4_POINTS * inputs * outputs + 12 * 18 * inputs +
                         (10 * 13 + 16 + statistics) * outputs) +
                9 * 14 * inputs * outputs);
}

/* From point to point of a chunk of U with k vectors. */
static inline int64_t w4_u_point(const struct w4_data *d, int64_t k)
{
    return d->chunk * k * V + W4_SKEW;
}

/* U of a panel. */
static inline float *w4_u(const struct w4_data *d, int64_t group, int64_t panel)
{
    const int64_t before = group * d->vectors + part_begin(d->vectors, d->panels, panel);
    return d->u +
           d->chunks * W4_POINTS * (before * V * d->chunk + (group * d->panels + panel) * W4_SKEW);
}

/* Transforms the weights of vector v of the outputs and inputs c .. c + n, to out[point][input][k]: a point is `point`
 * floats from the next. */
static void w4_kernels(const struct w4_data *d, int64_t group, int64_t v, int64_t c, int64_t n,
                       float *out, int64_t k, int64_t point)
{
    const struct w4_pass *s = &d->pass;
    const float *from = s->weights + group * s->group + v * V * s->output + c * s->input;
    const int64_t lanes = s->outputs - v * V;
    /* Forward, the taps of successive inputs follow each other: one long run instead of many of nine. */
    const bool joined = s->input == 9;
    for (; n > 0; n -= V, from += V * s->input, out += V * k) {
        const int64_t some = min_i64(n, V), length = joined ? 9 * some : 9;
        float taps[(9 + V) * V * V];
        for (int64_t run = 0; run < (joined ? 1 : some); run++) {
            for (int64_t q = 0; q < length; q += V) {
                vf b[V];
                load_transposed(b, from + run * s->input + q, s->output, lanes, length - q);
                for (int64_t j = 0; j < V; j++)
                    vstore(taps + (run * 9 + q + j) * V, b[j]);
            }
        }
        for (int64_t j = 0; j < some; j++)
            w4_kernel(taps + j * 9 * V, s->turned, out + j * k, point);
    }
}

/* Tiles of the transform of the weights: (group, vector of outputs). */
static void w4_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const int64_t group = i / d.vectors, v = i % d.vectors;
        const int64_t panel = (d.panels * (v + 1) - 1) / d.vectors;
        const int64_t start = part_begin(d.vectors, d.panels, panel);
        const int64_t k = part_begin(d.vectors, d.panels, panel + 1) - start;
        const int64_t point = w4_u_point(&d, k);
        float *u = w4_u(&d, group, panel) + (v - start) * V;
        for (int64_t c = 0; c < d.pass.inputs; c += d.chunk, u += W4_POINTS * point)
            w4_kernels(&d, group, v, c, min_i64(d.chunk, d.pass.inputs - c), u, k * V, point);
    }
}

/* A tile's 4x4 pixels plus the bias, rows and pixels `row` and `col` floats apart, as far as they lie in the image. */
static inline void w4_store(const float *m, int64_t point, vf bias, float *out, int64_t row,
                            int64_t col, int64_t height, int64_t width, int64_t lanes,
                            struct chan *statistics)
{
    vf y[4][4];
    w4_result(m, point, y);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
        for (int x = 0; x < 4; x++)
            y[i][x] = vadd(y[i][x], bias);
    const bool whole = height >= 4 && width >= 4;
    if (W4_STATISTICS && whole)
        chan_take_tile(statistics, y, 4, 4);
    else if (W4_STATISTICS)
        chan_take_tile(statistics, y, height, width);
    if (whole && lanes >= V) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int x = 0; x < 4; x++)
                vstore(out + i * row + x * col, y[i][x]);
        return;
    }
    /* Unrolled all the same: an index the compiler does not know would keep y in memory. */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
        for (int x = 0; x < 4; x++)
            if (i < height && x < width)
                vstore_n(out + i * row + x * col, y[i][x], min_i64(lanes, V));
}

/* What a block knows of vector v of all outputs. */
static inline float *w4_statistics(const struct w4_data *d, int64_t v, int64_t block)
{
    return d->statistics + (v * d->grid.blocks + block) * CHAN_FLOATS;
}

/* The results of one vector of outputs, the v-th of its group, from m[group][point][tile][k] to the tensor. */
static void w4_finish(const struct w4_data *d, int64_t group, int64_t v, int64_t row, int64_t end,
                      const float *m, int64_t k)
{
    const struct w4_pass *s = &d->pass;
    const struct tensor *t = &s->out;
    const int64_t c = group * s->outputs + v * V, plane = t->h * t->w;
    const int64_t channels = max_i64(min_i64(s->outputs - v * V, V), 0);
    const int64_t block = row / d->grid.block;
    struct chan statistics = chan_none();
    int64_t tile = 0;
    vf bias = vzero();
    if (s->bias && channels)
        bias = vload_n(s->bias + c, channels);
    while (row < end) {
        const struct w4_part p = w4_part_at(&d->grid, row, end);
        const int64_t y0 = p.first * W4_TILE, rows = min_i64(p.count * W4_TILE, t->h - y0);
        float *to = channel_of(t, p.image, c) + y0 * t->w * pixel_pitch(t->layout, t->c);
        const bool planes = t->layout == NCHW;
        float *out = planes ? d->rows : to;
        const int64_t pitch = planes ? V : pixel_pitch(t->layout, t->c);
        const int64_t lanes = t->layout == NHWC ? channels : V;
        for (int64_t y = 0; y < p.count; y++) {
            for (int64_t x = 0; x < d->grid.cols; x++) {
                w4_store(m, W4_ROWS * k, bias, out + W4_TILE * (y * t->w + x) * pitch, t->w * pitch,
                         pitch, t->h - y0 - W4_TILE * y, t->w - W4_TILE * x, lanes, &statistics);
                m += k;
                if (++tile % W4_ROWS == 0)
                    m += (W4_POINTS - 1) * W4_ROWS * k;
            }
        }
        if (planes)
            turn_to_planes(to, plane, out, V, channels, rows * t->w);
        row += p.count;
    }
    if (W4_STATISTICS)
        chan_put(w4_statistics(d, group * d->vectors + v, block), &statistics);
}

/* V of one vector of inputs, c and following, of a block. */
static void w4_inputs(const struct w4_data *d, int64_t group, struct w4_rows rows, int64_t c,
                      float *v)
{
    const struct w4_pass *s = &d->pass;
    const int64_t point = W4_ROWS * d->chunk;
    float *out = v + c / d->chunk * d->groups * W4_POINTS * point + c % d->chunk;
    w4_spread(&d->grid, &s->in, rows.first, rows.end, group * s->inputs + c,
              min_i64(s->inputs - c, V), W4_PATCH, s->pad_h, s->pad_w, d->window, out, W4_ROWS,
              d->chunk);
    /* The rest of the last register tile is multiplied too and not used, but should be numbers. */
    const int64_t tiles = (rows.end - rows.first) * d->grid.cols, rest = tiles % W4_ROWS;
    if (rest == 0)
        return;
    out += tiles / W4_ROWS * W4_POINTS * point;
    for (int64_t i = 0; i < W4_POINTS; i++, out += point)
        for (int64_t t = rest; t < W4_ROWS; t++)
            vstore(out + t * d->chunk, vzero());
}

/* The weights of panel `panel` and the chunk of inputs from c on. */
static inline struct lines w4_weights_lines(const struct w4_data *d, int64_t group, int64_t panel,
                                            int64_t c)
{
    const struct w4_pass *s = &d->pass;
    const int64_t first = part_begin(d->vectors, d->panels, panel) * V;
    const int64_t end = min_i64(part_begin(d->vectors, d->panels, panel + 1) * V, s->outputs);
    const int64_t inputs = min_i64(s->inputs - c, d->chunk), outputs = end - first;
    struct lines l = {
        .images = inputs > 0, .planes = outputs, .run = inputs * 9, .plane = s->output};
    if (s->input != 9) {
        l.planes = inputs;
        l.run = outputs * 9;
        l.plane = s->input;
    }
    l.at = s->weights + group * s->group + first * s->output + c * s->input;
    return l;
}

/* One panel of outputs of one block: the 36 products and the results. Meanwhile the next weights and the lines the
 * results will go to are fetched to L2. */
static void w4_multiply(const struct w4_data *d, int64_t group, struct w4_rows rows, const float *v,
                        int64_t panel)
{
    const int64_t inputs = d->pass.inputs;
    const int64_t groups = div_up((rows.end - rows.first) * d->grid.cols, W4_ROWS);
    const int64_t start = part_begin(d->vectors, d->panels, panel);
    const int64_t k = part_begin(d->vectors, d->panels, panel + 1) - start;
    const int64_t v_point = W4_ROWS * d->chunk, u_point = w4_u_point(d, k),
                  m_point = W4_ROWS * k * V;
    const int64_t calls = groups * W4_POINTS;
    const float *u = d->fresh ? d->u : w4_u(d, group, panel);
    struct lines out =
        w4_lines_of(&d->grid, &d->pass.out, rows, group * d->pass.outputs + start * V,
                    min_i64(k * V, d->pass.outputs - start * V));
    struct lines_ahead results = lines_start(&out, calls * d->chunks);
    for (int64_t c = 0; c < inputs; c += d->chunk) {
        const int64_t n = min_i64(d->chunk, inputs - c);
        for (int64_t j = 0; d->fresh && j < k; j++)
            w4_kernels(d, group, start + j, c, n, d->u + j * V, k * V, u_point);
        struct lines weights = {.images = 0};
        if (d->fresh)
            weights = w4_weights_lines(d, group, panel, c + d->chunk < inputs ? c + d->chunk : 0);
        struct lines_ahead soon = lines_start(&weights, calls);
        for (int64_t point = 0; point < W4_POINTS; point++) {
            for (int64_t i = 0; i < groups; i++) {
                const float *from = v + (i * W4_POINTS + point) * v_point;
                hot_w4(k, d->m + (i * W4_POINTS + point) * m_point, c > 0, from, d->chunk,
                       u + point * u_point, n,
                       i + 1 < groups ? from + W4_POINTS * v_point : v + (point + 1) * v_point);
                lines_next(&results);
                lines_next(&soon);
            }
        }
        v += d->groups * W4_POINTS * v_point;
        u += d->fresh ? 0 : W4_POINTS * u_point;
    }
    for (int64_t j = 0; j < k; j++)
        w4_finish(d, group, start + j, rows.first, rows.end, d->m + j * V, k * V);
}

/* Tiles of the convolution with U made before: (group, block). */
static void w4_blocks(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const struct w4_rows rows = w4_rows_of(&d.grid, i % d.grid.blocks);
        for (int64_t c = 0; c < d.pass.inputs; c += V)
            w4_inputs(&d, i / d.grid.blocks, rows, c, d.v);
        for (int64_t panel = 0; panel < d.panels; panel++)
            w4_multiply(&d, i / d.grid.blocks, rows, d.v, panel);
    }
}

/* The other way, first all of V: (group, block, vector of inputs). */
static void w4_all_inputs(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a, thread);
    const int64_t vectors = div_up(d.pass.inputs, V);
    for (int64_t i = first; i < last; i++) {
        const int64_t block = i / vectors;
        w4_inputs(&d, block / d.grid.blocks, w4_rows_of(&d.grid, block % d.grid.blocks),
                  i % vectors * V, d.v + block * d.v_block);
    }
}

/* Then (group, panel of outputs, block). */
static void w4_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const int64_t block = i % d.grid.blocks, panel = i / d.grid.blocks % d.panels;
        const int64_t group = i / d.grid.blocks / d.panels;
        w4_multiply(&d, group, w4_rows_of(&d.grid, block),
                    d.v + (group * d.grid.blocks + block) * d.v_block, panel);
    }
}

/* The statistics of the whole batch: tiles are (group, vector of outputs). */
static inline void w4_merge(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        const int64_t lane = i % d.vectors * V, c = i / d.vectors * d.pass.outputs + lane;
        if (lane < d.pass.outputs)
            chan_finish(w4_statistics(&d, i, 0), CHAN_FLOATS, d.grid.blocks, d.pass.outputs - lane,
                        a->t[MEAN] + c, a->t[VARIANCE] + c);
    }
}

static void w4_run(const struct args *a)
{
    const struct w4_data d = w4_plan(a, 0);
    const int64_t g = d.conv->g, vectors = div_up(d.pass.inputs, V);
    if (d.fresh) {
        run_tiles(a, g * d.grid.blocks * vectors, w4_all_inputs);
        run_tiles(a, g * d.panels * d.grid.blocks, w4_panels);
    } else {
        run_tiles(a, g * d.vectors, w4_weights);
        run_tiles(a, g * d.grid.blocks, w4_blocks);
    }
    if (W4_STATISTICS)
        run_tiles(a, g * d.vectors, w4_merge);
}
