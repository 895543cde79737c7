/* Convolution forward with pixels in the lanes: for few input channels in nchw. Defines rows_fits(), rows_scratch()
 * and rows_run().
 *
 * direct_data.tmpl.h spends as long there on packing and transposing as on products; here dst is written from registers.
 * Limited by these stores, one vector for ic kh kw products, and by loads across lines: from the 147 products of a 7x7 stem on
 * direct_data.tmpl.h is faster. Strips follow from the problem alone: the same bits for any number of threads.
 *
 *   pack the weights, [block of outputs][ic, kh, kw][output]      each thread for itself: few channels, few weights
 *   for each strip of output rows of an image                     dealt to threads
 *     copy its input rows, zero padded, columns sorted by their remainder modulo the stride
 *     for each block of TILE_OUTPUTS outputs
 *       for each TILE_VECTORS vectors of pixels: the micro-kernel, from bias to dst
 *
 * A row that is no multiple of V ends in a vector that overlaps the one before: both compute the same bits. */
#include "algorithms/conv/rows.tmpl.h"

/* Floats of the input rows of a strip: half of a 32 KiB L1. */
#define STRIP_FLOATS 4096
/* Beyond this a thread would spend its time packing weights that others pack too. */
#define MAX_INPUTS 32

/* Bounds of a tile that unroll pragmas can repeat. */
#define MAX_OUTPUTS 8
#define MAX_VECTORS 4

struct plan {
    const struct conv *conv;
    int64_t inputs, outputs, steps; /* channels per group; inputs * kh * kw */
    int64_t strip, strips;          /* output rows of one, how many in an image */
    int64_t column, row, plane,
        rows;              /* of the copy: floats of one remainder, of a row, of a channel */
    int64_t vectors;       /* of an output row */
    float *packed, *input; /* scratch of a thread */
    float **to;
    const float **at;
    ptrdiff_t *step;
    size_t bytes;
};

static struct plan rows_plan(const struct problem *problem, void *scratch, int thread)
{
    const struct conv *p = &problem->conv;
    struct plan d = {.conv = p, .inputs = p->ic / p->g, .outputs = p->oc / p->g};
    d.steps = d.inputs * p->kh * p->kw;
    d.vectors = row_vectors(p->ow);
    int64_t high = (p->kh - 1) * (p->dh + 1) + 1, wide = (p->kw - 1) * (p->dw + 1);
    /* The last vector of a short row reads V pixels. */
    d.column = max_i64(p->ow, V) + wide / p->sw;
    d.row = d.column * p->sw;
    int64_t fit = STRIP_FLOATS / (d.inputs * d.row);
    d.strip = min_i64(max_i64((fit - high) / p->sh + 1, 2), p->oh);
    d.strips = div_up(p->oh, d.strip);
    d.strip = div_up(p->oh, d.strips);
    d.strips = div_up(p->oh, d.strip);
    d.rows = (d.strip - 1) * p->sh + high;
    d.plane = d.rows * d.row;

    int64_t most = d.strip * d.vectors + TILE_VECTORS;
    struct carver c = {.base = scratch};
    d.packed = carve(&c, p->oc * d.steps, sizeof(float));
    d.input = carve(&c, d.inputs * d.plane, sizeof(float));
    d.to = carve(&c, most, sizeof *d.to);
    d.at = carve(&c, most, sizeof *d.at);
    d.step = carve(&c, d.steps, sizeof *d.step);
    if (scratch) {
        size_t skip = (size_t)thread * c.used;
        d.packed += skip / sizeof(float);
        d.input += skip / sizeof(float);
        d.to += skip / sizeof *d.to;
        d.at += skip / sizeof *d.at;
        d.step += skip / sizeof *d.step;
    }
    d.bytes = c.used * (size_t)(thread + 1);
    return d;
}

static size_t rows_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    return rows_plan(p, NULL, h->threads - 1).bytes;
}

/* What a tile computes: k outputs of TILE_VECTORS vectors, each at[v] wide V and stored at to[v], n pixels of it. */
struct job {
    const float *const *at, *w, *bias;
    float *const *to;
    const ptrdiff_t *step;
    int64_t steps, plane, n; /* plane: floats from output to output */
};

static inline __attribute__((always_inline)) void tile(int k, const struct job *j)
{
    const float *pixel[MAX_VECTORS], *w = j->w;
    const ptrdiff_t *step = j->step, *end = step + j->steps;
    vf sum[MAX_OUTPUTS][MAX_VECTORS];
#pragma GCC unroll 8
    for (int o = 0; o < MAX_OUTPUTS; o++)
#pragma GCC unroll 4
        for (int v = 0; v < MAX_VECTORS; v++)
            if (o < k && v < TILE_VECTORS)
                sum[o][v] = vset1(j->bias[o]);
#pragma GCC unroll 4
    for (int v = 0; v < MAX_VECTORS; v++)
        pixel[v] = j->at[v < TILE_VECTORS ? v : 0];
    for (; step < end; step++) {
        vf x[MAX_VECTORS];
        ptrdiff_t s = *step;
#pragma GCC unroll 4
        for (int v = 0; v < MAX_VECTORS; v++)
            if (v < TILE_VECTORS)
                x[v] = vload(pixel[v] + s);
#pragma GCC unroll 8
        for (int o = 0; o < MAX_OUTPUTS; o++) {
            if (o >= k)
                break;
            vf b = vset1(w[o]);
#pragma GCC unroll 4
            for (int v = 0; v < MAX_VECTORS; v++)
                if (v < TILE_VECTORS)
                    sum[o][v] = vfma(b, x[v], sum[o][v]);
        }
        w += k;
    }
    int64_t n = j->n, plane = j->plane;
#pragma GCC unroll 4
    for (int v = 0; v < MAX_VECTORS; v++) {
        float *to = j->to[v < TILE_VECTORS ? v : 0];
#pragma GCC unroll 8
        for (int o = 0; o < MAX_OUTPUTS; o++) {
            if (o >= k || v >= TILE_VECTORS)
                break;
            if (n == V)
                vstore(to + o * plane, sum[o][v]);
            else
                vstore_n(to + o * plane, sum[o][v], n);
        }
    }
}

/* One function per number of outputs: 32 of them are 2 blocks of 6 and 4 of 5, and none computes what is not stored. */
static __attribute__((noinline)) void hot_rows_1(const struct job *j)
{
    tile(1, j);
}

static __attribute__((noinline)) void hot_rows_2(const struct job *j)
{
    tile(2, j);
}

static __attribute__((noinline)) void hot_rows_3(const struct job *j)
{
    tile(3, j);
}

static __attribute__((noinline)) void hot_rows_4(const struct job *j)
{
    tile(TILE_OUTPUTS < 4 ? 1 : 4, j);
}

static __attribute__((noinline)) void hot_rows_5(const struct job *j)
{
    tile(TILE_OUTPUTS < 5 ? 1 : 5, j);
}

static __attribute__((noinline)) void hot_rows_6(const struct job *j)
{
    tile(TILE_OUTPUTS < 6 ? 1 : 6, j);
}

static void (*const hot_rows[])(const struct job *j) = {hot_rows_1, hot_rows_2, hot_rows_3,
                                                        hot_rows_4, hot_rows_5, hot_rows_6};

static void pack_weights(const struct plan *d, const float *weights)
{
    int64_t blocks = div_up(d->outputs, TILE_OUTPUTS);
    float *to = d->packed;
    for (int64_t g = 0; g < d->conv->g; g++) {
        const float *group = weights + g * d->outputs * d->steps;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = part_begin(d->outputs, TILE_OUTPUTS, b);
            int64_t k = part_begin(d->outputs, TILE_OUTPUTS, b + 1) - first;
            for (int64_t i = 0; i < d->steps; i++)
                for (int64_t o = 0; o < k; o++)
                    *to++ = group[(first + o) * d->steps + i];
        }
    }
}

/* n floats from `from`, `stride` apart. */
static inline void take_row(float *to, const float *from, int64_t stride, int64_t n)
{
    int64_t i = 0;
    if (stride == 1) {
        for (; i + V <= n; i += V)
            vstore(to + i, vload(from + i));
        vstore_n(to + i, vload_n(from + i, n - i), n - i);
        return;
    }
    for (; i < n; i++)
        to[i] = from[i * stride];
}

static inline void put_zeros(float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        vstore_n(to + i, vzero(), min_i64(n - i, V));
}

/* Copies the rows of a strip that begins at input row y0. */
static void take_rows(const struct plan *d, const float *src, int64_t y0)
{
    const struct conv *p = d->conv;
    for (int64_t c = 0; c < d->inputs; c++) {
        for (int64_t r = 0; r < d->rows; r++) {
            float *to = d->input + c * d->plane + r * d->row;
            if (y0 + r < 0 || y0 + r >= p->ih) {
                put_zeros(to, d->row);
                continue;
            }
            const float *from = src + (c * p->ih + y0 + r) * p->iw;
            for (int64_t q = 0; q < p->sw; q++, to += d->column) {
                /* Element i is input column i sw + q - pw. */
                int64_t left = min_i64(max_i64(div_up(p->pw - q, p->sw), 0), d->column);
                int64_t end = min_i64(max_i64(div_up(p->iw + p->pw - q, p->sw), left), d->column);
                put_zeros(to, left);
                take_row(to + left, from + left * p->sw + q - p->pw, p->sw, end - left);
                put_zeros(to + end, d->column - end);
            }
        }
    }
}

/* Tiles: (group, image, strip). */
static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    static const float zeros[MAX_OUTPUTS];
    struct plan d = rows_plan(a->problem, a->scratch, thread);
    const struct conv *p = d.conv;
    int64_t blocks = div_up(d.outputs, TILE_OUTPUTS), s = 0;
    pack_weights(&d, a->t[WEIGHTS]);
    for (int64_t c = 0; c < d.inputs; c++)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++) {
                int64_t column = x * (p->dw + 1);
                d.step[s++] = c * d.plane + y * (p->dh + 1) * d.row + column % p->sw * d.column +
                              column / p->sw;
            }
    struct job j = {
        .step = d.step, .steps = d.steps, .plane = p->oh * p->ow, .n = min_i64(p->ow, V)};
    for (int64_t i = first; i < last; i++) {
        int64_t strip = i % d.strips, n = i / d.strips % p->mb, g = i / d.strips / p->mb;
        int64_t y0 = strip * d.strip, rows = min_i64(d.strip, p->oh - y0), count = 0;
        take_rows(&d, a->t[SRC] + (n * p->ic + g * d.inputs) * p->ih * p->iw, y0 * p->sh - p->ph);
        float *dst = a->t[DST] + (n * p->oc + g * d.outputs) * j.plane + y0 * p->ow;
        for (int64_t y = 0; y < rows; y++) {
            for (int64_t v = 0; v < d.vectors; v++, count++) {
                int64_t x = max_i64(min_i64(v * V, p->ow - V), 0);
                d.at[count] = d.input + y * p->sh * d.row + x;
                d.to[count] = dst + y * p->ow + x;
            }
        }
        for (int64_t v = 0; v < TILE_VECTORS; v++) { /* the last tile repeats the last vector */
            d.at[count + v] = d.at[count - 1];
            d.to[count + v] = d.to[count - 1];
        }
        for (int64_t b = 0; b < blocks; b++) {
            int64_t o = part_begin(d.outputs, TILE_OUTPUTS, b);
            int64_t k = part_begin(d.outputs, TILE_OUTPUTS, b + 1) - o;
            j.bias = a->t[BIAS] ? a->t[BIAS] + g * d.outputs + o : zeros;
            j.w = d.packed + (g * d.outputs + o) * d.steps;
            /* Stores wait for lines that are not there yet. */
            struct lines soon = {.at = dst + (o + k) * j.plane,
                                 .images = 1,
                                 .planes = min_i64(k, d.outputs - o - k),
                                 .run = rows * p->ow,
                                 .plane = j.plane};
            for (int64_t v = 0; v < count; v += TILE_VECTORS) {
                j.at = d.at + v;
                j.to = d.to + v;
                hot_rows[k - 1](&j);
                lines_fetch(&soon, v / TILE_VECTORS, div_up(count, TILE_VECTORS));
            }
            for (int64_t v = 0; v < count + TILE_VECTORS; v++)
                d.to[v] += k * j.plane;
        }
    }
}

static void rows_run(const struct args *a)
{
    struct plan d = rows_plan(a->problem, NULL, 0);
    run_tiles(a, d.conv->g * d.conv->mb * d.strips, convolve);
}

static const char *rows_fits(const struct problem *p, struct formats f)
{
    (void)f;
    return p->conv.ic / p->conv.g > MAX_INPUTS ? "more input channels than rows are meant for"
                                               : NULL;
}

#define ROWS_FWD                                                                                   \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .fits = rows_fits, .scratch_size = rows_scratch, .run = rows_run
