/* Gradient of weights and bias with pixels in the lanes: for few input channels in nchw. Defines rows_fits(),
 * rows_scratch() and rows_run().
 *
 * diff_weights[oc][ic, kh, kw] is a dot product over all output pixels. V pixels of a row at a time: diff_dst is read
 * where it lies, src from a copy in which each kw has rows of its own, shifted, strided and padded so that they match
 * those of diff_dst; kh is a distance in it. What is left in the lanes of a sum is added up once, at the end.
 *
 *   for each chunk of strips of output rows                        dealt to threads
 *     copy the input rows of the strip, once for each kw
 *     for each part of (ic, kh, kw), for each TILE_OUTPUTS of oc    the micro-kernel, adding to the chunk's sums
 *   add up the chunks in ascending order, then the lanes
 *
 * How many chunks there are follows from the problem alone, hence the same bits for any number of threads. */
#include "rows.tmpl.h"

/* Floats of the copy that stay in an L1 of 32 KiB beside 4 channels of diff_dst. Where fewer than STRIP_VECTORS vectors
 * of a channel would be left, loading and storing sums cost more than reading the copy from L2. */
#define COPY_FLOATS 5632
#define STRIP_VECTORS 28
/* Beyond this the sums, V floats a weight, no longer fit caches. */
#define MAX_INPUTS 32
/* Chunks that keep a large machine busy; a number that many team sizes divide. */
#define CHUNKS 32
/* Bytes of sums that may be added up at the end. */
#define SUMS_BYTES (8 << 20)

/* Bounds of a tile that unroll pragmas can repeat. */
#define MAX_TAPS 6
#define MAX_OUTPUTS 4

struct plan {
    const struct conv *conv;
    int64_t inputs, outputs, taps; /* channels per group; (ic, kh, kw) */
    int64_t parts, blocks;         /* of taps, of outputs */
    int64_t strip, strips, chunks;
    int64_t pitch, rows, copy; /* of the copy: floats of a row, rows and floats of one (ic, kw) */
    float *sums,
        *bias; /* scratch, shared: [chunk][group][oc][tap][V], blocked as tiles are; [chunk][oc][V] */
    float *input, *gradient; /* scratch of a thread; gradient: NULL where rows are multiples of V */
    ptrdiff_t *tap;          /* where the copy for each tap begins */
    int64_t *part, *block;   /* where each begins */
    size_t bytes;
};

static struct plan rows_plan(const struct problem *problem, void *scratch, int thread)
{
    const struct conv *p = &problem->conv;
    struct plan d = {.conv = p, .inputs = p->ic / p->g, .outputs = p->oc / p->g};
    d.taps = d.inputs * p->kh * p->kw;
    d.parts = div_up(d.taps, TILE_TAPS);
    d.blocks = div_up(d.outputs, TILE_OUTPUTS);
    d.pitch = row_vectors(p->ow) * V;
    int64_t high = (p->kh - 1) * (p->dh + 1) + 1;
    int64_t fit = (COPY_FLOATS / (d.inputs * p->kw * d.pitch) - high) / p->sh + 1;
    d.strip = min_i64(max_i64(fit, div_up(STRIP_VECTORS * V, d.pitch)), p->oh);
    d.strips = div_up(p->oh, d.strip);
    d.strip = div_up(p->oh, d.strips);
    d.strips = div_up(p->oh, d.strip);
    d.rows = (d.strip - 1) * p->sh + high;
    d.copy = d.rows * d.pitch;
    int64_t size = p->oc * d.taps * V, all = p->mb * d.strips;
    d.chunks = min_i64(min_i64(SUMS_BYTES / (size * 4), all / 2), CHUNKS);
    d.chunks = d.chunks >= 4 ? d.chunks / 4 * 4 : min_i64(all, 4);

    struct carver c = {.base = scratch};
    d.sums = carve(&c, d.chunks * size, sizeof(float));
    d.bias = carve(&c, d.chunks * p->oc * V, sizeof(float));
    size_t shared = c.used;
    d.input = carve(&c, d.inputs * p->kw * d.copy, sizeof(float));
    bool whole = p->ow % V == 0;
    d.gradient = carve(&c, whole ? 0 : d.outputs * d.strip * d.pitch, sizeof(float));
    d.tap = carve(&c, d.taps, sizeof *d.tap);
    d.part = carve(&c, d.parts + 1, sizeof *d.part);
    d.block = carve(&c, d.blocks + 1, sizeof *d.block);
    size_t own = c.used - shared;
    if (scratch) {
        d.input += (size_t)thread * own / sizeof(float);
        d.gradient = whole ? NULL : d.gradient + (size_t)thread * own / sizeof(float);
        d.tap += (size_t)thread * own / sizeof *d.tap;
        d.part += (size_t)thread * own / sizeof *d.part;
        d.block += (size_t)thread * own / sizeof *d.block;
    }
    d.bytes = shared + own * (size_t)(thread + 1);
    return d;
}

static size_t rows_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    return rows_plan(p, NULL, h->threads - 1).bytes;
}

static const char *rows_fits(const struct problem *p, struct formats f)
{
    (void)f;
    return p->conv.ic / p->conv.g > MAX_INPUTS ? "more input channels than rows are meant for"
                                               : NULL;
}

/* What a tile computes: `taps` rows of the copy against some planes of diff_dst. */
struct job {
    const float *x[MAX_TAPS], *dy;
    int64_t taps, plane;      /* plane: floats from output to output */
    int64_t rows, width, row; /* of diff_dst; row: floats from row to row of the copy */
    float *sums;
    bool fresh;
};

static inline __attribute__((always_inline)) void tile(int k, int outputs, const struct job *j)
{
    const float *x[MAX_TAPS], *from[MAX_OUTPUTS];
    vf sum[MAX_TAPS][MAX_OUTPUTS], dy[MAX_OUTPUTS];
#pragma GCC unroll 4
    for (int o = 0; o < MAX_OUTPUTS; o++)
        from[o] = j->dy + (o < outputs ? o : 0) * j->plane;
#pragma GCC unroll 6
    for (int t = 0; t < MAX_TAPS; t++) {
        x[t] = j->x[t < k ? t : 0];
#pragma GCC unroll 4
        for (int o = 0; o < MAX_OUTPUTS; o++)
            if (t < k && o < outputs)
                sum[t][o] = j->fresh ? vzero() : vload(j->sums + (t * outputs + o) * V);
    }
    int64_t at = 0, i = 0; /* where rows of the copy and of diff_dst begin */
    for (int64_t r = 0; r < j->rows; r++, at += j->row) {
        int64_t shift = at - i;
        for (int64_t end = i + j->width; i < end; i += V) {
#pragma GCC unroll 4
            for (int o = 0; o < MAX_OUTPUTS; o++)
                if (o < outputs)
                    dy[o] = vload(from[o] + i);
#pragma GCC unroll 6
            for (int t = 0; t < MAX_TAPS; t++) {
                if (t >= k)
                    break;
                vf a = vload(x[t] + i + shift);
#pragma GCC unroll 4
                for (int o = 0; o < MAX_OUTPUTS; o++)
                    if (o < outputs)
                        sum[t][o] = vfma(a, dy[o], sum[t][o]);
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < MAX_TAPS; t++)
#pragma GCC unroll 4
        for (int o = 0; o < MAX_OUTPUTS; o++)
            if (t < k && o < outputs)
                vstore(j->sums + (t * outputs + o) * V, sum[t][o]);
}

/* One function per number of outputs, with a loop for each number of taps: neither 27 taps nor 6 maps are padded. */
static __attribute__((noinline)) void hot_rows_1(const struct job *j)
{
    switch (j->taps) {
    case 1: tile(1, 1, j); break;
    case 2: tile(2, 1, j); break;
    case 3: tile(3, 1, j); break;
    case 4: tile(TILE_TAPS < 4 ? 1 : 4, 1, j); break;
    case 5: tile(TILE_TAPS < 5 ? 1 : 5, 1, j); break;
    case 6: tile(TILE_TAPS < 6 ? 1 : 6, 1, j); break;
    }
}

static __attribute__((noinline)) void hot_rows_2(const struct job *j)
{
    switch (j->taps) {
    case 1: tile(1, 2, j); break;
    case 2: tile(2, 2, j); break;
    case 3: tile(3, 2, j); break;
    case 4: tile(TILE_TAPS < 4 ? 1 : 4, 2, j); break;
    case 5: tile(TILE_TAPS < 5 ? 1 : 5, 2, j); break;
    case 6: tile(TILE_TAPS < 6 ? 1 : 6, 2, j); break;
    }
}

static __attribute__((noinline)) void hot_rows_3(const struct job *j)
{
    switch (j->taps) {
    case 1: tile(1, 3, j); break;
    case 2: tile(2, 3, j); break;
    case 3: tile(3, 3, j); break;
    case 4: tile(TILE_TAPS < 4 ? 1 : 4, 3, j); break;
    case 5: tile(TILE_TAPS < 5 ? 1 : 5, 3, j); break;
    case 6: tile(TILE_TAPS < 6 ? 1 : 6, 3, j); break;
    }
}

static __attribute__((noinline)) void hot_rows_4(const struct job *j)
{
    switch (j->taps) {
    case 1: tile(1, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    case 2: tile(2, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    case 3: tile(3, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    case 4: tile(TILE_TAPS < 4 ? 1 : 4, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    case 5: tile(TILE_TAPS < 5 ? 1 : 5, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    case 6: tile(TILE_TAPS < 6 ? 1 : 6, TILE_OUTPUTS < 4 ? 1 : 4, j); break;
    }
}

static void (*const hot_rows[])(const struct job *j) = {hot_rows_1, hot_rows_2, hot_rows_3,
                                                        hot_rows_4};

static inline void put_zeros(float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        vstore_n(to + i, vzero(), min_i64(n - i, V));
}

/* Copies the rows of a strip that begins at input row y0: row r of (ic, kw) holds, for each output column x, the
 * input column it meets. */
static void take_rows(const struct plan *d, const float *src, int64_t y0)
{
    const struct conv *p = d->conv;
    for (int64_t i = 0; i < d->inputs * p->kw; i++) {
        int64_t c = i / p->kw, shift = i % p->kw * (p->dw + 1) - p->pw;
        int64_t left = min_i64(max_i64(div_up(-shift, p->sw), 0), p->ow);
        int64_t end = min_i64(max_i64(div_up(p->iw - shift, p->sw), left), p->ow);
        for (int64_t r = 0; r < d->rows; r++) {
            float *to = d->input + i * d->copy + r * d->pitch;
            if (y0 + r < 0 || y0 + r >= p->ih) {
                put_zeros(to, d->pitch);
                continue;
            }
            const float *from = src + (c * p->ih + y0 + r) * p->iw + shift;
            int64_t x = left;
            put_zeros(to, left);
            if (p->sw == 1) {
                for (; x + V <= end; x += V)
                    vstore(to + x, vload(from + x));
                vstore_n(to + x, vload_n(from + x, end - x), end - x);
            }
            for (x = p->sw == 1 ? end : left; x < end; x++)
                to[x] = from[x * p->sw];
            put_zeros(to + end, d->pitch - end);
        }
    }
}

/* Adds the sum of each of some planes, lane by lane. */
static void sum_planes(float *to, const float *dy, int64_t outputs, int64_t plane, int64_t n,
                       bool fresh)
{
    for (int64_t o = 0; o < outputs; o++, dy += plane) {
        vf a = fresh ? vzero() : vload(to + o * V), b = vzero();
        int64_t i = 0;
        for (; i + 2 * V <= n; i += 2 * V) {
            a = vadd(a, vload(dy + i));
            b = vadd(b, vload(dy + i + V));
        }
        for (; i < n; i += V)
            a = vadd(a, vload_n(dy + i, min_i64(n - i, V)));
        vstore(to + o * V, vadd(a, b));
    }
}

/* Copies rows of diff_dst that are no multiple of V, with zeros up to the next one: masks in the micro-kernel would cost
 * each tile what this costs once. */
static void take_gradient(const struct plan *d, const float *dy, int64_t rows)
{
    const struct conv *p = d->conv;
    for (int64_t o = 0; o < d->outputs; o++) {
        for (int64_t r = 0; r < rows; r++) {
            const float *from = dy + (o * p->oh + r) * p->ow;
            float *to = d->gradient + (o * d->strip + r) * d->pitch;
            int64_t x = 0;
            for (; x + V <= p->ow; x += V)
                vstore(to + x, vload(from + x));
            vstore(to + x, vload_n(from + x, p->ow - x));
        }
    }
}

/* One strip of one group: all its products. Meanwhile what is needed `soon` is fetched. */
static void accumulate_strip(const struct plan *d, const float *dy, int64_t rows, float *sums,
                             bool fresh, const struct lines *soon)
{
    const struct conv *p = d->conv;
    struct job j = {.plane = p->oh * p->ow,
                    .rows = rows,
                    .width = p->ow,
                    .row = p->sh * d->pitch,
                    .fresh = fresh};
    if (d->gradient) {
        take_gradient(d, dy, rows);
        dy = d->gradient;
        j.plane = d->strip * d->pitch;
        j.width = d->pitch;
    }
    if (p->sh == 1) { /* one long run */
        j.width *= rows;
        j.rows = 1;
    }
    int64_t tiles = d->parts * d->blocks;
    /* What fits L1 is the inner loop's: all of the copy, or the rows of diff_dst of a few outputs. */
    bool small = d->inputs * p->kw * d->copy <= COPY_FLOATS;
    for (int64_t i = 0, part = 0, b = 0; i < tiles; i++) {
        int64_t t0 = d->part[part], o = d->block[b], k = d->block[b + 1] - o;
        j.taps = d->part[part + 1] - t0;
        for (int64_t t = 0; t < j.taps; t++)
            j.x[t] = d->input + d->tap[t0 + t];
        j.dy = dy + o * j.plane;
        j.sums = sums + (o * d->taps + t0 * k) * V;
        hot_rows[k - 1](&j);
        lines_fetch(soon, i, tiles);
        if (small && ++part == d->parts) {
            part = 0;
            b++;
        } else if (!small && ++b == d->blocks) {
            b = 0;
            part++;
        }
    }
}

static void fill_tables(const struct plan *d)
{
    const struct conv *p = d->conv;
    int64_t i = 0;
    for (int64_t c = 0; c < d->inputs; c++)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++)
                d->tap[i++] = (c * p->kw + x) * d->copy + y * (p->dh + 1) * d->pitch;
    for (i = 0; i <= d->parts; i++)
        d->part[i] = part_begin(d->taps, TILE_TAPS, i);
    for (i = 0; i <= d->blocks; i++)
        d->block[i] = part_begin(d->outputs, TILE_OUTPUTS, i);
}

/* Tiles: chunks. */
static void accumulate(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = rows_plan(a->problem, a->scratch, thread);
    const struct conv *p = d.conv;
    int64_t all = p->mb * d.strips, plane = p->oh * p->ow;
    fill_tables(&d);
    for (int64_t chunk = first; chunk < last; chunk++) {
        int64_t begin = all * chunk / d.chunks, end = all * (chunk + 1) / d.chunks;
        for (int64_t i = begin; i < end; i++) {
            int64_t n = i / d.strips, y0 = i % d.strips * d.strip;
            int64_t rows = min_i64(d.strip, p->oh - y0);
            for (int64_t g = 0; g < p->g; g++) {
                int64_t oc = g * d.outputs;
                const float *dy = a->t[DIFF_DST] + (n * p->oc + oc) * plane + y0 * p->ow;
                int64_t next = min_i64(i + 1, end - 1), y1 = next % d.strips * d.strip;
                struct lines soon = {.at = a->t[DIFF_DST] + (next / d.strips * p->oc + oc) * plane +
                                           y1 * p->ow,
                                     .images = 1,
                                     .planes = d.outputs,
                                     .run = min_i64(d.strip, p->oh - y1) * p->ow,
                                     .plane = plane};
                take_rows(&d, a->t[SRC] + (n * p->ic + g * d.inputs) * p->ih * p->iw,
                          y0 * p->sh - p->ph);
                accumulate_strip(&d, dy, rows, d.sums + (chunk * p->oc + oc) * d.taps * V,
                                 i == begin, &soon);
                sum_planes(d.bias + (chunk * p->oc + oc) * V, dy, d.outputs, plane, rows * p->ow,
                           i == begin);
            }
        }
    }
}

/* Adds up the lanes of n vectors over the chunks, `pitch` apart, to to[0 .. n). */
static void sum_lanes(float *to, const float *sums, int64_t pitch, int64_t chunks, int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        vf b[V], s = vzero();
        for (int64_t l = 0; l < V; l++) {
            b[l] = vzero();
            for (int64_t c = 0; i + l < n && c < chunks; c++)
                b[l] = vadd(b[l], vload(sums + (i + l) * V + c * pitch));
        }
        vtranspose(b);
        for (int64_t l = 0; l < V; l++)
            s = vadd(s, b[l]);
        vstore_n(to + i, s, min_i64(n - i, V));
    }
}

/* Tiles of the end: (group, block of outputs). */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = rows_plan(a->problem, a->scratch, thread);
    const struct conv *p = d.conv;
    for (int64_t i = first; i < last; i++) {
        int64_t g = i / d.blocks, b = i % d.blocks, o = part_begin(d.outputs, TILE_OUTPUTS, b);
        int64_t k = part_begin(d.outputs, TILE_OUTPUTS, b + 1) - o, oc = g * d.outputs + o;
        for (int64_t part = 0; part < d.parts; part++) {
            float sum[MAX_TAPS * MAX_OUTPUTS];
            int64_t t0 = part_begin(d.taps, TILE_TAPS, part);
            int64_t taps = part_begin(d.taps, TILE_TAPS, part + 1) - t0;
            sum_lanes(sum, d.sums + (oc * d.taps + t0 * k) * V, p->oc * d.taps * V, d.chunks,
                      taps * k);
            for (int64_t t = 0; t < taps; t++)
                for (int64_t n = 0; n < k; n++)
                    a->t[DIFF_WEIGHTS][(oc + n) * d.taps + t0 + t] = sum[t * k + n];
        }
        if (a->t[DIFF_BIAS])
            sum_lanes(a->t[DIFF_BIAS] + oc, d.bias + oc * V, p->oc * V, d.chunks, k);
    }
}

static void rows_run(const struct args *a)
{
    struct plan d = rows_plan(a->problem, NULL, 0);
    run_tiles_twice(a, d.chunks, accumulate, d.conv->g * d.blocks, finish);
}
