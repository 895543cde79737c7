/* Direct convolution forward whose tile is a run of neighbouring pixels of one row of dst, channels in the lanes. Defines
 * runs_scratch(), runs_fits() and runs_run().
 *
 *   sum[p][j] += x[step[i] + p * pixel] * w[i][j]      p < TILE_PIXELS, j < TILE_VECTORS, all inputs and taps i
 *
 * Neighbours are equally far apart, so a tile needs three pointers and two distances instead of one pointer per pixel.
 * So only the number of registers for sums limits its pixels. A vector of weights serves all pixels, and nearly every
 * load feeds TILE_VECTORS products. All products of a sum are made in one pass, beginning with the bias. A call makes a
 * row of tiles.
 *
 * Limited by the FMA ports and the loads that feed them; where dst is beyond the L2, by its stores; in nchw by the copies that
 * transpose the sums.
 *
 *   pack the weights, [block of TILE_VECTORS vectors][input and tap][lane], zeros beyond the outputs
 *   for each unit (some rows of an image)                                                    dealt to threads
 *     copy its input with its padding, or read the input where it lies if there is none
 *     for each block of outputs and each row, or, where its weights fill much of L1, each column of tiles: a call
 *     in nchw: transpose the sums, which then wait in scratch, into planes
 *
 * Sums are made in one order whatever the tile: inputs of a block of 16, taps, blocks (nchw: inputs, taps). */
#include "algorithms/conv/direct_core.tmpl.h"

/* Parameters:
 *
 *   TILE_PIXELS     1 to 14, 1 to 28 of one vector    pixels of a tile
 *   TILE_VECTORS    1 or 2                            vectors of outputs of a tile; 1: first layers only */
_Static_assert(TILE_VECTORS == 1 || TILE_VECTORS == 2,
               "run_width() has a case for 1 and 2 vectors");
_Static_assert(TILE_PIXELS >= 1 && TILE_PIXELS <= (TILE_VECTORS == 1 ? 28 : 14),
               "run_vectors() has a case for 1 to 28 pixels, reach_pixel() for 1 to 15");

/* Floats of dst in a unit: a block of outputs comes back to lines the one before has written, in L2 by then. */
#define UNIT_FLOATS (64 * 1024)
/* Units that keep most teams busy. */
#define UNITS 16

/* The one-vector case, for the first layer of a network: few channels in nchw, the layout of images, and results in
 * nchw16c for the next layer. Neighbours are `stride` floats apart, which is a constant. So all pixels are read from one
 * pointer by FMAs with a factor broadcast from memory. A product is one instruction, and a tap needs one more load for
 * its weights. That is two thirds of the instructions of two vectors, and half of the weights in L1 at a time, which
 * gains most if another thread shares the core. */
enum { IMAGE = TILE_VECTORS == 1 };
/* Products of such a sum so few that its store takes as long: where dst is beyond the L2, its lines are fetched ahead. */
#define FEW_PRODUCTS 64

/* Floats of packed weights so few that waiting for another thread's would take longer. */
#define ALONE_FLOATS 4096
/* Channels of a block so few that a copy without its other lanes pays, read a few times as it is. */
#define NARROW 4

/* How tiles read the input: in place, or a padded copy of what a unit needs. In nchw16c only the lanes that are channels
 * are copied. */
enum reading { READ_IN_PLACE, READ_PADDED, READ_NARROW };

struct plan {
    const struct conv *conv;
    struct tensor src, dst;
    enum reading reading;
    int64_t products; /* of a sum */
    int64_t run;      /* so many of them read floats side by side; divides products */
    int64_t vectors, blocks;
    int64_t rows, cols, ny, nx; /* pixels of dst in a unit, units of an image */
    struct window window;
    bool alone;                          /* every thread packs all weights */
    float *packed, *bias, *input, *sums; /* scratch */
    ptrdiff_t *step;
    size_t bytes;
};

static bool has_padding(const struct conv *p)
{
    return p->ph > 0 || p->pw > 0 || (p->oh - 1) * p->sh + (p->kh - 1) * (p->dh + 1) >= p->ih ||
           (p->ow - 1) * p->sw + (p->kw - 1) * (p->dw + 1) >= p->iw;
}

static struct plan runs_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {.conv = p,
                     .src = {a->t[SRC], a->formats.src, p->ic, p->ih, p->iw},
                     .dst = {a->t[DST], a->formats.dst, p->oc, p->oh, p->ow},
                     .products = p->ic * p->kh * p->kw};
    d.reading = has_padding(p) ? READ_PADDED : READ_IN_PLACE;
    if (a->formats.src == NCHW16C && (p->ic <= NARROW || (p->ic < 16 && d.reading == READ_PADDED)))
        d.reading = READ_NARROW;
    int64_t lanes = a->formats.dst == NCHW16C ? div_up(p->oc, 16) * 16 : p->oc;
    d.vectors = div_up(lanes, V);
    d.blocks = div_up(d.vectors, TILE_VECTORS);
    d.nx = min_i64(div_up(UNITS, p->mb * p->oh), div_up(p->ow, TILE_PIXELS));
    d.cols = div_up(p->ow, d.nx);
    d.nx = div_up(p->ow, d.cols);
    int64_t most = min_i64(UNIT_FLOATS / (p->ow * p->oc), p->mb * p->oh / UNITS);
    d.ny = d.nx > 1 ? p->oh : div_up(p->oh, max_i64(most, 1));
    d.rows = div_up(p->oh, d.ny);
    d.ny = div_up(p->oh, d.rows);
    struct planes in = planes_of(&d.src, 0, p->ic);
    d.window = window_make(d.reading == READ_NARROW ? NHWC : a->formats.src,
                           (d.rows - 1) * p->sh + (p->kh - 1) * (p->dh + 1) + 1,
                           (d.cols - 1) * p->sw + (p->kw - 1) * (p->dw + 1) + 1, p->ic);
    if (d.reading == READ_IN_PLACE)
        d.window = (struct window){.layout = a->formats.src,
                                   .pixel = in.pitch,
                                   .row = p->iw * in.pitch,
                                   .plane = in.size,
                                   .image = in.all * in.size};
    d.run = a->formats.src == NCHW ? 1
            : p->ic < 16           ? p->ic
            : p->ic % 16 == 0      ? 16
            : p->ic % 4 == 0       ? 4
                                   : 1;
    int64_t packed = d.blocks * TILE_LANES * d.products;
    d.alone = packed <= ALONE_FLOATS;
    struct carver c = carve_from(a->scratch, thread);
    if (d.alone)
        carve_own(&c, &d.packed, packed, sizeof(float));
    else
        d.packed = carve(&c, packed, sizeof(float));
    carve_own(&c, &d.bias, d.blocks * TILE_LANES, sizeof(float));
    carve_own(&c, &d.step, d.products, sizeof *d.step);
    if (d.reading != READ_IN_PLACE)
        carve_own(&c, &d.input, window_floats(&d.window, 1), sizeof(float));
    if (a->formats.dst == NCHW)
        carve_own(&c, &d.sums, d.rows * d.cols * d.vectors * V, sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t runs_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return runs_plan(&a, h->threads - 1).bytes;
}

static const char *runs_fits(const struct problem *p, struct formats f)
{
    (void)f;
    if (p->conv.g > 1)
        return "has groups";
    return IMAGE && p->conv.sw > 2 ? "a horizontal stride above 2" : NULL;
}

/* Tiles of pixels that are neighbours in a row. `step` has an offset for each of n products, of which `run` at a time read
 * floats side by side; pixels of x are `pixel` floats apart
 * and those of dst `pitch`, vectors of outputs `lane`; of the last vector `valid` lanes are stored. */
struct run {
    const float *x, *w, *bias;
    float *to;
    const ptrdiff_t *step;
    int64_t n, run;
    ptrdiff_t pixel, pitch, lane;
    int64_t valid, pixels, tiles;
    ptrdiff_t next, to_next; /* floats from tile to tile */
    ptrdiff_t ahead;         /* lines of dst that far on are fetched; 0 = none */
};

/* Where the pixels of a tile are read, byte distances. One register and an immediate reach all of them where the compiler
 * knows their distance, in floats (0: it does not); else three registers, each with a few pixels that x86 can address
 * from it. */
struct reach {
    const char *base[3];
    ptrdiff_t one, three;
};

static inline __attribute__((always_inline)) struct reach reach_from(const char *x, ptrdiff_t one,
                                                                     int distance)
{
    struct reach r = {.base = {x}, .one = one, .three = 3 * one};
    if (distance) {
        /* Hidden from the compiler: it would address by two registers, and then an FMA that reads memory is split. */
        __asm__("" : "+r"(r.base[0]));
        return r;
    }
    r.base[1] = x + 5 * one;
    r.base[2] = r.base[1] + 5 * one;
    return r;
}

static inline __attribute__((always_inline)) const float *reach_pixel(const struct reach *r, int p,
                                                                      int distance)
{
    if (distance)
        return (const float *)(r->base[0] + p * r->one);
    const char *near = r->base[p / 5];
    switch (p % 5) {
    case 0: return (const float *)near;
    case 1: return (const float *)(near + r->one);
    case 2: return (const float *)(near + 2 * r->one);
    case 3: return (const float *)(near + r->three);
    default: return (const float *)(near + 4 * r->one);
    }
}

/* The products of one row of weights. */
static inline __attribute__((always_inline)) void run_step(int pixels, int k, int distance,
                                                           struct reach at, const float *w,
                                                           vf sum[TILE_PIXELS][TILE_VECTORS])
{
    vf row[TILE_VECTORS];
    VEC_UNROLL
    for (int j = 0; j < TILE_VECTORS; j++)
        if (j < k)
            row[j] = vload(w + j * V);
    VEC_UNROLL
    for (int p = 0; p < TILE_PIXELS; p++) {
        if (p >= pixels)
            break;
        vf b = vset1(*reach_pixel(&at, p, distance));
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++)
            if (j < k)
                sum[p][j] = vfma(b, row[j], sum[p][j]);
    }
}

/* Stores a tile; of the last vector `valid` lanes. */
static inline __attribute__((always_inline)) void put_tile(int pixels, int k, float *to,
                                                           ptrdiff_t pitch, ptrdiff_t lane,
                                                           int64_t valid,
                                                           vf sum[TILE_PIXELS][TILE_VECTORS])
{
    VEC_UNROLL
    for (int p = 0; p < TILE_PIXELS; p++) {
        if (p >= pixels)
            break;
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++) {
            if (j < k - 1 || (j < k && valid == V))
                vstore(to + j * lane, sum[p][j]);
            else if (j < k)
                vstore_n(to + j * lane, sum[p][j], valid);
        }
        to += pitch;
    }
}

/* One tile of `pixels` by k vectors. */
static inline __attribute__((always_inline)) void
run_tile(int pixels, int k, int distance, const struct run *r, const float *x, float *to)
{
    vf sum[TILE_PIXELS][TILE_VECTORS];
    ptrdiff_t one = (distance ? distance : r->pixel) * (ptrdiff_t)sizeof(float);
    ptrdiff_t pitch = r->pitch, lane = r->lane;
    const float *w = r->w;
    VEC_UNROLL
    for (int p = 0; p < TILE_PIXELS; p++) {
        if (p >= pixels)
            break;
        VEC_UNROLL
        for (int j = 0; j < TILE_VECTORS; j++)
            if (j < k)
                sum[p][j] = vload(r->bias + j * V);
    }
    for (int p = 0; p < pixels && r->ahead; p++) {
        const float *later = to + r->ahead + p * pitch;
        VEC_UNROLL
        for (int j = 0; j < k; j++)
            __builtin_prefetch(later + j * lane, IMAGE);
    }
    const char *from = (const char *)x;
    const ptrdiff_t *step = r->step, *end = step + r->n;
    if (distance == 16) {
        for (; step < end; step += r->run) {
            const char *at = from + *step, *last = at + r->run * (ptrdiff_t)sizeof(float);
#pragma GCC unroll 3
            for (; at < last; at += sizeof(float), w += k * V)
                run_step(pixels, k, distance, reach_from(at, one, distance), w, sum);
        }
    } else {
#pragma GCC unroll 3
        for (; step < end; step++, w += k * V)
            run_step(pixels, k, distance, reach_from(from + *step, one, distance), w, sum);
    }
    if (r->valid == V)
        put_tile(pixels, k, to, pitch, lane, V, sum);
    else
        put_tile(pixels, k, to, pitch, lane, r->valid, sum);
}

static inline __attribute__((always_inline)) void run_tiles_of(int pixels, int k, int distance,
                                                               const struct run *r)
{
    if (pixels > TILE_PIXELS)
        return;
    const float *x = r->x;
    float *to = r->to;
    for (int64_t i = 0; i < r->tiles; i++) {
        run_tile(pixels, k, distance, r, x, to);
        x += r->next;
        to += r->to_next;
    }
}

static inline __attribute__((always_inline)) void run_vectors(int k, int distance,
                                                              const struct run *r)
{
    switch (r->pixels) {
    case 1: run_tiles_of(1, k, distance, r); break;
    case 2: run_tiles_of(2, k, distance, r); break;
    case 3: run_tiles_of(3, k, distance, r); break;
    case 4: run_tiles_of(4, k, distance, r); break;
    case 5: run_tiles_of(5, k, distance, r); break;
    case 6: run_tiles_of(6, k, distance, r); break;
    case 7: run_tiles_of(7, k, distance, r); break;
    case 8: run_tiles_of(8, k, distance, r); break;
    case 9: run_tiles_of(9, k, distance, r); break;
    case 10: run_tiles_of(10, k, distance, r); break;
    case 11: run_tiles_of(11, k, distance, r); break;
    case 12: run_tiles_of(12, k, distance, r); break;
    case 13: run_tiles_of(13, k, distance, r); break;
    case 14: run_tiles_of(14, k, distance, r); break;
    case 15: run_tiles_of(15, k, distance, r); break;
    case 16: run_tiles_of(16, k, distance, r); break;
    case 17: run_tiles_of(17, k, distance, r); break;
    case 18: run_tiles_of(18, k, distance, r); break;
    case 19: run_tiles_of(19, k, distance, r); break;
    case 20: run_tiles_of(20, k, distance, r); break;
    case 21: run_tiles_of(21, k, distance, r); break;
    case 22: run_tiles_of(22, k, distance, r); break;
    case 23: run_tiles_of(23, k, distance, r); break;
    case 24: run_tiles_of(24, k, distance, r); break;
    case 25: run_tiles_of(25, k, distance, r); break;
    case 26: run_tiles_of(26, k, distance, r); break;
    case 27: run_tiles_of(27, k, distance, r); break;
    default: run_tiles_of(28, k, distance, r);
    }
}

static __attribute__((noinline)) void hot_runs_1(const struct run *r)
{
    run_vectors(1, 0, r);
}

static __attribute__((noinline)) void hot_runs_2(const struct run *r)
{
    run_vectors(2, 0, r);
}

static __attribute__((noinline)) void hot_runs_1_of_16(const struct run *r)
{
    run_vectors(1, 16, r);
}

static __attribute__((noinline)) void hot_runs_2_of_16(const struct run *r)
{
    run_vectors(2, 16, r);
}

static __attribute__((noinline)) void hot_image_1(const struct run *r)
{
    run_vectors(1, 1, r);
}

static __attribute__((noinline)) void hot_image_2(const struct run *r)
{
    run_vectors(1, 2, r);
}

/* Tiles of k vectors. */
static inline void run_width(int64_t k, const struct run *r)
{
    if (IMAGE)
        (r->pixel == 1 ? hot_image_1 : hot_image_2)(r);
    else if (r->pixel == 16)
        (k == 1 ? hot_runs_1_of_16 : hot_runs_2_of_16)(r);
    else
        (k == 1 ? hot_runs_1 : hot_runs_2)(r);
}

/* Vectors of outputs of a block. */
static inline int64_t block_vectors(const struct plan *d, int64_t block)
{
    return min_i64(TILE_VECTORS, d->vectors - block * TILE_VECTORS);
}

/* Packs the weights of one vector of outputs, one transpose at a time. The order is (input, tap) in nchw; else
 * (block of 16 inputs, tap, input). */
static void pack_vector(const struct plan *d, const float *weights, int64_t v)
{
    const struct conv *p = d->conv;
    int64_t taps = p->kh * p->kw, n = d->products, block = v / TILE_VECTORS;
    int64_t k = block_vectors(d, block) * V, outputs = p->oc - v * V;
    float *to = d->packed + block * TILE_LANES * n + v % TILE_VECTORS * V;
    bool planes = d->src.layout == NCHW;
    int64_t c = 0, tap = 0;
    for (int64_t i = 0; i < n; i += V) {
        vf m[V];
        load_transposed(m, weights + (outputs > 0 ? v * V * n + i : 0), n, outputs, n - i);
        for (int64_t l = 0; l < min_i64(n - i, V); l++) {
            int64_t c0 = c / 16 * 16, beside = min_i64(p->ic - c0, 16);
            int64_t row = planes ? i + l : c0 * taps + tap * beside + c - c0;
            vstore(to + row * k, m[l]);
            if (++tap == taps) {
                tap = 0;
                c++;
            }
        }
    }
}

/* How far from its pixel each row of weights reads, in bytes. */
static void list_steps(const struct plan *d)
{
    const struct conv *p = d->conv;
    int64_t together = d->src.layout == NCHW ? 1 : 16;
    ptrdiff_t *step = d->step;
    for (int64_t c0 = 0; c0 < p->ic; c0 += together)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++)
                for (int64_t c = c0; c < min_i64(c0 + together, p->ic); c++)
                    *step++ = (window_channel(&d->window, 0, c) + y * (p->dh + 1) * d->window.row +
                               x * (p->dw + 1) * d->window.pixel) *
                              (ptrdiff_t)sizeof(float);
}

/* Everything tiles read besides the input. */
static void prepare_runs(const struct plan *d, const struct args *a, int64_t thread, int64_t team)
{
    const float *bias = a->t[BIAS];
    for (int64_t c = 0; c < d->blocks * TILE_LANES; c++)
        d->bias[c] = bias && c < d->conv->oc ? bias[c] : 0;
    list_steps(d);
    if (d->alone) {
        for (int64_t v = 0; v < d->vectors; v++)
            pack_vector(d, a->t[WEIGHTS], v);
        return;
    }
    for (int64_t v = part_begin(d->vectors, team, thread);
         v < part_begin(d->vectors, team, thread + 1); v++)
        pack_vector(d, a->t[WEIGHTS], v);
    team_wait();
}

struct unit {
    int64_t n, y, rows, x, cols;
};

/* Copies pixels of a block of channels without its padding lanes: four floats at a time, in ascending order, so that the
 * next pixel overwrites the surplus of the one before. */
static void copy_narrow(const struct plan *d, const struct unit *u)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    int64_t y0 = u->y * p->sh - p->ph, x0 = u->x * p->sw - p->pw;
    int64_t left = min_i64(max_i64(-x0, 0), w->cols);
    int64_t right = max_i64(min_i64(p->iw - x0, w->cols), left);
    for (int64_t y = 0; y < w->rows; y++) {
        float *to = d->input + y * w->row, *end = to + w->row;
        if (y0 + y < 0 || y0 + y >= p->ih) {
            put_zeros_over(to, w->row);
            continue;
        }
        const float *from = d->src.data + ((u->n * p->ih + y0 + y) * p->iw + x0 + left) * 16;
        put_zeros_over(to, left * w->pixel);
        to += left * w->pixel;
        for (int64_t x = left; x < right; x++, from += 16, to += w->pixel)
            for (int64_t l = 0; l < w->pixel; l += 4)
                __builtin_memcpy(to + l, from + l, 4 * sizeof(float));
        put_zeros_over(to, end - to);
    }
}

static void copy_input(const struct plan *d, const struct unit *u)
{
    const struct conv *p = d->conv;
    if (d->reading == READ_NARROW)
        copy_narrow(d, u);
    else
        window_pack(&d->window, &d->src, u->n, 0, p->ic, u->y * p->sh - p->ph, u->x * p->sw - p->pw,
                    d->input);
}

/* A row of dst, `to`, from x on: tiles of nearly the same number of pixels. */
static inline void convolve_row(struct run *r, int64_t k, int64_t pixels, const float *x, float *to)
{
    int64_t tiles = div_up(pixels, TILE_PIXELS), more = pixels % tiles;
    r->x = x;
    r->to = to;
    for (r->pixels = pixels / tiles + 1; r->pixels >= pixels / tiles; r->pixels--) {
        r->tiles = r->pixels > pixels / tiles ? more : tiles - more;
        r->next = r->pixels * r->pixel;
        r->to_next = r->pixels * r->pitch;
        if (r->tiles)
            run_width(k, r);
        r->x += r->tiles * r->next;
        r->to += r->tiles * r->to_next;
    }
}

/* Where a block of outputs begins in the dst of a unit that lies at `to`. */
static inline float *block_at(const struct plan *d, float *to, int64_t block)
{
    int64_t c = block * TILE_LANES;
    return to + (d->dst.layout == NCHW16C ? c / 16 * d->dst.h * d->dst.w * 16 + c % 16 : c);
}

static inline void choose_block(struct run *r, const struct plan *d, int64_t block)
{
    int64_t c = block * TILE_LANES, last = block_vectors(d, block) - 1;
    r->w = d->packed + c * d->products;
    r->bias = d->bias + c;
    r->valid = d->dst.layout == NHWC ? min_i64(d->dst.c - c - last * V, V) : V;
}

/* Row by row, in the order in which dst lies in memory. */
static void convolve_rows(const struct plan *d, const struct unit *u, struct run *r, const float *x,
                          float *to, ptrdiff_t row, struct lines next)
{
    bool blocked = d->dst.layout == NCHW16C;
    for (int64_t i = 0; i < u->rows * d->blocks; i++) {
        int64_t b = blocked ? i / u->rows : i % d->blocks,
                y = blocked ? i % u->rows : i / d->blocks;
        choose_block(r, d, b);
        convolve_row(r, block_vectors(d, b), u->cols, x + y * d->conv->sh * d->window.row,
                     block_at(d, to, b) + y * row);
        lines_fetch(&next, i, u->rows * d->blocks);
    }
}

/* Tiles of the same columns of all rows: a tile then reads mostly what the one before has read. */
static void convolve_columns(const struct plan *d, const struct unit *u, struct run *r,
                             const float *x, float *to, ptrdiff_t row, struct lines next)
{
    int64_t tiles = div_up(u->cols, TILE_PIXELS);
    r->tiles = u->rows;
    r->next = d->conv->sh * d->window.row;
    r->to_next = row;
    r->ahead = r->ahead ? row : 0;
    for (int64_t i = 0; i < tiles * d->blocks; i++) {
        int64_t first = u->cols * (i % tiles) / tiles;
        r->pixels = u->cols * (i % tiles + 1) / tiles - first;
        choose_block(r, d, i / tiles);
        r->x = x + first * r->pixel;
        r->to = block_at(d, to, i / tiles) + first * r->pitch;
        run_width(block_vectors(d, i / tiles), r);
        lines_fetch(&next, i, tiles * d->blocks);
    }
}

/* The lines of the input that a unit needs. */
static inline struct lines unit_lines(const struct plan *d, const struct unit *u)
{
    const struct conv *p = d->conv;
    return lines_make(&d->src, u->n, 1, 0, p->ic, u->y * p->sh - p->ph,
                      (u->rows - 1) * p->sh + (p->kh - 1) * (p->dh + 1) + 1);
}

static void convolve_unit(const struct plan *d, const struct unit *u, const struct hints *h,
                          struct lines next)
{
    const struct conv *p = d->conv;
    const struct window *w = &d->window;
    struct planes out = planes_of(&d->dst, 0, p->oc);
    float *image = d->dst.data + u->n * out.all * out.size;
    const float *x = d->input;
    int64_t at = u->y * p->ow + u->x; /* pixel of an image */
    bool planes = d->dst.layout == NCHW;
    float *to = planes ? d->sums : image + at * out.pitch;
    struct run r = {.step = d->step, .n = d->products, .run = d->run, .pixel = p->sw * w->pixel};
    r.pitch = planes ? d->vectors * V : out.pitch;
    r.lane = d->dst.layout == NCHW16C && V == 16 ? out.size : V;
    /* What stays in L2 from one use to the next need not be fetched. */
    size_t bytes = (size_t)(p->mb * out.all * out.size) * sizeof(float);
    if (!planes && bytes > h->l2 * (size_t)h->threads && (!IMAGE || d->products <= FEW_PRODUCTS))
        r.ahead = 2 * TILE_PIXELS * r.pitch;
    if (d->reading == READ_IN_PLACE)
        x = d->src.data + u->n * w->image + u->y * p->sh * w->row + u->x * p->sw * w->pixel;
    else
        copy_input(d, u);
    bool heavy = !IMAGE && (size_t)(d->products * TILE_LANES) * sizeof(float) > h->l1 / 4;
    (heavy ? convolve_columns : convolve_rows)(d, u, &r, x, to,
                                               (planes ? u->cols : p->ow) * r.pitch, next);
    if (planes)
        for (int64_t c = 0; c < p->oc; c += V)
            turn_to_planes(image + c * out.size + at, out.size, d->sums + c, r.pitch, p->oc - c,
                           u->rows * u->cols);
}

static struct unit unit_of(const struct plan *d, int64_t i)
{
    const struct conv *p = d->conv;
    struct unit u = {
        .n = i / (d->ny * d->nx), .y = i / d->nx % d->ny * d->rows, .x = i % d->nx * d->cols};
    u.rows = min_i64(d->rows, p->oh - u.y);
    u.cols = min_i64(d->cols, p->ow - u.x);
    return u;
}

static void runs_share(const struct args *a, int thread, int team)
{
    struct plan d = runs_plan(a, thread);
    int64_t units = d.conv->mb * d.ny * d.nx;
    int64_t first = units * thread / team, last = units * (thread + 1) / team;
    prepare_runs(&d, a, thread, team);
    for (int64_t i = first; i < last; i++) {
        struct unit u = unit_of(&d, i), after = unit_of(&d, min_i64(i + 1, last - 1));
        convolve_unit(&d, &u, &a->hints, unit_lines(&d, &after));
    }
}

static void runs_run(const struct args *a)
{
    run_team(a, a->problem->conv.mb * a->problem->conv.oh * a->problem->conv.ow, runs_share);
}

#define RUNS_FWD                                                                                   \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = SUM_OF_PRODUCTS,       \
    .thread_invariant = true, .fits = runs_fits, .scratch_size = runs_scratch, .run = runs_run

/* The one-vector case. */
#define IMAGE_FWD                                                                                  \
    .formats = {{NCHW, NCHW16C}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,            \
    .fits = runs_fits, .scratch_size = runs_scratch, .run = runs_run
