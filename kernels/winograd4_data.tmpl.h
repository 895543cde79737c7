/* Forward convolution and gradient of the data by Winograd's F(4x4,3x3): winograd4.tmpl.h has the parts. The including
 * file defines w4_pass_of(): which tensor is the input, and how the weights are read. The gradient of the data is the
 * forward pass over diff_dst with kernels turned by half a turn, inputs and outputs exchanged and padding 2 - p.
 *
 *   U[panel][point][ic][lane] = G g G'                      once a call, dealt by vectors of outputs
 *   for each block of tiles                                 dealt to threads
 *     V[point][tile][ic] = B' d B
 *     for each panel of outputs
 *       for each point: M[point][tile][lane] = V U          the register tile
 *       dst = A' M A + bias
 */
#include "winograd4.tmpl.h"

/* What V and M of a block may take: with the U of one panel of 64 channels they stay in an L2 of 1 MiB. */
#ifndef W4_BLOCK_BYTES
#define W4_BLOCK_BYTES (896 << 10)
#endif
enum {
    W4_TILES_MIN = 24,
    W4_TILES_MAX = 96,
    /* Inputs added up in registers at a time: U of that many and a panel stays in L1. */
    W4_INPUTS = 128
};

struct w4_pass {
    struct w4_tensor in, out;
    const float *weights, *bias;
    int64_t inputs, outputs;      /* channels of a group */
    int64_t group, output, input; /* strides of the weights */
    int64_t pad_h, pad_w;
    bool turned;
};

static struct w4_pass w4_pass_of(const struct problem *p, struct formats f, float *const t[]);

struct w4_data {
    const struct conv *conv;
    struct w4_pass pass;
    struct w4_grid grid;
    int64_t vectors, panels; /* of outputs */
    int64_t pitch, point;    /* of V: from tile to tile, from point to point */
    int64_t lanes, m_point;  /* of M: the widest panel; from point to point */
    float *u, *v, *m, *window, *rows;
    size_t bytes;
};

static struct w4_data w4_plan(const struct problem *problem, struct formats f, float *const t[],
                              void *scratch, int thread)
{
    const struct conv *p = &problem->conv;
    struct w4_data d = {.conv = p, .pass = w4_pass_of(problem, f, t)};
    const struct w4_pass *s = &d.pass;
    /* Lanes beyond the last channel of a block of 16 are outputs too: zeros. */
    d.vectors = s->out.layout == NCHW16C ? div_up(s->outputs, 16) * 16 / V : div_up(s->outputs, V);
    d.panels = div_up(d.vectors, W4_VECTORS);
    d.lanes = div_up(d.vectors, d.panels) * V;
    d.pitch = div_up(s->inputs, V) * V;
    const int64_t each = W4_POINTS * (d.pitch + d.lanes) * (int64_t)sizeof(float);
    const int64_t wanted = min_i64(max_i64(W4_BLOCK_BYTES / each, W4_TILES_MIN), W4_TILES_MAX);
    d.grid = w4_grid_make(p->mb, s->out.h, s->out.w, wanted, 16, w4_rows(d.lanes / V));
    const int64_t whole = d.grid.whole + W4_MAX_ROWS;
    d.point = whole * d.pitch + W4_SKEW;
    d.m_point = whole * d.lanes + W4_SKEW;

    struct w4_carver c = {.base = scratch};
    d.u = w4_carve(&c, p->g * d.vectors * V * W4_POINTS * s->inputs);
    const int64_t shared = c.used;
    d.v = w4_carve(&c, W4_POINTS * d.point);
    d.m = w4_carve(&c, W4_POINTS * d.m_point);
    d.window = w4_carve(&c, w4_window_floats(&d.grid, W4_PATCH));
    d.rows = w4_carve(&c, w4_window_floats(&d.grid, W4_TILE) + V * V);
    const int64_t own = c.used - shared;
    if (scratch) {
        d.v += thread * own;
        d.m += thread * own;
        d.window += thread * own;
        d.rows += thread * own;
    }
    d.bytes = (size_t)(shared + own * (thread + 1)) * sizeof(float);
    return d;
}

static size_t w4_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    static float *const none[ROLE_COUNT];
    return w4_plan(p, f, none, NULL, h->threads - 1).bytes;
}

/* Multiplications and additions: 36 products a tile, and the transforms: 18 operations for B' d (an FMA counts two), 13
 * for A' m, 14 for G g, each 12, 10 and 9 times, and the bias. */
static double w4_flops(const struct problem *problem)
{
    static float *const none[ROLE_COUNT];
    const struct conv *p = &problem->conv;
    const struct w4_pass s = w4_pass_of(problem, (struct formats){NCHW, NCHW}, none);
    const double tiles = (double)(p->mb * div_up(s.out.h, W4_TILE) * div_up(s.out.w, W4_TILE));
    const double g = (double)p->g, inputs = (double)s.inputs, outputs = (double)s.outputs;
    return g * (tiles * (2 * W4_POINTS * inputs * outputs + 12 * 18 * inputs +
                         (10 * 13 + 16) * outputs) +
                9 * 14 * inputs * outputs);
}

static inline float *w4_u(const struct w4_data *d, int64_t group, int64_t panel)
{
    return d->u + (group * d->vectors + w4_panel(d->vectors, d->panels, panel)) * V * W4_POINTS *
                      d->pass.inputs;
}

/* Tiles of the transform of the weights: (group, vector of outputs). */
static void w4_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a->problem, a->formats, a->t, a->scratch, thread);
    const struct w4_pass *s = &d.pass;
    /* Forward, the taps of successive inputs follow each other: one long run instead of many of nine. */
    const bool joined = s->input == 9;
    for (int64_t i = first; i < last; i++) {
        const int64_t group = i / d.vectors, v = i % d.vectors;
        const int64_t panel = (d.panels * (v + 1) - 1) / d.vectors;
        const int64_t start = w4_panel(d.vectors, d.panels, panel);
        const int64_t k = (w4_panel(d.vectors, d.panels, panel + 1) - start) * V;
        float *u = w4_u(&d, group, panel) + (v - start) * V;
        const float *from = s->weights + group * s->group + v * V * s->output;
        const int64_t lanes = s->outputs - v * V;
        for (int64_t c = 0; c < s->inputs; c += V) {
            const int64_t n = min_i64(s->inputs - c, V);
            float taps[(9 + V) * V * V];
            for (int64_t run = 0; run < (joined ? 1 : n); run++) {
                const int64_t length = joined ? 9 * n : 9;
                for (int64_t q = 0; q < length; q += V) {
                    vf b[V];
                    w4_transposed(b, from + (c + run) * s->input + q, s->output, lanes, length - q);
                    for (int64_t j = 0; j < V; j++)
                        vstore(taps + (run * 9 + q + j) * V, b[j]);
                }
            }
            for (int64_t j = 0; j < n; j++)
                w4_kernel(taps + j * 9 * V, s->turned, u + (c + j) * k, s->inputs * k);
        }
    }
}

static __attribute__((noinline)) void hot_w4_1(float *m, int64_t m_row, bool add, const float *a,
                                               int64_t a_row, const float *b, int64_t n)
{
    w4_product(w4_rows(1), 1, m, m_row, add, a, a_row, 1, b, V, n);
}

static __attribute__((noinline)) void hot_w4_2(float *m, int64_t m_row, bool add, const float *a,
                                               int64_t a_row, const float *b, int64_t n)
{
    w4_product(w4_rows(2), 2, m, m_row, add, a, a_row, 1, b, 2 * V, n);
}

static __attribute__((noinline)) void hot_w4_3(float *m, int64_t m_row, bool add, const float *a,
                                               int64_t a_row, const float *b, int64_t n)
{
    const int k = W4_VECTORS < 3 ? 1 : 3;
    w4_product(w4_rows(k), k, m, m_row, add, a, a_row, 1, b, k * V, n);
}

static __attribute__((noinline)) void hot_w4_4(float *m, int64_t m_row, bool add, const float *a,
                                               int64_t a_row, const float *b, int64_t n)
{
    const int k = W4_VECTORS < 4 ? 1 : 4;
    w4_product(w4_rows(k), k, m, m_row, add, a, a_row, 1, b, k * V, n);
}

typedef void w4_hot(float *m, int64_t m_row, bool add, const float *a, int64_t a_row,
                    const float *b, int64_t n);

static inline w4_hot *w4_hot_of(int64_t k)
{
    if (W4_VECTORS >= 4 && k == 4)
        return hot_w4_4;
    if (W4_VECTORS >= 3 && k == 3)
        return hot_w4_3;
    return k == 2 ? hot_w4_2 : hot_w4_1;
}

/* A tile's 4x4 pixels plus the bias, rows and pixels `row` and `col` floats apart, as far as they lie in the image. */
static inline void w4_store(const float *m, int64_t point, vf bias, float *out, int64_t row,
                            int64_t col, int64_t height, int64_t width, int64_t lanes)
{
    vf y[4][4];
    w4_result(m, point, y);
    if (height >= 4 && width >= 4 && lanes >= V) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (int x = 0; x < 4; x++)
                vstore(out + i * row + x * col, vadd(y[i][x], bias));
        return;
    }
    for (int64_t i = 0; i < min_i64(height, 4); i++)
        for (int64_t x = 0; x < min_i64(width, 4); x++)
            vstore_n(out + i * row + x * col, vadd(y[i][x], bias), min_i64(lanes, V));
}

/* `count` pixels as vectors of channels to consecutive pixels of `lanes` planes. */
static void w4_put_planes(float *to, int64_t plane, int64_t lanes, const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i += V) {
        vf b[V];
        for (int64_t j = 0; j < V; j++)
            b[j] = vload(from + (i + j) * V);
        vtranspose(b);
        const int64_t n = count - i;
        if (n >= V && lanes >= V)
            for (int64_t j = 0; j < V; j++)
                vstore(to + j * plane + i, b[j]);
        else
            for (int64_t j = 0; j < min_i64(lanes, V); j++)
                vstore_n(to + j * plane + i, b[j], min_i64(n, V));
    }
}

/* The results of one vector of outputs, the v-th of its group, from m to the tensor. */
static void w4_finish(const struct w4_data *d, int64_t group, int64_t v, int64_t row, int64_t end,
                      const float *m, int64_t m_row)
{
    const struct w4_pass *s = &d->pass;
    const struct w4_tensor *t = &s->out;
    const int64_t c = group * s->outputs + v * V, plane = t->h * t->w;
    const int64_t channels = max_i64(min_i64(s->outputs - v * V, V), 0);
    vf bias = vzero();
    if (s->bias && channels)
        bias = vload_n(s->bias + c, channels);
    while (row < end) {
        const struct w4_part p = w4_part_at(&d->grid, row, end);
        const int64_t y0 = p.first * W4_TILE, rows = min_i64(p.count * W4_TILE, t->h - y0);
        float *out = d->rows;
        int64_t pitch = V, lanes = V;
        if (t->layout == NHWC) {
            out = t->data + (p.image * plane + y0 * t->w) * t->c + c;
            pitch = t->c;
            lanes = channels;
        } else if (t->layout == NCHW16C) {
            const int64_t block = p.image * div_up(t->c, 16) + c / 16;
            out = t->data + (block * plane + y0 * t->w) * 16 + c % 16;
            pitch = 16;
        }
        for (int64_t y = 0; y < p.count; y++)
            for (int64_t x = 0; x < d->grid.cols; x++, m += m_row)
                w4_store(m, d->m_point, bias, out + W4_TILE * (y * t->w + x) * pitch, t->w * pitch,
                         pitch, t->h - y0 - W4_TILE * y, t->w - W4_TILE * x, lanes);
        if (t->layout == NCHW)
            w4_put_planes(t->data + (p.image * t->c + c) * plane + y0 * t->w, plane, channels, out,
                          rows * t->w);
        row += p.count;
    }
}

/* One panel of outputs of one block: the 36 products and the results. */
static void w4_multiply(const struct w4_data *d, int64_t group, int64_t row, int64_t end,
                        int64_t panel)
{
    const int64_t inputs = d->pass.inputs, tiles = (end - row) * d->grid.cols;
    const int64_t start = w4_panel(d->vectors, d->panels, panel);
    const int64_t k = w4_panel(d->vectors, d->panels, panel + 1) - start;
    const int64_t rows = w4_rows(k), steps = div_up(inputs, W4_INPUTS);
    const float *u = w4_u(d, group, panel);
    w4_hot *hot = w4_hot_of(k);
    for (int64_t step = 0; step < steps; step++) {
        const int64_t c = inputs * step / steps, n = inputs * (step + 1) / steps - c;
        for (int64_t point = 0; point < W4_POINTS; point++)
            for (int64_t t = 0; t < tiles; t += rows)
                hot(d->m + point * d->m_point + t * k * V, k * V, step > 0,
                    d->v + point * d->point + t * d->pitch + c, d->pitch,
                    u + (point * inputs + c) * k * V, n);
    }
    for (int64_t j = 0; j < k; j++)
        w4_finish(d, group, start + j, row, end, d->m + j * V, k * V);
}

/* Tiles of the convolution: (group, block). */
static void w4_blocks(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct w4_data d = w4_plan(a->problem, a->formats, a->t, a->scratch, thread);
    const struct w4_pass *s = &d.pass;
    for (int64_t i = first; i < last; i++) {
        const int64_t group = i / d.grid.blocks, row = i % d.grid.blocks * d.grid.block;
        const int64_t end = min_i64(row + d.grid.block, d.grid.all),
                      tiles = (end - row) * d.grid.cols;
        for (int64_t c = 0; c < s->inputs; c += V)
            w4_spread(&d.grid, &s->in, row, end, group * s->inputs + c, min_i64(s->inputs - c, V),
                      W4_PATCH, s->pad_h, s->pad_w, d.window, d.v + c, d.pitch, d.point);
        /* The rest of the last register tile is multiplied too and not used: it should be numbers. */
        for (int64_t point = 0; point < W4_POINTS; point++)
            memset(d.v + point * d.point + tiles * d.pitch, 0,
                   (size_t)(W4_MAX_ROWS * d.pitch) * sizeof(float));
        for (int64_t panel = 0; panel < d.panels; panel++)
            w4_multiply(&d, group, row, end, panel);
    }
}

static void w4_run(const struct args *a)
{
    const struct w4_data d = w4_plan(a->problem, a->formats, a->t, a->scratch, 0);
    run_tiles(a, d.conv->g * d.vectors, w4_weights);
    run_tiles(a, d.conv->g * d.grid.blocks, w4_blocks);
}
