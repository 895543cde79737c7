/* Gradient of the weights and of the bias of depthwise convolutions: as many groups as channels, so that a weight is a
 * dot product of two channels. Defines depthwise_scratch() and depthwise_run(); depthwise_planes.tmpl.h defines
 * depthwise_fits(), slices, strips and planes.
 *
 *   for each (chunk of units, group of slices)                             dealt to threads
 *     for each unit of the chunk: some images or a strip of rows
 *       for each slice of the group
 *         src to planes; diff_dst to rows, where it cannot be read in place
 *         for each part of the taps: the micro-kernel, adding to the chunk's own sums
 *   add up the chunks in ascending order
 *
 * The sums of a part of the taps stay in registers while it passes over all pixels of a unit. A vector of diff_dst is
 * loaded once, and each FMA reads its vector of src from memory.
 *
 * Small images in nchw are transposed, V channels at a time, to have channels in the lanes: with pixels in the lanes, lanes
 * between rows would be idle and nearly all loads would cross cache lines. Transposing takes log2(V) shuffles per vector.
 * If lanes are pixels, rows of diff_dst are copied to the distance of the planes' rows, with zeros between them, so that
 * lanes between rows add nothing; images are stacked until vectors are full. If lanes are channels, diff_dst is read in
 * place, unless a slice has fewer than V.
 *
 * Bound: with t taps in a part, (t + 1) / t loads for each FMA, and the copies; or memory, because src and diff_dst are
 * read once for 2 FLOPs per tap and pixel.
 *
 * Units and chunks follow from the problem alone, so the bits are the same for any number of threads. */
#include "algorithms/depthwise/depthwise_planes.tmpl.h"
#include "shared/turn.h"

/* Parameters:
 *
 *   TILE_SUMS    1 to 40    vectors of sums that stay in registers */
_Static_assert(TILE_SUMS >= 1 && TILE_SUMS <= 40, "a tile has up to 10 sums for each of 4 vectors");

/* Bounds of a tile that unroll pragmas can repeat: taps are a pointer each, and more than 9 leave none of 16. */
#define MAX_TAPS 9
#define MAX_TOGETHER 4

/* Floats of the planes of a unit: with as many of diff_dst, an L1 of 32 KiB; channels make longer rows, as forward. */
#define UNIT_PIXELS 3584
#define UNIT_CHANNELS 8192
/* Floats of the planes of an image that is turned: beside those of both tensors, what L2 feeds. */
#define TURNED_FLOATS 16384
/* Channels of a group, whose pixels are near each other in memory: prefetchers then go on from slice to slice. */
#define GROUP_LANES 128
/* Tasks that keep a large team busy, and vectors of a slice a chunk must have to pay for adding up its sums. */
#define TASKS 64
#define CHUNK_VECTORS 256

struct plan {
    struct strips planes;
    bool turned;          /* from nchw: channels are the lanes */
    int64_t together;     /* slices of a group */
    int64_t groups;       /* of slices */
    int64_t images;       /* of a unit */
    int64_t units, parts; /* parts: of the taps */
    int64_t chunks;
    int64_t plane, image; /* floats from plane to plane, from image to image of one */
    int64_t results;      /* sums of a slice, in whole vectors where pixels are lanes */
    /* scratch, shared: [chunk][slice][tap, then bias], and [V] behind each where channels are lanes */
    float *chunk_sums;
    float *sums, *input, *gradient; /* scratch of a thread: [slice of group][tap, then bias][V] */
    float *source;                  /* of an image that is turned */
    ptrdiff_t *tap;
    size_t bytes;
};

/* Small images, and channels that fill more than half of the lanes. */
static inline bool is_turned(const struct conv *p, struct formats f)
{
    const struct strips s = strips_of(*p, NHWC, TURNED_FLOATS);
    return f.src == NCHW && p->oc > V / 2 &&
           s.phases_y * s.phases_x * (p->oh + s.extra) * s.column * V <= TURNED_FLOATS;
}

static struct plan depthwise_plan(const struct args *a, int thread)
{
    struct plan d = {.turned = is_turned(&a->problem->conv, a->formats)};
    const bool channels = d.turned || a->formats.src != NCHW;
    const int64_t floats = d.turned ? TURNED_FLOATS : channels ? UNIT_CHANNELS : UNIT_PIXELS;
    d.planes = strips_of(a->problem->conv, d.turned ? NHWC : a->formats.src, floats);
    const struct strips *s = &d.planes;
    const struct conv *p = &s->conv;
    d.image = (s->strip + s->extra) * s->column * s->pixel;
    d.images = channels || s->strips > 1 ? 1 : UNIT_PIXELS / (d.image * s->phases_y * s->phases_x);
    d.images = min_i64(max_i64(d.images, 1), p->mb);
    d.plane = plane_floats(s, d.images);
    d.units = div_up(p->mb, d.images) * s->strips;
    d.parts = div_up(s->taps, MAX_TAPS);

    d.together = channels ? min_i64(max_i64(GROUP_LANES / V, 1), s->slices) : 1;
    d.groups = div_up(s->slices, d.together);
    const int64_t vectors = p->mb * p->oh * p->ow / (channels ? 1 : V);
    d.chunks = min_i64(div_up(TASKS, d.groups), vectors / CHUNK_VECTORS);
    d.chunks = min_i64(max_i64(d.chunks, 1), d.units);
    d.results = channels ? (s->taps + 1) * V : div_up(s->taps + 1, V) * V;

    struct carver c = carve_from(a->scratch, thread);
    d.chunk_sums = carve(&c, d.chunks * s->slices * d.results, sizeof(float));
    carve_own(&c, &d.sums, d.together * (s->taps + V) * V, sizeof(float));
    /* The last vector of pixels reads beyond its rows. */
    carve_own(&c, &d.input, s->phases_y * s->phases_x * d.plane + 2 * V, sizeof(float));
    carve_own(&c, &d.gradient, channels ? (s->strip * p->ow + V) * V : d.plane + V, sizeof(float));
    carve_own(&c, &d.source, d.turned ? (p->ih * p->iw + V) * V : 0, sizeof(float));
    carve_own(&c, &d.tap, s->taps, sizeof *d.tap);
    d.bytes = carve_end(&c);
    return d;
}

static size_t depthwise_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return depthwise_plan(&a, h->threads - 1).bytes;
}

/* What a tile computes: `taps` sums over rows of vectors, of dy `step` floats apart, of x V floats and `gap` more from row
 * to row. */
struct job {
    const float *x, *dy;
    const ptrdiff_t *at; /* of taps, in x */
    int64_t taps, rows, vectors;
    ptrdiff_t step, gap;
    float *sums, *bias; /* bias: of the first part */
};

/* Vectors that are multiplied by turns into sums of their own: FMAs have latencies, and few taps are few sums. */
static inline int together(int taps)
{
    const int n = TILE_SUMS / (taps + 1);
    return n > MAX_TOGETHER ? MAX_TOGETHER : n < 1 ? 1 : n;
}

static inline __attribute__((always_inline)) void tile(int taps, bool with_bias,
                                                       const struct job *job)
{
    const int n = together(taps);
    const float *x[MAX_TAPS], *dy = job->dy;
    vf sum[MAX_TAPS][MAX_TOGETHER], bias[MAX_TOGETHER];
#pragma GCC unroll 9
    for (int t = 0; t < MAX_TAPS; t++)
        x[t] = job->x + (t < taps ? job->at[t] : 0);
#pragma GCC unroll 4
    for (int i = 0; i < MAX_TOGETHER; i++) {
        bias[i] = vzero();
#pragma GCC unroll 9
        for (int t = 0; t < MAX_TAPS; t++)
            sum[t][i] = vzero();
    }
    const ptrdiff_t step = job->step, gap = job->gap;
    ptrdiff_t at = 0;
    for (int64_t row = job->rows; row > 0; row--, at += gap) {
        int64_t v = job->vectors;
        for (; v >= n; v -= n) {
#pragma GCC unroll 4
            for (int i = 0; i < MAX_TOGETHER; i++) {
                if (i >= n)
                    break;
                const vf b = vload(dy);
                dy += step;
                if (with_bias)
                    bias[i] = vadd(bias[i], b);
#pragma GCC unroll 9
                for (int t = 0; t < MAX_TAPS; t++)
                    if (t < taps)
                        sum[t][i] = vfma(b, vload(x[t] + at + i * V), sum[t][i]);
            }
            at += n * V;
        }
        for (; n > 1 && v > 0; v--) {
            const vf b = vload(dy);
            dy += step;
            if (with_bias)
                bias[0] = vadd(bias[0], b);
#pragma GCC unroll 9
            for (int t = 0; t < MAX_TAPS; t++)
                if (t < taps)
                    sum[t][0] = vfma(b, vload(x[t] + at), sum[t][0]);
            at += V;
        }
    }
#pragma GCC unroll 3
    for (int i = 1; i < MAX_TOGETHER; i++) {
        if (i >= n)
            break;
        bias[0] = vadd(bias[0], bias[i]);
#pragma GCC unroll 9
        for (int t = 0; t < MAX_TAPS; t++)
            if (t < taps)
                sum[t][0] = vadd(sum[t][0], sum[t][i]);
    }
    if (with_bias)
        vstore(job->bias, vadd(vload(job->bias), bias[0]));
#pragma GCC unroll 9
    for (int t = 0; t < MAX_TAPS; t++)
        if (t < taps)
            vstore(job->sums + t * V, vadd(vload(job->sums + t * V), sum[t][0]));
}

static __attribute__((noinline)) void hot_depthwise_bias(const struct job *j)
{
    switch (j->taps) {
    case 1: tile(1, true, j); break;
    case 2: tile(2, true, j); break;
    case 3: tile(3, true, j); break;
    case 4: tile(4, true, j); break;
    case 5: tile(5, true, j); break;
    case 6: tile(6, true, j); break;
    case 7: tile(7, true, j); break;
    case 8: tile(8, true, j); break;
    default: tile(9, true, j);
    }
}

/* Parts after the first: ten taps or more are at least 5 a part. */
static __attribute__((noinline)) void hot_depthwise(const struct job *j)
{
    switch (j->taps) {
    case 5: tile(5, false, j); break;
    case 6: tile(6, false, j); break;
    case 7: tile(7, false, j); break;
    case 8: tile(8, false, j); break;
    default: tile(9, false, j);
    }
}

/* Rows of diff_dst of an image at the distance of the planes' rows, and zeros behind each and all. */
static void put_rows(const struct plan *d, float *to, const float *from, int64_t rows)
{
    const struct strips *s = &d->planes;
    const int64_t ow = s->conv.ow;
    for (int64_t y = 0; y < rows; y++, to += s->column, from += ow) {
        put_pixels(to, from, ow, 1, false, 1);
        put_zeros_over(to + ow, s->column - ow);
    }
    put_zeros_over(to, s->extra * s->column + V);
}

/* One unit of a slice, added to sums[tap, then bias][V]. */
static void accumulate_unit(const struct plan *d, const struct args *a, int64_t unit, int64_t slice,
                            float *sums)
{
    const struct strips *s = &d->planes;
    const struct conv *p = &s->conv;
    struct slice of = slice_of(s, slice);
    const int64_t n0 = unit / s->strips * d->images, images = min_i64(d->images, p->mb - n0);
    const int64_t y0 = unit % s->strips * s->strip, rows = min_i64(s->strip, p->oh - y0);
    const int64_t input = p->ih * p->iw, output = p->oh * p->ow;
    struct job job = {.x = d->input, .dy = d->gradient, .bias = sums + s->taps * V};
    for (int64_t i = 0; i < images; i++) {
        const int64_t n = n0 + i;
        if (d->turned) {
            const int64_t channel = n * p->oc + slice * V, m = of.m;
            turn_to_lanes(d->source, V, a->t[SRC] + channel * input, input, m, input);
            turn_to_lanes(d->gradient, V, a->t[DIFF_DST] + channel * output, output, m, output);
            of = (struct slice){V, V};
            put_planes(s, d->input, d->plane, d->source, of, 0, rows);
            job.dy = d->gradient;
            continue;
        }
        const float *dy = a->t[DIFF_DST] + slice_at(s, n, slice, output) + y0 * p->ow * of.pitch;
        put_planes(s, d->input + i * d->image, d->plane, a->t[SRC] + slice_at(s, n, slice, input),
                   of, y0, rows);
        if (!s->channels)
            put_rows(d, d->gradient + i * d->image, dy, rows);
        else if (of.m < V)
            put_pixels(d->gradient, dy, rows * p->ow, of.pitch, true, of.m);
        else
            job.dy = dy;
    }
    if (s->channels) {
        job.rows = rows;
        job.vectors = p->ow;
        job.step = of.m < V ? V : of.pitch;
        job.gap = (s->column - p->ow) * V;
    } else {
        job.rows = 1;
        job.vectors = div_up((images - 1) * d->image + (rows - 1) * s->column + p->ow, V);
        job.step = V;
    }
    for (int64_t i = 0; i < d->parts; i++) {
        const int64_t first = s->taps * i / d->parts;
        job.taps = s->taps * (i + 1) / d->parts - first;
        job.at = d->tap + first;
        job.sums = sums + first * V;
        (i ? hot_depthwise : hot_depthwise_bias)(&job);
    }
}

/* Sums of lanes of V vectors to one, where pixels were lanes. */
static inline void put_sums(float *to, const float *sums, bool channels)
{
    vf b[V];
    if (channels) {
        vstore(to, vload(sums));
        return;
    }
    for (int64_t j = 0; j < V; j++)
        b[j] = vload(sums + j * V);
    vstore(to, vsum_each(b));
}

/* Tasks: (chunk, group of slices). */
static void accumulate(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = depthwise_plan(a, thread);
    const struct strips *s = &d.planes;
    const int64_t pitch = (s->taps + V) * V;
    for (int64_t t = 0; t < s->taps; t++)
        d.tap[t] = tap_at(s, d.plane, t);
    for (int64_t i = first; i < last; i++) {
        const int64_t chunk = i / d.groups, slice = i % d.groups * d.together;
        const int64_t slices = min_i64(d.together, s->slices - slice);
        put_zeros_over(d.sums, slices * pitch);
        for (int64_t u = d.units * chunk / d.chunks; u < d.units * (chunk + 1) / d.chunks; u++)
            for (int64_t j = 0; j < slices; j++)
                accumulate_unit(&d, a, u, slice + j, d.sums + j * pitch);
        float *to = d.chunk_sums + (chunk * s->slices + slice) * d.results;
        for (int64_t j = 0; j < slices; j++, to += d.results)
            for (int64_t r = 0; r < d.results; r += V)
                put_sums(to + r, d.sums + j * pitch + (s->channels ? r : r * V), s->channels);
    }
}

/* Tasks of the end: slices. */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = depthwise_plan(a, thread);
    const struct strips *s = &d.planes;
    const int64_t pitch = s->slices * d.results, lanes = s->channels ? V : 1;
    for (int64_t slice = first; slice < last; slice++) {
        const int64_t c0 = slice * lanes, m = min_i64(s->conv.oc - c0, lanes);
        for (int64_t r = 0; r < d.results; r += V) {
            const float *from = d.chunk_sums + slice * d.results + r;
            float sums[V];
            vstore(sums, sum_chunks(from, pitch, d.chunks));
            for (int64_t l = 0; l < (s->channels ? m : V); l++) {
                const int64_t c = s->channels ? c0 + l : c0, tap = s->channels ? r / V : r + l;
                if (tap < s->taps)
                    a->t[DIFF_WEIGHTS][c * s->taps + tap] = sums[l];
                else if (tap == s->taps && a->t[DIFF_BIAS])
                    a->t[DIFF_BIAS][c] = sums[l];
            }
        }
    }
}

static void depthwise_run(const struct args *a)
{
    const struct plan d = depthwise_plan(a, 0);
    run_tiles_twice(a, d.chunks * d.groups, accumulate, d.planes.slices, finish);
}
