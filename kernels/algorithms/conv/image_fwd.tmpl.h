/* Direct convolution forward for the first layer of a network: few input channels in nchw, as images come, and results in
 * nchw16c, as the next layer wants them. Defines image_scratch(), image_fits() and image_run().
 *
 *   sum[p] += x[step[i] + p * stride] * w[i]      p < TILE_PIXELS, all inputs and taps i
 *
 * A tile is a run of neighbouring pixels of one row of dst by one vector of outputs. Neighbours are `stride` floats apart, a
 * constant, so all pixels are read from one pointer by FMAs whose factor is broadcast from memory: a product is one
 * instruction, and a tap costs one load of weights besides. Lanes that are no channels are not read, and a row of a
 * block of dst is written from its beginning to its end.
 *
 * runs_fwd.tmpl.h loads each pixel for two vectors of outputs. Here there are two thirds of the instructions and half of the
 * weights in L1 at a time, which pays most where another thread shares the core. Limited by the FMA ports; where a sum has
 * few products and dst is beyond the L2, by its stores.
 *
 *   pack the weights, [vector of outputs][input and tap][lane], zeros beyond the outputs
 *   for each unit (some rows of an image)                                                    dealt to threads
 *     copy its input with its padding, or read the input where it lies if there is none
 *     for each vector of outputs and each row: a call, which makes all tiles of the row
 *
 * The including file defines TILE_PIXELS. Sums are made in one order whatever the tile: inputs, taps. */
#define TILE_VECTORS 1
#include "algorithms/conv/direct_core.tmpl.h"

/* Floats of dst in a unit, and units that keep most teams busy. */
#define UNIT_FLOATS (64 * 1024)
#define UNITS 16
/* Floats of packed weights so few that waiting for another thread's would take longer. */
#define ALONE_FLOATS 4096
/* Products of a sum so few that its store takes as long. Where dst is beyond the L2 as well, lines are fetched so many
 * pixels before they are written. */
#define FEW_PRODUCTS 64
#define AHEAD_PIXELS (2 * TILE_PIXELS)

struct plan {
    const struct conv *conv;
    struct tensor src, dst;
    bool in_place;
    int64_t products; /* of a sum */
    int64_t vectors;  /* of outputs */
    int64_t rows, ny; /* of dst in a unit, units of an image */
    struct window window;
    bool alone;                   /* every thread packs all weights */
    bool ahead;                   /* lines of dst are fetched before they are written */
    float *packed, *bias, *input; /* scratch */
    ptrdiff_t *step;
    size_t bytes;
};

static bool has_padding(const struct conv *p)
{
    return p->ph > 0 || p->pw > 0 || (p->oh - 1) * p->sh + (p->kh - 1) * (p->dh + 1) >= p->ih ||
           (p->ow - 1) * p->sw + (p->kw - 1) * (p->dw + 1) >= p->iw;
}

static struct plan image_plan(const struct problem *problem, struct formats f, float *const t[],
                              void *scratch, int thread)
{
    const struct conv *p = &problem->conv;
    struct plan d = {.conv = p,
                     .src = {t[SRC], f.src, p->ic, p->ih, p->iw},
                     .dst = {t[DST], f.dst, p->oc, p->oh, p->ow},
                     .in_place = !has_padding(p),
                     .products = p->ic * p->kh * p->kw,
                     .vectors = div_up(p->oc, 16) * 16 / V};
    int64_t most = min_i64(UNIT_FLOATS / (p->ow * d.vectors * V), p->mb * p->oh / UNITS);
    d.ny = div_up(p->oh, max_i64(most, 1));
    d.rows = div_up(p->oh, d.ny);
    d.ny = div_up(p->oh, d.rows);
    d.window = window_make(NCHW, (d.rows - 1) * p->sh + (p->kh - 1) * (p->dh + 1) + 1,
                           (p->ow - 1) * p->sw + (p->kw - 1) * (p->dw + 1) + 1, p->ic);
    if (d.in_place)
        d.window = (struct window){.layout = NCHW,
                                   .pixel = 1,
                                   .row = p->iw,
                                   .plane = p->ih * p->iw,
                                   .image = p->ic * p->ih * p->iw};
    d.alone = d.vectors * V * d.products <= ALONE_FLOATS;
    const int64_t packed = d.vectors * V * d.products;
    const size_t shared = d.alone ? 0 : ((size_t)packed * sizeof(float) + 63) / 64 * 64;
    d.packed = scratch;
    /* First only counted: the share of a thread lies behind those before it. */
    size_t own = 0;
    for (int pass = 0; pass < 2; pass++) {
        struct carver c = {.base = pass && scratch ? (char *)scratch + shared + (size_t)thread * own
                                                   : NULL};
        float *mine = carve(&c, d.alone ? packed : 0, sizeof(float));
        if (d.alone)
            d.packed = mine;
        d.bias = carve(&c, d.vectors * V, sizeof(float));
        d.step = carve(&c, d.products, sizeof *d.step);
        d.input = carve(&c, d.in_place ? 0 : window_floats(&d.window, 1), sizeof(float));
        own = c.used;
    }
    d.bytes = shared + own * (size_t)(thread + 1);
    return d;
}

static size_t image_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    static float *const none[ROLE_COUNT];
    return image_plan(p, f, none, NULL, h->threads - 1).bytes;
}

static const char *image_fits(const struct problem *p, struct formats f)
{
    (void)f;
    if (p->conv.g > 1)
        return "has groups";
    return p->conv.sw > 2 ? "a horizontal stride above 2" : NULL;
}

/* A row of tiles, as many as `tiles` of `pixels`. `step` has a byte distance for each of n products. */
struct run {
    const float *x, *w, *bias;
    float *to;
    const ptrdiff_t *step;
    int64_t n, pixels, tiles;
    bool ahead; /* fetch lines of dst */
};

/* One tile, pixels of dst 16 floats apart. */
static inline __attribute__((always_inline)) void
image_tile(int pixels, int stride, const struct run *r, const float *x, float *to)
{
    vf sum[TILE_PIXELS];
    const float *w = r->w;
    VEC_UNROLL
    for (int p = 0; p < pixels; p++)
        sum[p] = vload(r->bias);
    for (int p = 0; p < pixels && r->ahead; p++)
        __builtin_prefetch(to + (p + AHEAD_PIXELS) * 16, 1);
    for (const ptrdiff_t *step = r->step, *end = step + r->n; step < end; step++, w += V) {
        const char *at = (const char *)x + *step;
        /* Hidden from the compiler: it would address by two registers, and then an FMA that reads memory is split. */
        __asm__("" : "+r"(at));
        vf row = vload(w);
        VEC_UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vfma(vset1(((const float *)at)[p * stride]), row, sum[p]);
    }
    VEC_UNROLL
    for (int p = 0; p < pixels; p++)
        vstore(to + p * 16, sum[p]);
}

static inline __attribute__((always_inline)) void tiles_of(int pixels, int stride,
                                                           const struct run *r)
{
    if (pixels > TILE_PIXELS)
        return;
    const float *x = r->x;
    float *to = r->to;
    for (int64_t i = 0; i < r->tiles; i++, x += pixels * stride, to += pixels * 16)
        image_tile(pixels, stride, r, x, to);
}

static inline __attribute__((always_inline)) void image_row(int stride, const struct run *r)
{
    switch (r->pixels) {
    case 1: tiles_of(1, stride, r); break;
    case 2: tiles_of(2, stride, r); break;
    case 3: tiles_of(3, stride, r); break;
    case 4: tiles_of(4, stride, r); break;
    case 5: tiles_of(5, stride, r); break;
    case 6: tiles_of(6, stride, r); break;
    case 7: tiles_of(7, stride, r); break;
    case 8: tiles_of(8, stride, r); break;
    case 9: tiles_of(9, stride, r); break;
    case 10: tiles_of(10, stride, r); break;
    case 11: tiles_of(11, stride, r); break;
    case 12: tiles_of(12, stride, r); break;
    case 13: tiles_of(13, stride, r); break;
    case 14: tiles_of(14, stride, r); break;
    case 15: tiles_of(15, stride, r); break;
    case 16: tiles_of(16, stride, r); break;
    case 17: tiles_of(17, stride, r); break;
    case 18: tiles_of(18, stride, r); break;
    case 19: tiles_of(19, stride, r); break;
    case 20: tiles_of(20, stride, r); break;
    case 21: tiles_of(21, stride, r); break;
    case 22: tiles_of(22, stride, r); break;
    case 23: tiles_of(23, stride, r); break;
    case 24: tiles_of(24, stride, r); break;
    case 25: tiles_of(25, stride, r); break;
    case 26: tiles_of(26, stride, r); break;
    case 27: tiles_of(27, stride, r); break;
    default: tiles_of(28, stride, r);
    }
}

static __attribute__((noinline)) void hot_image_1(const struct run *r)
{
    image_row(1, r);
}

static __attribute__((noinline)) void hot_image_2(const struct run *r)
{
    image_row(2, r);
}

/* Everything tiles read besides the input. */
static void prepare_weights(const struct plan *d, const struct args *a, int64_t thread,
                            int64_t team)
{
    const struct conv *p = d->conv;
    const float *bias = a->t[BIAS];
    for (int64_t c = 0; c < d->vectors * V; c++)
        d->bias[c] = bias && c < p->oc ? bias[c] : 0;
    ptrdiff_t *step = d->step;
    for (int64_t c = 0; c < p->ic; c++)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++)
                *step++ =
                    (c * d->window.plane + y * (p->dh + 1) * d->window.row + x * (p->dw + 1)) *
                    (ptrdiff_t)sizeof(float);
    int64_t n = d->products, first = d->alone ? 0 : d->vectors * thread / team,
            last = d->alone ? d->vectors : d->vectors * (thread + 1) / team;
    for (int64_t v = first; v < last; v++) {
        int64_t outputs = min_i64(p->oc - v * V, V);
        for (int64_t i = 0; i < n; i += V) {
            vf m[V];
            load_transposed(m, outputs > 0 ? a->t[WEIGHTS] + v * V * n + i : a->t[WEIGHTS], n,
                            outputs, n - i);
            for (int64_t l = 0; l < min_i64(n - i, V); l++)
                vstore(d->packed + (v * n + i + l) * V, m[l]);
        }
    }
    if (!d->alone)
        team_wait();
}

struct unit {
    int64_t n, y, rows;
};

static struct unit unit_of(const struct plan *d, int64_t i)
{
    struct unit u = {.n = i / d->ny, .y = i % d->ny * d->rows};
    u.rows = min_i64(d->rows, d->conv->oh - u.y);
    return u;
}

/* A row of dst, `to`: tiles of nearly the same number of pixels. */
static inline void convolve_row(struct run *r, int64_t stride, int64_t pixels, const float *x,
                                float *to)
{
    int64_t tiles = div_up(pixels, TILE_PIXELS), more = pixels % tiles;
    r->x = x;
    r->to = to;
    for (r->pixels = pixels / tiles + 1; r->pixels >= pixels / tiles; r->pixels--) {
        r->tiles = r->pixels > pixels / tiles ? more : tiles - more;
        if (r->tiles)
            (stride == 1 ? hot_image_1 : hot_image_2)(r);
        r->x += r->tiles * r->pixels * stride;
        r->to += r->tiles * r->pixels * 16;
    }
}

static void convolve_unit(const struct plan *d, const struct unit *u, struct lines next)
{
    const struct conv *p = d->conv;
    const int64_t plane = p->oh * p->ow * 16;
    float *to = d->dst.data + u->n * div_up(p->oc, 16) * plane + u->y * p->ow * 16;
    const float *x = d->input;
    if (d->in_place)
        x = d->src.data + u->n * d->window.image + u->y * p->sh * d->window.row;
    else
        window_pack(&d->window, &d->src, u->n, 0, p->ic, u->y * p->sh - p->ph, -p->pw, d->input);
    struct run r = {.step = d->step, .n = d->products, .ahead = d->ahead};
    for (int64_t v = 0, i = 0; v < d->vectors; v++) {
        r.w = d->packed + v * V * d->products;
        r.bias = d->bias + v * V;
        for (int64_t y = 0; y < u->rows; y++, i++) {
            convolve_row(&r, p->sw, p->ow, x + y * p->sh * d->window.row,
                         to + v * V / 16 * plane + v * V % 16 + y * p->ow * 16);
            lines_fetch(&next, i, u->rows * d->vectors);
        }
    }
}

static void image_share(const struct args *a, int thread, int team)
{
    struct plan d = image_plan(a->problem, a->formats, a->t, a->scratch, thread);
    const struct conv *p = d.conv;
    int64_t units = p->mb * d.ny, first = units * thread / team, last = units * (thread + 1) / team;
    const size_t bytes = (size_t)(p->mb * d.vectors * V * p->oh * p->ow) * sizeof(float);
    d.ahead = d.products <= FEW_PRODUCTS && bytes > a->hints.l2 * (size_t)team;
    prepare_weights(&d, a, thread, team);
    for (int64_t i = first; i < last; i++) {
        struct unit u = unit_of(&d, i), after = unit_of(&d, min_i64(i + 1, last - 1));
        struct lines next = lines_make(&d.src, after.n, 1, 0, p->ic, after.y * p->sh - p->ph,
                                       (after.rows - 1) * p->sh + (p->kh - 1) * (p->dh + 1) + 1);
        convolve_unit(&d, &u, next);
    }
}

static void image_run(const struct args *a)
{
    run_team(a, a->problem->conv.mb * a->problem->conv.oh * a->problem->conv.ow, image_share);
}

#define IMAGE_FWD                                                                                  \
    .formats = {{NCHW, NCHW16C}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,            \
    .fits = image_fits, .scratch_size = image_scratch, .run = image_run
