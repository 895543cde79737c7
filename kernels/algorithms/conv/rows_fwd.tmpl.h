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
#include "shared/partition.h"

/* Parameters: those of pixel_tile.tmpl.h. Rows of pixels may be shorter than a vector. */
static const bool TILE_NARROW = true;

#include "algorithms/conv/pixel_tile.tmpl.h"
#include "shared/floats.h"

/* Floats of the input rows of a strip: half of a 32 KiB L1. */
#define STRIP_FLOATS 4096
/* Beyond this a thread would spend its time packing weights that others pack too. */
#define MAX_INPUTS 32

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

static struct plan rows_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
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
    struct carver c = carve_from(a->scratch, thread);
    carve_own(&c, &d.packed, p->oc * d.steps, sizeof(float));
    carve_own(&c, &d.input, d.inputs * d.plane, sizeof(float));
    carve_own(&c, &d.to, most, sizeof *d.to);
    carve_own(&c, &d.at, most, sizeof *d.at);
    carve_own(&c, &d.step, d.steps, sizeof *d.step);
    d.bytes = carve_end(&c);
    return d;
}

static size_t rows_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return rows_plan(&a, h->threads - 1).bytes;
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
    static const float zeros[TILE_OUTPUTS];
    struct plan d = rows_plan(a, thread);
    const struct conv *p = d.conv;
    int64_t blocks = blocks_of(d.outputs), s = 0;
    for (int64_t i = 0; i < p->g * blocks; i++) {
        int64_t g = i / blocks, o = part_begin(d.outputs, blocks, i % blocks);
        pack_block(d.packed + (g * d.outputs + o) * d.steps,
                   a->t[WEIGHTS] + g * d.outputs * d.steps, d.outputs, d.inputs, p->kh * p->kw,
                   i % blocks, 0, d.inputs);
    }
    for (int64_t c = 0; c < d.inputs; c++)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++) {
                int64_t column = x * (p->dw + 1);
                d.step[s++] = c * d.plane + y * (p->dh + 1) * d.row + column % p->sw * d.column +
                              column / p->sw;
            }
    const int64_t plane = p->oh * p->ow;
    struct job j = {.step = d.step,
                    .steps = d.steps,
                    .vectors = TILE_VECTORS,
                    .n = min_i64(p->ow, V),
                    .out_pitch = plane};
    for (int64_t i = first; i < last; i++) {
        int64_t strip = i % d.strips, n = i / d.strips % p->mb, g = i / d.strips / p->mb;
        int64_t y0 = strip * d.strip, rows = min_i64(d.strip, p->oh - y0), count = 0;
        take_rows(&d, a->t[SRC] + (n * p->ic + g * d.inputs) * p->ih * p->iw, y0 * p->sh - p->ph);
        float *dst = a->t[DST] + (n * p->oc + g * d.outputs) * plane + y0 * p->ow;
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
            int64_t o = part_begin(d.outputs, blocks, b);
            int64_t k = part_begin(d.outputs, blocks, b + 1) - o;
            j.bias = a->t[BIAS] ? a->t[BIAS] + g * d.outputs + o : zeros;
            j.out = o * plane;
            j.w = d.packed + (g * d.outputs + o) * d.steps;
            /* Stores wait for lines that are not there yet. */
            struct lines soon = {.at = dst + (o + k) * plane,
                                 .images = 1,
                                 .planes = min_i64(k, d.outputs - o - k),
                                 .run = rows * p->ow,
                                 .plane = plane};
            for (int64_t v = 0; v < count; v += TILE_VECTORS) {
                j.at = d.at + v;
                j.to = d.to + v;
                hot_planes(k, &j);
                lines_fetch(&soon, v / TILE_VECTORS, div_up(count, TILE_VECTORS));
            }
        }
    }
}

static void rows_run(const struct args *a)
{
    struct plan d = rows_plan(a, 0);
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
