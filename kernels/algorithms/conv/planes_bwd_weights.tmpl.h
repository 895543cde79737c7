/* Gradient of the weights and of the bias with pixels in the lanes, plain nchw. Defines planes_fits(), planes_scratch()
 * and planes_run().
 *
 * diff_weights[oc][ic, kh, kw] is a dot product over all output pixels. src is copied into planes, one for each kw (and
 * each remainder of a tap's row modulo the vertical stride). They are shifted, strided and padded, so that pixel p of
 * diff_dst is multiplied by plane[p + row of the tap * ow]. So no vector ends at the end of a row, whatever the width of
 * the image. diff_dst is copied, one tile's outputs at a time, to [pixels / V][output][V] with zeros beyond the last
 * pixel; the bias is summed during the copy. At the end of a tile the lanes of its sums are added up: 24 floats to keep
 * instead of 24 vectors.
 *
 * With few inputs direct_bwd_weights.tmpl.h spends as long on transposing diff_dst as on products; here it is only copied.
 * Limited by the copies, by adding up the lanes once an image, and with many outputs by reading diff_dst.
 *
 *   for each (chunk of units of pixels, group, block of ic)            dealt to threads
 *     for each unit of the chunk
 *       for each block of outputs
 *         copy diff_dst
 *         for each part of (ic, kw, kh): with the first block, copy its planes; the micro-kernel, adding to sums
 *   add up the chunks in ascending order
 *
 * A unit is some images or a strip of rows. Units and chunks follow from the problem alone, so the bits are the same for
 * any number of threads. */
#include "shared/carve.h"
#include "shared/floats.h"
#include "shared/partition.h"
#include "vec/vec.h"

/* Parameters:
 *
 *   TILE_SUMS    1 to 32    vectors of sums of a tile, which stay in registers */
_Static_assert(TILE_SUMS >= 1 && TILE_SUMS <= 32, "tile() unrolls the end of up to 32 sums");

/* Bounds of a tile that unroll pragmas can repeat. */
#define MAX_TAPS 6
#define MAX_OUTPUTS 6
/* Floats for the sums of a tile: whole vectors and whole lines. */
#define SLOT ((TILE_SUMS + 15) / 16 * 16)

/* Floats of a unit's diff_dst, for one block of outputs: what stays in an L1 of 32 KiB beside the planes that pass. */
#define UNIT_FLOATS 6144
/* Sums of a task: those of all its tiles stay in L2. */
#define TASK_SUMS 32768
/* Pixels a chunk must have to pay for adding up its sums. */
#define CHUNK_PIXELS 3072
/* Chunks that keep a small team busy, and those that keep a large one busy: numbers that many team sizes divide. */
#define CHUNKS_MIN 4
#define CHUNKS_MAX 64
/* Bytes of sums that may be added up at the end. */
#define SUMS_BYTES (8 << 20)

struct tap {
    int64_t at;     /* where it begins in the planes of an image */
    int32_t plane;  /* number of its plane */
    int32_t weight; /* (ic, kh, kw) as one number */
};

struct plan {
    const struct conv *conv;
    int64_t inputs, outputs, taps;     /* channels per group; (ic, kh, kw) of a block of ic */
    int64_t input_block, input_blocks; /* the last block may be smaller */
    int64_t tile_outputs, blocks;      /* of outputs */
    int64_t tile_taps;
    int64_t images, groups_of_images; /* units: so many images at most, or strips of one */
    int64_t rows, strips;
    int64_t units, chunks;
    int64_t phases, plane_rows, plane, image; /* floats of a plane, of all planes of an image */
    int64_t pixels;                           /* of a unit, each image rounded up to V */
    int64_t slots;                            /* of a chunk, one for each tile: SLOT floats */
    float *sums, *bias;                       /* scratch, shared: [chunk][slot], [chunk][oc] */
    float *bias_lanes, *planes, *gradient;    /* scratch of a thread */
    struct tap *tap;
    size_t bytes;
};

/* Floats from chunk to chunk of the bias: lines of its own for each. */
static inline int64_t bias_pitch(const struct plan *d)
{
    return div_up(d->conv->oc, 16) * 16;
}

static inline int64_t tile_taps_of(int64_t outputs)
{
    return min_i64(TILE_SUMS / outputs, MAX_TAPS);
}

/* The outputs of a tile that cost the fewest loads. A vector of planes counts two: it seldom lies within one line. */
static int64_t tile_outputs_of(int64_t outputs, int64_t taps)
{
    int64_t best = 1, least = INT64_MAX;
    for (int64_t k = min_i64(outputs, min_i64(MAX_OUTPUTS, TILE_SUMS)); k > 0; k--) {
        int64_t cost = outputs * div_up(taps, tile_taps_of(k)) + 2 * taps * div_up(outputs, k);
        if (cost < least) {
            least = cost;
            best = k;
        }
    }
    return best;
}

static struct plan planes_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {.conv = p, .inputs = p->ic / p->g, .outputs = p->oc / p->g};
    const int64_t kernel = p->kh * p->kw, high = (p->kh - 1) * (p->dh + 1);
    d.input_blocks = div_up(d.inputs, max_i64(TASK_SUMS / (d.outputs * kernel), 1));
    d.input_block = div_up(d.inputs, d.input_blocks);
    d.input_blocks = div_up(d.inputs, d.input_block);
    d.taps = d.input_block * kernel;
    d.tile_outputs = tile_outputs_of(d.outputs, d.taps);
    d.tile_taps = tile_taps_of(d.tile_outputs);
    d.blocks = div_up(d.outputs, d.tile_outputs);

    const int64_t most = UNIT_FLOATS / d.tile_outputs, whole = div_up(p->oh * p->ow, V) * V;
    const int64_t least = d.input_blocks * p->g >= CHUNKS_MIN ? 1 : CHUNKS_MIN;
    if (p->mb >= least && whole <= most) {
        d.rows = p->oh;
        d.strips = 1;
        d.groups_of_images = max_i64(div_up(p->mb, most / whole), least);
        d.groups_of_images = min_i64(div_up(d.groups_of_images, 4) * 4, p->mb);
        d.images = div_up(p->mb, d.groups_of_images);
    } else {
        d.images = 1;
        d.groups_of_images = p->mb;
        d.strips = max_i64(div_up(p->oh, max_i64(most / p->ow, 1)), div_up(least, p->mb));
        d.rows = div_up(p->oh, min_i64(d.strips, p->oh));
        d.strips = div_up(p->oh, d.rows);
    }
    d.units = d.groups_of_images * d.strips;
    d.pixels = d.images * div_up(d.rows * p->ow, V) * V;
    d.slots = p->g * d.input_blocks * d.blocks * div_up(d.taps, d.tile_taps);
    d.chunks = min_i64(p->mb * p->oh * p->ow / CHUNK_PIXELS, CHUNKS_MAX);
    d.chunks = min_i64(max_i64(d.chunks / 4 * 4, least), d.units);
    d.chunks = max_i64(min_i64(d.chunks, SUMS_BYTES / 4 / (d.slots * SLOT)), 1);

    d.phases = min_i64(p->sh, high + 1);
    d.plane_rows = d.rows + high / p->sh;
    /* An odd number of cache lines, so that planes spread over all sets; and what whole vectors run over. */
    d.plane = (div_up(d.plane_rows * p->ow + 2 * V, 16) | 1) * 16;
    d.image = d.input_block * d.phases * p->kw * d.plane;

    struct carver c = carve_from(a->scratch, thread);
    d.sums = carve(&c, d.chunks * d.slots * SLOT, sizeof(float));
    d.bias = carve(&c, d.chunks * bias_pitch(&d), sizeof(float));
    carve_own(&c, &d.bias_lanes, d.outputs * V, sizeof(float));
    carve_own(&c, &d.planes, d.images * d.image, sizeof(float));
    carve_own(&c, &d.gradient, d.tile_outputs * d.pixels, sizeof(float));
    carve_own(&c, &d.tap, d.taps, sizeof *d.tap);
    d.bytes = carve_end(&c);
    return d;
}

static size_t planes_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return planes_plan(&a, h->threads - 1).bytes;
}

/* What a tile computes: some taps against a block of outputs. */
struct job {
    const float *x[MAX_TAPS], *dy;
    int64_t images, pixels,
        image; /* pixels of an image, a multiple of V; floats to the next one's planes */
    int64_t taps;
    float *sums;
    bool fresh;
    const float *soon;  /* a plane that is copied next: */
    int64_t soon_image; /* floats from image to image */
};

static inline __attribute__((always_inline)) void tile(int taps, int outputs, const struct job *j)
{
    const float *x[MAX_TAPS], *dy = j->dy, *soon = j->soon;
    vf sum[MAX_OUTPUTS][MAX_TAPS], a[MAX_TAPS];
#pragma GCC unroll 6
    for (int o = 0; o < MAX_OUTPUTS; o++)
#pragma GCC unroll 6
        for (int t = 0; t < MAX_TAPS; t++)
            if (t < taps && o < outputs)
                sum[o][t] = vzero();
#pragma GCC unroll 6
    for (int t = 0; t < MAX_TAPS; t++)
        x[t] = j->x[t < taps ? t : 0];
    int64_t i = 0;
    for (int64_t n = j->images; n > 0;
         n--, i += j->image - j->pixels, soon += j->soon_image - j->pixels) {
        for (int64_t end = i + j->pixels; i < end; i += V, dy += outputs * V, soon += V) {
            __builtin_prefetch(soon, 0, 2);
#pragma GCC unroll 6
            for (int t = 0; t < MAX_TAPS; t++)
                if (t < taps)
                    a[t] = vload(x[t] + i);
#pragma GCC unroll 6
            for (int o = 0; o < MAX_OUTPUTS; o++) {
                if (o >= outputs)
                    break;
                vf b = vload(dy + o * V);
#pragma GCC unroll 6
                for (int t = 0; t < MAX_TAPS; t++)
                    if (t < taps)
                        sum[o][t] = vfma(a[t], b, sum[o][t]);
            }
        }
    }
    vf all[SLOT];
#pragma GCC unroll 32
    for (int n = 0; n < SLOT; n++)
        all[n] = n < taps * outputs ? sum[n / taps][n % taps] : vzero();
#pragma GCC unroll 6
    for (int n = 0; n < SLOT; n += V) {
        if (n >= taps * outputs)
            break;
        vf s = vsum_each(all + n);
        if (!j->fresh)
            s = vadd(s, vload(j->sums + n));
        vstore(j->sums + n, s);
    }
}

/* The tiles of more sums than TILE_SUMS are not compiled. */
static inline __attribute__((always_inline)) void tile_size(int taps, int outputs,
                                                            const struct job *j)
{
    if (taps * outputs <= TILE_SUMS)
        tile(taps, outputs, j);
}

static inline __attribute__((always_inline)) void tile_taps(int outputs, const struct job *j)
{
    switch (j->taps) {
    case 1: tile_size(1, outputs, j); break;
    case 2: tile_size(2, outputs, j); break;
    case 3: tile_size(3, outputs, j); break;
    case 4: tile_size(4, outputs, j); break;
    case 5: tile_size(5, outputs, j); break;
    default: tile_size(6, outputs, j);
    }
}

/* With a loop for each number of outputs and taps: neither 27 taps nor 6 maps are padded. */
static __attribute__((noinline)) void hot_planes(int64_t outputs, const struct job *j)
{
    switch (outputs) {
    case 1: tile_taps(1, j); break;
    case 2: tile_taps(2, j); break;
    case 3: tile_taps(3, j); break;
    case 4: tile_taps(4, j); break;
    case 5: tile_taps(5, j); break;
    default: tile_taps(6, j);
    }
}

/* A unit: images n0 .. n0 + images, output rows y0 .. y0 + rows. */
struct unit {
    int64_t n0, images, y0, rows;
};

static struct unit unit_of(const struct plan *d, int64_t i)
{
    const int64_t group = i / d->strips;
    struct unit u = {.n0 = part_begin(d->conv->mb, d->groups_of_images, group),
                     .y0 = i % d->strips * d->rows};
    u.images = part_begin(d->conv->mb, d->groups_of_images, group + 1) - u.n0;
    u.rows = min_i64(d->rows, d->conv->oh - u.y0);
    return u;
}

/* Plane number i of the images of a unit: row r holds, for each output column x, input column x * sw + shift of input
 * row y0 + r * sh. Written in ascending order, so that whole vectors may run over into what comes next. */
static void take_plane(const struct plan *d, const float *src, const struct unit *u, int64_t i)
{
    const struct conv *p = d->conv;
    const int64_t kw = i % p->kw, phase = i / p->kw % d->phases, c = i / p->kw / d->phases;
    const int64_t y0 = u->y0 * p->sh + phase - p->ph, shift = kw * (p->dw + 1) - p->pw;
    const int64_t left = min_i64(max_i64(div_up(-shift, p->sw), 0), p->ow);
    const int64_t end = min_i64(max_i64(div_up(p->iw - shift, p->sw), left), p->ow);
    const int64_t top = min_i64(max_i64(div_up(-y0, p->sh), 0), d->plane_rows);
    const int64_t bottom = min_i64(max_i64(div_up(p->ih - y0, p->sh), top), d->plane_rows);
    const int64_t margin = left + p->ow - end, rows = end > left ? bottom - top : 0;
    for (int64_t n = 0; n < u->images; n++) {
        float *to = d->planes + n * d->image + i * d->plane;
        const float *from = src + ((u->n0 + n) * p->ic + c) * p->ih * p->iw +
                            (y0 + top * p->sh) * p->iw + left * p->sw + shift;
        if (rows == 0) {
            put_zeros_over(to, d->plane_rows * p->ow + V);
            continue;
        }
        put_zeros_over(to, top * p->ow + left);
        to += top * p->ow + left;
        if (p->sw == 1 && p->sh == 1 &&
            p->iw == p->ow) { /* in one piece, then what wrapped around is cleared */
            const int64_t count = rows * p->ow - margin;
            put_floats_over(to, from, count, count);
            for (int64_t r = 1; r < rows; r++)
                for (int64_t x = 0; x < margin; x++)
                    to[r * p->ow - margin + x] = 0;
            to += count;
        } else {
            for (int64_t r = 0; r < rows; r++, to += p->ow, from += p->sh * p->iw) {
                if (p->sw == 1)
                    put_floats_over(to, from, end - left, end - left);
                else
                    for (int64_t x = 0; x < end - left; x++)
                        to[x] = from[x * p->sw];
                put_zeros_over(to + end - left, margin);
            }
            to -= margin;
        }
        put_zeros_over(to, p->ow - end + (d->plane_rows - bottom) * p->ow + V);
    }
}

/* diff_dst of a unit, k outputs, to [pixels / V][k][V]; their sums are added to `bias`, lane by lane. */
static inline __attribute__((always_inline)) void
take_outputs(int k, const struct plan *d, const float *from, const struct unit *u, float *bias)
{
    const int64_t plane = d->conv->oh * d->conv->ow, pixels = u->rows * d->conv->ow;
    float *to = d->gradient;
    vf s[MAX_OUTPUTS];
#pragma GCC unroll 6
    for (int o = 0; o < MAX_OUTPUTS; o++)
        if (o < k)
            s[o] = vload(bias + o * V);
    for (int64_t n = 0; n < u->images; n++, from += d->conv->oc * plane) {
        int64_t i = 0;
        for (; i + V <= pixels; i += V, to += k * V) {
#pragma GCC unroll 6
            for (int o = 0; o < MAX_OUTPUTS; o++)
                if (o < k) {
                    vf a = vload(from + o * plane + i);
                    vstore(to + o * V, a);
                    s[o] = vadd(s[o], a);
                }
        }
        if (i < pixels) {
#pragma GCC unroll 6
            for (int o = 0; o < MAX_OUTPUTS; o++)
                if (o < k) {
                    vf a = vload_n(from + o * plane + i, pixels - i);
                    vstore(to + o * V, a);
                    s[o] = vadd(s[o], a);
                }
            to += k * V;
        }
    }
#pragma GCC unroll 6
    for (int o = 0; o < MAX_OUTPUTS; o++)
        if (o < k)
            vstore(bias + o * V, s[o]);
}

static void take_gradient(int64_t k, const struct plan *d, const float *from, const struct unit *u,
                          float *bias)
{
    switch (k) {
    case 1: take_outputs(1, d, from, u, bias); break;
    case 2: take_outputs(2, d, from, u, bias); break;
    case 3: take_outputs(3, d, from, u, bias); break;
    case 4: take_outputs(4, d, from, u, bias); break;
    case 5: take_outputs(5, d, from, u, bias); break;
    case 6: take_outputs(6, d, from, u, bias); break;
    }
}

/* All products of a unit with `taps` taps of group g; src begins with their channels. */
static void accumulate_unit(const struct plan *d, const float *src, const float *diff_dst,
                            const struct unit *u, const struct unit *next, int64_t g, int64_t taps,
                            float *sums, bool fresh)
{
    const struct conv *p = d->conv;
    const int64_t parts = div_up(taps, d->tile_taps), plane = p->oh * p->ow;
    struct job j = {.images = u->images,
                    .pixels = div_up(u->rows * p->ow, V) * V,
                    .image = d->image,
                    .fresh = fresh,
                    .soon_image = p->oc * plane};
    int64_t ready = 0; /* planes */
    for (int64_t b = 0; b < d->blocks; b++) {
        const int64_t o = part_begin(d->outputs, d->blocks, b);
        const int64_t k = part_begin(d->outputs, d->blocks, b + 1) - o;
        /* What comes next: the same unit's next outputs or the next unit's first ones. */
        const struct unit *after = b + 1 < d->blocks ? u : next;
        const int64_t first = b + 1 < d->blocks ? o + k : 0;
        const float *soon =
            diff_dst + (after->n0 * p->oc + g * d->outputs + first) * plane + after->y0 * p->ow;
        take_gradient(k, d, diff_dst + (u->n0 * p->oc + g * d->outputs + o) * plane + u->y0 * p->ow,
                      u, d->bias_lanes + o * V);
        j.dy = d->gradient;
        for (int64_t part = 0; part < parts; part++) {
            const int64_t t0 = part_begin(taps, parts, part);
            j.taps = part_begin(taps, parts, part + 1) - t0;
            for (int64_t t = 0; t < j.taps; t++) {
                const struct tap *tap = &d->tap[t0 + t];
                j.x[t] = d->planes + tap->at;
                for (; ready <= tap->plane; ready++)
                    take_plane(d, src, u, ready);
            }
            j.sums = sums + (b * parts + part) * SLOT;
            j.soon = soon + min_i64(part, min_i64(k, d->outputs - first) - 1) * plane;
            hot_planes(k, &j);
        }
    }
}

static inline int64_t block_taps(const struct plan *d, int64_t block)
{
    return min_i64(d->input_block, d->inputs - block * d->input_block) * d->conv->kh * d->conv->kw;
}

/* The sums of a chunk of a block of inputs of a group. */
static inline float *block_sums(const struct plan *d, int64_t chunk, int64_t g, int64_t block)
{
    const int64_t slots = d->slots / (d->conv->g * d->input_blocks);
    return d->sums + (chunk * d->slots + (g * d->input_blocks + block) * slots) * SLOT;
}

/* Taps in the order of their planes. */
static void fill_table(const struct plan *d)
{
    const struct conv *p = d->conv;
    const int64_t kernel = p->kh * p->kw;
    struct tap *tap = d->tap;
    for (int64_t phase = 0; phase < d->phases; phase++)
        for (int64_t x = 0; x < p->kw; x++)
            for (int64_t y = 0; y < p->kh; y++) {
                const int64_t row = y * (p->dh + 1), plane = phase * p->kw + x;
                if (row % p->sh == phase)
                    *tap++ = (struct tap){.at = plane * d->plane + row / p->sh * p->ow,
                                          .plane = (int32_t)plane,
                                          .weight = (int32_t)(y * p->kw + x)};
            }
    for (int64_t i = kernel; i < d->taps; i++) {
        const struct tap *last = &d->tap[i - kernel]; /* the same of the channel before */
        d->tap[i] = (struct tap){.at = last->at + d->phases * p->kw * d->plane,
                                 .plane = (int32_t)(last->plane + d->phases * p->kw),
                                 .weight = (int32_t)(last->weight + kernel)};
    }
}

/* Tasks: (chunk, group, block of inputs). */
static void accumulate(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = planes_plan(a, thread);
    const struct conv *p = d.conv;
    fill_table(&d);
    for (int64_t i = first; i < last; i++) {
        const int64_t block = i % d.input_blocks, g = i / d.input_blocks % p->g;
        const int64_t chunk = i / d.input_blocks / p->g, taps = block_taps(&d, block);
        const int64_t c = g * d.inputs + block * d.input_block;
        const int64_t begin = part_begin(d.units, d.chunks, chunk);
        const int64_t end = part_begin(d.units, d.chunks, chunk + 1);
        put_zeros_over(d.bias_lanes, d.outputs * V);
        for (int64_t j = begin; j < end; j++) {
            const struct unit u = unit_of(&d, j), next = unit_of(&d, min_i64(j + 1, end - 1));
            accumulate_unit(&d, a->t[SRC] + c * p->ih * p->iw, a->t[DIFF_DST], &u, &next, g, taps,
                            block_sums(&d, chunk, g, block), j == begin);
        }
        for (int64_t o = 0; block == 0 && o < d.outputs; o++)
            d.bias[chunk * bias_pitch(&d) + g * d.outputs + o] = vsum(vload(d.bias_lanes + o * V));
    }
}

/* Adds up n floats of all chunks, `pitch` apart. */
static void add_chunks(float *to, const float *from, int64_t pitch, int64_t chunks, int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        const int64_t m = min_i64(n - i, V);
        vf s = vload_n(from + i, m);
        for (int64_t c = 1; c < chunks; c++)
            s = vadd(s, vload_n(from + c * pitch + i, m));
        vstore_n(to + i, s, m);
    }
}

/* Tasks of the end: (group, block of inputs, block of outputs). */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = planes_plan(a, thread);
    const struct conv *p = d.conv;
    const int64_t kernel = p->kh * p->kw;
    fill_table(&d);
    for (int64_t i = first; i < last; i++) {
        const int64_t b = i % d.blocks, block = i / d.blocks % d.input_blocks;
        const int64_t g = i / d.blocks / d.input_blocks, taps = block_taps(&d, block);
        const int64_t o = part_begin(d.outputs, d.blocks, b);
        const int64_t k = part_begin(d.outputs, d.blocks, b + 1) - o, oc = g * d.outputs + o;
        const int64_t parts = div_up(taps, d.tile_taps);
        float *out = a->t[DIFF_WEIGHTS] + (oc * d.inputs + block * d.input_block) * kernel;
        for (int64_t part = 0; part < parts; part++) {
            float sum[SLOT];
            const int64_t t0 = part_begin(taps, parts, part);
            const int64_t n = part_begin(taps, parts, part + 1) - t0;
            add_chunks(sum, block_sums(&d, 0, g, block) + (b * parts + part) * SLOT, d.slots * SLOT,
                       d.chunks, n * k);
            for (int64_t m = 0; m < k; m++)
                for (int64_t t = 0; t < n; t++)
                    out[m * d.inputs * kernel + d.tap[t0 + t].weight] = sum[m * n + t];
        }
        if (block == 0 && a->t[DIFF_BIAS])
            add_chunks(a->t[DIFF_BIAS] + oc, d.bias + oc, bias_pitch(&d), d.chunks, k);
    }
}

static void planes_run(const struct args *a)
{
    const struct plan d = planes_plan(a, 0);
    const int64_t pairs = d.conv->g * d.input_blocks;
    run_tiles_twice(a, d.chunks * pairs, accumulate, pairs * d.blocks, finish);
}

#define PLANES_BWD_WEIGHTS                                                                         \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = planes_scratch, .run = planes_run
