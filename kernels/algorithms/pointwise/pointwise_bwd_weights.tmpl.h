/* Gradient of the weights and of the bias for kernels of 1x1 with any stride: a product over the pixels of the batch,
 *
 *   sum[o][i] += diff_dst[pixel][o] * src[pixel][i]          rows o, lanes i: as diff_weights lie
 *
 *   for each chunk of pixels, block of rows, some blocks of TILE_LANES lanes          dealt to threads
 *     for each unit of pixels
 *       pack the rows' diff_dst                                                       waits in L2
 *       for each of the blocks of lanes
 *         pack its src as a panel, lanes side by side
 *         for each TILE_PIXELS rows: the micro-kernel; sums wait in L2 from unit to unit
 *   where there are several chunks: add them up in ascending order
 *
 * direct_bwd_weights.tmpl.h has tables of offsets to pay for, where here all is side by side. In nchw rows are copied plane
 * by plane and lanes are turned; in nhwc both are copied; in nchw16c rows, and without a stride lanes, are read where they lie.
 *
 * Limited by the FMA ports: in nchw16c at stride 1, where nothing is packed, deep layers reach 93 to 97 % of the peak of a
 * Zen 4. Elsewhere, with few channels on a side, by packing.
 *
 * A sum is made in the order of the pixels of its chunk, and chunks follow from the problem alone: units, groups of
 * blocks and teams cut it elsewhere without changing its bits. */
#include "algorithms/conv/direct_core.tmpl.h"
#include "algorithms/pointwise/pointwise.h"

#include <string.h>

/* Parameters:
 *
 *   TILE_PIXELS     1, 2, 4, 8 or 16    rows of a register tile: outputs
 *   TILE_VECTORS    1 to 3              vectors of a row: inputs */
_Static_assert(TILE_PIXELS >= 1 && 16 % TILE_PIXELS == 0,
               "tiles of rows do not cross blocks of nchw16c");
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= 3,
               "hot_products() has a case for 1 to 3 vectors");

/* Rows of diff_dst packed at a time: 320 KiB for a unit of 160 pixels. Packing src again for each block of rows costs a
 * few per cent of its products. */
#define BLOCK_ROWS 512
/* Tasks that keep a team busy, and fewest pixels of a chunk cut for them: its sums are written and read once more. */
#define TASKS 16
#define CHUNK_PIXELS 1024
/* Pixels between two requests for lines of the next tile. */
#define SEGMENT 16
/* Tiles whose rows are in the same lines of nchw16c. */
#define SHARE (16 / TILE_PIXELS)

/* Pixels `at` to `at` + `count` of a unit: so many that lie as far apart as two neighbours, in both tensors. Offsets in a
 * tensor's first plane. */
struct piece {
    int64_t at, count;
    ptrdiff_t src, dst;
};

struct plan {
    const struct conv *conv;
    struct tensor src, dst;
    struct planes src_planes, dst_planes;
    bool turned;                /* nchw: neighbours in memory are pixels, not channels */
    bool rows_stay, lanes_stay; /* read where they lie */
    int64_t pixels, unit, pitch;
    int64_t vectors, blocks; /* of lanes */
    int64_t block_rows, row_blocks, chunks, group;
    ptrdiff_t row, step; /* packed rows of a tile: from one to the next, from pixel to pixel */
    /* scratch, shared */
    float *sums, *bias; /* [task][row of a block][lane], [chunk][row] */
    /* scratch, one per thread */
    float *rows, *lanes, *planes, *bias_rows;
    struct piece *piece, *next;
    struct run *run;
    size_t bytes;
};

/* Pixels of a unit whose operands have one distance from each to the next: where they begin in rows and in the panel. */
struct run {
    int64_t count;
    ptrdiff_t rows, panel;
};

static struct plan pointwise_plan(const struct args *a, int thread)
{
    const struct conv *c = &a->problem->conv;
    struct plan d = {
        .conv = c,
        .src = {a->t[SRC], a->formats.src, c->ic, c->ih, c->iw},
        .dst = {a->t[DIFF_DST], a->formats.dst, c->oc, c->oh, c->ow},
        .turned = a->formats.src == NCHW,
        .rows_stay = a->formats.dst == NCHW16C,
        .lanes_stay = a->formats.src == NCHW16C && c->sh == 1 && c->sw == 1,
        .pixels = c->mb * c->oh * c->ow,
        .vectors = div_up(c->ic, V),
    };
    d.src_planes = planes_of(&d.src, 0, c->ic);
    d.dst_planes = planes_of(&d.dst, 0, c->oc);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    d.row_blocks = div_up(c->oc, BLOCK_ROWS);
    d.block_rows = div_up(div_up(c->oc, d.row_blocks), 16) * 16;
    d.row_blocks = div_up(c->oc, d.block_rows);
    d.chunks = 1;
    while (d.chunks * d.row_blocks * d.blocks < TASKS && d.pixels / (2 * d.chunks) >= CHUNK_PIXELS)
        d.chunks *= 2;
    /* Of the L1 a panel would take two thirds; rows and sums pass through the rest. In nhwc its lines lie a pixel apart, in
     * few sets of the L2: it is packed for the L1. */
    const int64_t l1 = (int64_t)a->hints.l1 * 2 / 3,
                  bytes = a->formats.src == NHWC ? l1 : panel_bytes(&a->hints, l1);
    const int64_t most = max_i64(bytes / (TILE_LANES * 4) / SEGMENT, 1) * SEGMENT;
    d.unit = min_i64(most, div_up(d.pixels, SEGMENT) * SEGMENT);
    /* An odd number of cache lines: rows then spread over all sets of the cache. */
    d.pitch = (d.unit / 16 | 1) * 16;
    d.row = d.turned ? d.pitch : 1;
    d.step = d.turned ? 1 : d.rows_stay ? 16 : TILE_PIXELS;
    d.group = max_i64((int64_t)a->hints.l2 / 2 / (d.block_rows * TILE_LANES * 4), 1);

    struct carver s = carve_from(a->scratch, thread);
    d.sums =
        carve(&s, d.chunks * d.row_blocks * d.blocks * d.block_rows * TILE_LANES, sizeof(float));
    d.bias = carve(&s, d.chunks * c->oc, sizeof(float));
    carve_own(&s, &d.rows, d.rows_stay ? 0 : d.block_rows * d.pitch + V, sizeof(float));
    carve_own(&s, &d.lanes, d.lanes_stay ? 0 : d.unit * TILE_LANES + V, sizeof(float));
    carve_own(&s, &d.planes, d.turned ? V * d.pitch + V : 0, sizeof(float));
    carve_own(&s, &d.bias_rows, d.block_rows * V, sizeof(float));
    carve_own(&s, &d.piece, d.unit, sizeof(struct piece));
    carve_own(&s, &d.next, d.unit, sizeof(struct piece));
    carve_own(&s, &d.run, d.unit, sizeof(struct run));
    d.bytes = carve_end(&s);
    return d;
}

static size_t pointwise_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return pointwise_plan(&a, h->threads - 1).bytes;
}

/* What the micro-kernel reads: pixel p of a run, of row r at rows[run.rows + r * row + p * step], of vector j at
 * lane[j][run.panel + p * pixel]. The sums begin as `from` has them, go to `to`. */
struct job {
    const struct run *run;
    int64_t runs;
    const float *rows, *lane[TILE_VECTORS], *from;
    float *to;
    ptrdiff_t row, step, pixel, from_row, to_row;
    ptrdiff_t next_rows, next_sums; /* from what this tile reads to what the next one will */
    ptrdiff_t next_row;             /* from line to line of it */
};

/* Rows of planes lie apart, each with an address of its own, and their panel is packed; other rows lie side by side. gcc keeps
 * addresses it has no register for in vector registers, and moves from there delay FMAs. */
static inline __attribute__((always_inline)) void tile_of(int k, bool planes, const struct job *job)
{
    if (k > TILE_VECTORS)
        return;
    const float *ahead = job->from + job->next_sums;
    vf sum[TILE_PIXELS][TILE_VECTORS];
    VEC_UNROLL
    for (int r = 0; r < TILE_PIXELS; r++) {
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++)
            if (j < k)
                sum[r][j] = vload(job->from + r * job->from_row + j * V);
    }
    const ptrdiff_t step = job->step, pixel = job->pixel;
    int asked = 0;
    for (const struct run *run = job->run, *end = run + job->runs; run < end; run++) {
        const float *at = job->rows + run->rows, *row[TILE_PIXELS], *lane[TILE_VECTORS];
        VEC_UNROLL
        for (int r = 0; r < TILE_PIXELS; r++)
            row[r] = at + r * job->row;
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++)
            if (j < k)
                lane[j] = job->lane[j] + run->panel;
        ptrdiff_t p = 0, x = 0;
        for (int64_t left = run->count; left > 0; left -= SEGMENT) {
            const float *soon = at + p + job->next_rows;
            VEC_UNROLL
            for (int r = 0; r < TILE_PIXELS; r++)
                __builtin_prefetch(soon + r * job->next_row);
            for (int i = 0; i < 2 && asked < TILE_PIXELS; i++, asked++, ahead += job->from_row)
                VEC_UNROLL
            for (int j = 0; j < TILE_VECTORS; j++)
                if (j < k)
                    __builtin_prefetch(ahead + j * V, 1);
            for (const ptrdiff_t last = p + min_i64(left, SEGMENT) * step; p < last;
                 p += step, x += pixel) {
                vf v[TILE_VECTORS];
                VEC_UNROLL
                for (int j = 0; j < TILE_VECTORS; j++)
                    if (j < k)
                        v[j] = vload(planes ? lane[0] + x + j * V : lane[j] + x);
                VEC_UNROLL
                for (int r = 0; r < TILE_PIXELS; r++) {
                    const vf dy = vset1(planes ? row[r][p] : at[p + r]);
                    VEC_UNROLL
                    for (int j = 0; j < TILE_VECTORS; j++)
                        if (j < k)
                            sum[r][j] = vfma(dy, v[j], sum[r][j]);
                }
            }
        }
    }
    VEC_UNROLL
    for (int r = 0; r < TILE_PIXELS; r++) {
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++)
            if (j < k)
                vstore(job->to + r * job->to_row + j * V, sum[r][j]);
    }
}

/* It stands alone (noinline) so that its code can be checked for spills. */
static __attribute__((noinline)) void hot_products(int64_t k, bool planes, const struct job *job)
{
    switch (2 * k + planes) {
    case 2: tile_of(1, false, job); break;
    case 3: tile_of(1, true, job); break;
    case 4: tile_of(2, false, job); break;
    case 5: tile_of(2, true, job); break;
    case 6: tile_of(3, false, job); break;
    default: tile_of(3, true, job);
    }
}

/* Lists the pieces of n pixels from `first` on; returns how many. */
static int64_t list_pieces(const struct plan *d, int64_t first, int64_t n, struct piece *to)
{
    const struct conv *c = d->conv;
    const int64_t image = c->oh * c->ow,
                  run = c->sh == 1 && c->sw == 1 && c->ow == c->iw ? image : c->ow;
    int64_t pieces = 0;
    for (int64_t i = first, count; i < first + n; i += count) {
        const int64_t at = i % image, y = at / c->ow, x = at % c->ow;
        count = min_i64(run - at % run, first + n - i);
        to[pieces++] = (struct piece){
            .at = i - first,
            .count = count,
            .src = i / image * d->src_planes.all * d->src_planes.size +
                   (y * c->sh * c->iw + x * c->sw) * d->src_planes.pitch,
            .dst = i / image * d->dst_planes.all * d->dst_planes.size + at * d->dst_planes.pitch,
        };
    }
    return pieces;
}

/* The pixels of a unit. */
struct unit {
    const struct piece *piece;
    int64_t pieces, pixels;
};

/* Both operands alike: a tensor with the place of a piece in it and its steps from pixel to pixel. */
struct side {
    const struct tensor *t;
    struct planes planes;
    bool src;
    int64_t step;
};

static inline struct side side_of(const struct plan *d, bool src)
{
    return src ? (struct side){&d->src, d->src_planes, true, d->conv->sw * d->src_planes.pitch}
               : (struct side){&d->dst, d->dst_planes, false, d->dst_planes.pitch};
}

static inline const float *piece_of(const struct side *s, const struct piece *p)
{
    return s->t->data + (s->src ? p->src : p->dst);
}

/* Where channel c of a pixel lies after its first. */
static inline ptrdiff_t channel_at(const struct side *s, int64_t c)
{
    return channel_offset(s->t->layout, s->t->c, s->t->h * s->t->w, 0, c);
}

/* nchw: the unit's pixels of channels c to c + n, a row each. Written in ascending order, whole vectors run over into
 * what comes next. */
static void take_planes(const struct plan *d, const struct side *s, const struct unit *u, int64_t c,
                        int64_t n, float *out)
{
    for (int64_t r = 0; r < n; r++, out += d->pitch) {
        for (int64_t i = 0; i < u->pieces; i++) {
            const struct piece *p = &u->piece[i];
            const float *from = piece_of(s, p) + (c + r) * s->planes.size;
            if (s->step == 1) {
                put_floats_over(out + p->at, from, p->count, p->count);
                continue;
            }
            for (int64_t x = 0; x < p->count; x++)
                out[p->at + x] = from[x * s->step];
        }
    }
}

/* nhwc, nchw16c: TILE_PIXELS channels of a pixel side by side, tile by tile. */
static void take_tiles(const struct side *s, const struct unit *u, int64_t unit, int64_t c,
                       int64_t n, float *out)
{
    for (int64_t i = 0; i < u->pieces; i++) {
        const struct piece *p = &u->piece[i];
        /* A few pixels at a time: all their lines stay in L1, and tiles are written by whole lines. */
        for (int64_t x = 0; x < p->count; x += SEGMENT) {
            const int64_t some = min_i64(p->count - x, SEGMENT);
            for (int64_t r = 0; r < n; r += TILE_PIXELS) {
                const float *from = piece_of(s, p) + x * s->step + channel_at(s, c + r);
                float *to = out + r * unit + (p->at + x) * TILE_PIXELS;
                if (n - r >= TILE_PIXELS) {
                    for (int64_t j = 0; j < some; j++, to += TILE_PIXELS, from += s->step)
                        memcpy(to, from, TILE_PIXELS * sizeof *to);
                    continue;
                }
                for (int64_t j = 0; j < some; j++, to += TILE_PIXELS, from += s->step)
                    for (int64_t q = 0; q < TILE_PIXELS; q++)
                        to[q] = q < n - r ? from[q] : 0;
            }
        }
    }
}

/* A panel: k vectors of src from channel c on, zeros beyond the last. */
static void take_lanes(const struct plan *d, const struct unit *u, int64_t c, int64_t k)
{
    const struct side s = side_of(d, true);
    for (int64_t v = 0; v < k; v++, c += V) {
        const int64_t m = min_i64(d->src.c - c, V);
        if (d->turned) {
            const float *from = piece_of(&s, u->piece) + c * s.planes.size;
            int64_t pitch = s.planes.size;
            if (u->pieces > 1 || s.step > 1) {
                take_planes(d, &s, u, c, m, d->planes);
                from = d->planes;
                pitch = d->pitch;
            }
            turn_to_lanes(d->lanes + v * V, k * V, from, pitch, m, u->pixels);
            continue;
        }
        for (int64_t i = 0; i < u->pieces; i++) {
            const struct piece *p = &u->piece[i];
            const float *from = piece_of(&s, p) + channel_at(&s, c);
            float *to = d->lanes + p->at * k * V + v * V;
            for (int64_t x = 0; x < p->count; x++, from += s.step, to += k * V) {
                if (m == V)
                    vstore(to, vload(from));
                else
                    vstore(to, vload_n(from, m));
            }
        }
    }
}

/* Packs the rows of a unit, unless they stay where they are. */
static void take_rows(const struct plan *d, const struct unit *u, int64_t c, int64_t n)
{
    const struct side s = side_of(d, false);
    if (d->turned)
        take_planes(d, &s, u, c, n, d->rows);
    else if (!d->rows_stay)
        take_tiles(&s, u, d->unit, c, n, d->rows);
}

/* Adds rows that stay where they are, from channel c on, to the sums of the bias. */
static void add_bias_in_place(const struct plan *d, const struct unit *u, int64_t c, int64_t rows)
{
    const struct side s = side_of(d, false);
    for (int64_t r = 0; r < rows; r += V) {
        vf sum = vload(d->bias_rows + r);
        for (int64_t i = 0; i < u->pieces; i++) {
            const float *from = piece_of(&s, &u->piece[i]) + channel_at(&s, c + r);
            for (int64_t x = 0; x < u->piece[i].count; x++, from += s.step)
                sum = vadd(sum, vload(from));
        }
        vstore(d->bias_rows + r, sum);
    }
}

/* Adds packed rows: lane by lane where pixels are neighbours. A unit is a multiple of V, so a pixel's lane does not depend
 * on it. */
static void add_bias(const struct plan *d, int64_t rows, int64_t pixels)
{
    for (int64_t r = 0; r < rows; r++) {
        float *sums = d->bias_rows + r * V;
        if (d->turned) {
            const float *from = d->rows + r * d->pitch;
            vf s = vload(sums);
            int64_t p = 0;
            for (; p + V <= pixels; p += V)
                s = vadd(s, vload(from + p));
            if (p < pixels)
                s = vadd(s, vload_n(from + p, pixels - p));
            vstore(sums, s);
            continue;
        }
        const float *from = d->rows + r / TILE_PIXELS * TILE_PIXELS * d->unit + r % TILE_PIXELS;
        float s = sums[0];
        for (int64_t p = 0; p < pixels; p++)
            s += from[p * TILE_PIXELS];
        sums[0] = s;
    }
}

/* Vectors of lanes are dealt to blocks evenly: a block of one vector would keep few sums in flight. */
static inline int64_t block_first(const struct plan *d, int64_t block)
{
    return part_begin(d->vectors, d->blocks, block);
}

static inline float *sums_of(const struct plan *d, int64_t chunk, int64_t row_block, int64_t block)
{
    return d->sums +
           ((chunk * d->row_blocks + row_block) * d->blocks + block) * d->block_rows * TILE_LANES;
}

/* Row r of the unit, of the block that begins with channel c. */
static inline const float *rows_of(const struct plan *d, const struct side *dst, int64_t c,
                                   int64_t r)
{
    return d->rows_stay ? dst->t->data + channel_at(dst, c + r)
                        : d->rows + r * (d->turned ? d->pitch : d->unit);
}

/* Lists the runs of a unit, whose pixels are `pixel` floats apart in the panel; returns how many. */
static int64_t list_runs(const struct plan *d, const struct unit *u, int64_t pixel)
{
    int64_t runs = 0;
    for (int64_t i = 0; i < u->pieces; i++) {
        const struct piece *p = &u->piece[i];
        const struct run run = {.count = p->count,
                                .rows = d->rows_stay ? p->dst : p->at * d->step,
                                .panel = d->lanes_stay ? p->src : p->at * pixel};
        struct run *last = &d->run[runs - 1];
        if (runs && run.rows == last->rows + last->count * d->step &&
            run.panel == last->panel + last->count * pixel)
            last->count += run.count;
        else
            d->run[runs++] = run;
    }
    return runs;
}

/* Asks for share i of n of the lines of a unit. */
static void fetch_unit(const struct side *s, const struct unit *u, int64_t c, int64_t channels,
                       int64_t i, int64_t n)
{
    for (int64_t j = i * u->pieces / n; j * n < (i + 1) * u->pieces; j++) {
        const struct piece *p = &u->piece[j];
        struct lines l = {.at = piece_of(s, p) + channel_at(s, c),
                          .images = 1,
                          .planes = channels,
                          .run = (p->count - 1) * s->step + 1,
                          .plane = s->planes.size};
        if (s->t->layout == NHWC) {
            l.planes = p->count;
            l.run = channels;
            l.plane = s->step;
        } else if (s->t->layout == NCHW16C) {
            l.planes = div_up(channels, 16);
            l.run = (p->count - 1) * s->step + 16;
        }
        /* A share lies within a piece or holds some whole ones. */
        const int64_t shares = max_i64(n / u->pieces, 1);
        lines_fetch(&l, min_i64(max_i64(i - j * n / u->pieces, 0), shares - 1), shares);
    }
}

/* Blocks first <= b < last of lanes, a block of rows, a chunk. */
static void multiply_group(const struct plan *plan, const struct args *a, int64_t chunk,
                           int64_t row_block, int64_t first, int64_t last)
{
    static const float zeros[TILE_LANES];
    struct plan d = *plan;
    const struct side src = side_of(&d, true), dst = side_of(&d, false);
    const int64_t c = row_block * d.block_rows, rows = min_i64(d.conv->oc - c, d.block_rows),
                  tiles = div_up(rows, TILE_PIXELS), ic = d.conv->ic;
    const int64_t begin = d.pixels * chunk / d.chunks, end = d.pixels * (chunk + 1) / d.chunks;
    const bool bias = a->t[DIFF_BIAS] && first == 0;
    if (bias)
        memset(d.bias_rows, 0, (size_t)(rows * V) * sizeof(float));
    struct unit u = {d.piece, list_pieces(&d, begin, min_i64(d.unit, end - begin), d.piece),
                     min_i64(d.unit, end - begin)};
    for (int64_t at = begin; at < end; at += d.unit) {
        struct unit next = {.piece = d.next, .pixels = min_i64(d.unit, end - at - u.pixels)};
        next.pieces = list_pieces(&d, at + u.pixels, next.pixels, d.next);
        const bool last_unit = next.pixels == 0;
        take_rows(&d, &u, c, rows);
        if (bias && d.rows_stay)
            add_bias_in_place(&d, &u, c, rows);
        else if (bias)
            add_bias(&d, rows, u.pixels);
        for (int64_t b = first; b < last; b++) {
            const int64_t v = block_first(&d, b), k = block_first(&d, b + 1) - v;
            const int64_t soon = b + 1 < last ? b + 1 : first;
            const struct unit *soon_unit = b + 1 < last ? &u : &next;
            const int64_t soon_c = block_first(&d, soon) * V,
                          soon_n = min_i64(block_first(&d, soon + 1) * V, ic) - soon_c;
            float *sums = sums_of(&d, chunk, row_block, b);
            const ptrdiff_t pixel = d.lanes_stay ? src.step : k * V;
            struct job job = {.run = d.run,
                              .runs = list_runs(&d, &u, pixel),
                              .row = d.row,
                              .step = d.step,
                              .pixel = pixel,
                              .from_row = at == begin ? 0 : TILE_LANES,
                              .next_row = d.turned      ? d.pitch
                                          : d.rows_stay ? SHARE * 16
                                                        : 16};
            if (!d.lanes_stay)
                take_lanes(&d, &u, v * V, k);
            for (int64_t j = 0; j < k; j++)
                job.lane[j] =
                    d.lanes_stay ? src.t->data + channel_at(&src, (v + j) * V) : d.lanes + j * V;
            for (int64_t t = 0; t < tiles; t++) {
                const int64_t r = t * TILE_PIXELS;
                float *wait = sums + r * TILE_LANES;
                /* The last sums go straight to where they belong, but for those of rows and lanes that do not fill tiles. */
                const bool straight =
                    last_unit && d.chunks == 1 && rows - r >= TILE_PIXELS && ic - v * V >= k * V;
                job.rows = rows_of(&d, &dst, c, r);
                /* Where they lie, a line holds the rows of several tiles, which share asking for those after them. */
                const int64_t then = d.rows_stay ? r / 16 * 16 + 16 : r + TILE_PIXELS;
                job.next_rows = rows_of(&d, &dst, c, then < rows ? then : 0) - job.rows;
                if (d.rows_stay)
                    job.next_rows += r / TILE_PIXELS % SHARE * 16;
                job.from = at == begin ? zeros : wait;
                job.next_sums = at == begin ? 0 : TILE_PIXELS * TILE_LANES;
                job.to = straight ? a->t[DIFF_WEIGHTS] + (c + r) * ic + v * V : wait;
                job.to_row = straight ? ic : TILE_LANES;
                if (t == tiles - 1)
                    job.next_sums = 0;
                hot_products(k, d.turned, &job);
                if (!d.lanes_stay && soon_unit->pieces)
                    fetch_unit(&src, soon_unit, soon_c, soon_n, t, tiles);
                if (!d.rows_stay && next.pieces)
                    fetch_unit(&dst, &next, c, rows, (b - first) * tiles + t,
                               tiles * (last - first));
                if (!last_unit || d.chunks > 1 || straight)
                    continue;
                for (int64_t i = 0; i < min_i64(rows - r, TILE_PIXELS); i++)
                    for (int64_t j = 0; j < k; j++)
                        vstore_n(a->t[DIFF_WEIGHTS] + (c + r + i) * ic + (v + j) * V,
                                 vload(wait + i * TILE_LANES + j * V),
                                 min_i64(ic - (v + j) * V, V));
            }
        }
        struct piece *done = d.piece;
        d.piece = d.next;
        d.next = done;
        u = next;
    }
    for (int64_t r = 0; bias && r < rows; r++)
        d.bias[chunk * d.conv->oc + c + r] =
            d.rows_stay ? d.bias_rows[r] : vsum(vload(d.bias_rows + r * V));
}

/* Tasks: (chunk, block of rows, block of lanes). */
static void multiply(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = pointwise_plan(a, thread);
    while (first < last) {
        const int64_t block = first % d.blocks, rest = first / d.blocks;
        const int64_t end = min_i64(d.blocks, block + last - first),
                      groups = div_up(end - block, d.group);
        for (int64_t g = 0; g < groups; g++)
            multiply_group(&d, a, rest / d.row_blocks, rest % d.row_blocks,
                           block + (end - block) * g / groups,
                           block + (end - block) * (g + 1) / groups);
        first += end - block;
    }
}

/* Adds up the chunks. Tasks: rows. */
static void finish(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct plan d = pointwise_plan(a, thread);
    const int64_t ic = d.conv->ic, chunk = sums_of(&d, 1, 0, 0) - d.sums;
    for (int64_t r = first; r < last; r++) {
        for (int64_t b = 0; d.chunks > 1 && b < d.blocks; b++) {
            const int64_t v = block_first(&d, b), k = block_first(&d, b + 1) - v;
            const float *from = sums_of(&d, 0, r / d.block_rows, b) + r % d.block_rows * TILE_LANES;
            for (int64_t j = 0; j < k; j++) {
                vstore_n(a->t[DIFF_WEIGHTS] + r * ic + (v + j) * V,
                         sum_chunks(from + j * V, chunk, d.chunks), min_i64(ic - (v + j) * V, V));
            }
        }
        if (!a->t[DIFF_BIAS])
            continue;
        float s = d.bias[r];
        for (int64_t i = 1; i < d.chunks; i++)
            s += d.bias[i * d.conv->oc + r];
        a->t[DIFF_BIAS][r] = s;
    }
}

static void pointwise_run(const struct args *a)
{
    const struct plan d = pointwise_plan(a, 0);
    const int64_t tasks = d.chunks * d.row_blocks * d.blocks;
    if (d.chunks > 1 || a->t[DIFF_BIAS])
        run_tiles_twice(a, tasks, multiply, d.conv->oc, finish);
    else
        run_tiles(a, tasks, multiply);
}
