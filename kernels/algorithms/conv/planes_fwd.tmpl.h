/* Direct convolution forward with pixels in the lanes, nchw, any number of channels. Defines planes_scratch() and
 * planes_run().
 *
 * The input of a unit (a few images, or some rows of one) is copied into planes: one for each channel, kernel column kw
 * and remainder of the kernel rows by the vertical stride,
 *
 *   plane[y][x] = src[y sh + row][x sw + kw (dw + 1) - pw]      zeros outside the image, rows as long as those of dst
 *
 * so that output pixels, counted row by row, are neighbours in every plane. Tap (kh, kw) of any V output pixels is V
 * contiguous floats of plane kw, kh rows further on. After the copy, stride, dilation and padding need no code, and no
 * vector is cut off at the end of a row. Lanes are not channels: 60 outputs are 10 blocks of 6.
 *
 * Limited by the FMA ports and the loads that feed them; few outputs by the copies, few inputs by calls and stores of dst:
 * below some ten inputs rows_fwd.tmpl.h is faster where rows fill vectors. On two cores of a Sapphire Rapids layers of 60
 * channels reach 63 (8x8) to 76 % (32x32) of the FMA peak, direct_data.tmpl.h beside it 51 to 62, as it has channels in the
 * lanes, packs row by row and transposes its sums; on two of a Zen 4 deep kernels of 1x1 reach 90 % and more.
 *
 *   pack the weights, [group][block of inputs][block of outputs][input, tap][output]     dealt to threads
 *   for each unit                                                                        dealt to threads
 *     for each block of inputs, as many as stay in L1
 *       copy the planes
 *       for each tile of pixels
 *         for each block of outputs: the micro-kernel, from bias or the sums so far
 *
 * Between blocks of inputs, sums wait in scratch in the order in which tiles read them, which suits hardware prefetchers
 * and needs few pages. The last block writes dst from registers. Small images whose size is no multiple of V are
 * interleaved in the planes, [y][image][x], and their sums are moved to dst at the end; other images end in a vector that
 * overlaps the one before. 1x1 kernels at stride 1 read src in place, if few lanes of a unit's last vector are computed
 * twice, and if the distance of planes does not put their lines into few sets of the L1.
 * Each sum is made in one lane, in the order of inputs and taps, whatever the tile. So a thread may combine its images
 * into units without changing bits. */
#include "shared/partition.h"

/* Parameters: those of pixel_tile.tmpl.h. Rows of pixels have no ends. */
static const bool TILE_NARROW = false;

#include "algorithms/conv/pixel_tile.tmpl.h"
#include "shared/floats.h"
#include "shared/taps.h"

/* Pixels of a unit, most and fewest: enough to pay for the rows that units share, */
#define UNIT_PIXELS 1024
#define UNIT_PIXELS_MIN 128
/* and sums of one: half of an L2 of 1 MiB. */
#define UNIT_SUMS (128 * 1024)
/* Outputs computed from one copy of the planes, and without copies: units have more pixels then. */
#define SHARE_OUTPUTS 512
#define SHARE_READING 128
/* Floats of the planes that a tile reads. They stay in L1 while all outputs pass over them. If src is read in place they
 * stay in L2: it gains more that sums need not wait, and the time from L2 is hidden. */
#define TILE_INPUT 5120
#define TILE_READING (16 * 1024)
/* Items of work that keep most teams busy. */
#define ITEMS 8
/* A copy takes about as long as so many outputs, */
#define COPY_OUTPUTS 12
/* Planes at a distance that is a multiple of so many floats are copied: with a distance of 8 lines or more, planes begin
 * in at most 8 of the 64 sets of an L1. */
#define SAME_SETS 128

#define TILE_PIXELS (TILE_VECTORS * V)

struct plan {
    const struct conv *conv;
    int64_t inputs, outputs, taps; /* channels per group */
    int64_t blocks, shares;        /* blocks of outputs, parts they are dealt in */
    int64_t rows, cols, ny, nx;    /* output pixels of an item, items of an image */
    int64_t images;                /* most images of a unit; 1 unless an item is a whole image */
    /* Kernel rows that are a multiple of `period` apart share a plane, `jump` rows apart. */
    int64_t period, phases, jump;
    int64_t extra;                /* rows of a plane beyond those of the output */
    int64_t plane;                /* floats from plane to plane */
    int64_t block, passes;        /* input channels at a time, how many times */
    int64_t pitch;                /* of sums that are moved to dst: floats from output to output */
    float *packed, *input, *sums; /* scratch */
    const float **at;
    float **to, **sum;
    ptrdiff_t *step;
    struct cut *cuts;
    bool reads_src; /* planes are those of src */
    float *masks; /* [kw][period], 1 or 0: which elements of successive rows lie inside the image */
    int64_t repeat; /* floats after which masks repeat */
    int64_t *begin; /* of the blocks of outputs */
    size_t bytes;
};

/* What the rows of a plane hold: element i is from[i stride] for left <= i < end, else 0. */
struct cut {
    int64_t shift, left, end, cols, stride;
};

/* Cuts images into items of at most `most` pixels, whole rows unless a row alone is longer. */
static void cut_images(struct plan *d, int64_t most)
{
    const struct conv *p = d->conv;
    d->nx = div_up(p->ow, max_i64(most, UNIT_PIXELS_MIN));
    d->cols = div_up(p->ow, d->nx);
    d->nx = div_up(p->ow, d->cols);
    d->ny = d->nx > 1 ? p->oh : div_up(p->oh, max_i64(most / p->ow, 1));
    d->rows = div_up(p->oh, d->ny);
    d->ny = div_up(p->oh, d->rows);
}

/* Shares of the outputs and items of the images; returns the most pixels of a unit. */
static int64_t cut_work(struct plan *d)
{
    const struct conv *p = d->conv;
    d->shares = div_up(d->outputs, d->reads_src ? SHARE_READING : SHARE_OUTPUTS);
    int64_t share = min_i64(div_up(d->blocks, d->shares) * TILE_OUTPUTS, d->outputs);
    int64_t pixels = max_i64(min_i64(UNIT_SUMS / share, UNIT_PIXELS), UNIT_PIXELS_MIN);
    /* Few images: smaller parts of them, then fewer outputs at a time. */
    int64_t few = div_up(p->mb * p->g * p->oh * p->ow, ITEMS);
    cut_images(d, p->mb * p->g < ITEMS ? max_i64(min_i64(few, pixels), UNIT_PIXELS_MIN) : pixels);
    int64_t items = p->g * p->mb * d->ny * d->nx;
    d->shares = min_i64(max_i64(div_up(ITEMS, items), d->shares), d->blocks);
    return pixels;
}

/* Are units runs of pixels of src, which make no fewer outputs than copies of them would? */
static bool reads_src(const struct plan *d)
{
    const struct conv *p = d->conv;
    int64_t run = d->rows * d->cols, area = p->ih * p->iw;
    bool pointwise = d->taps == 1 && p->sh == 1 && p->sw == 1 && p->ph == 0 && p->pw == 0 &&
                     p->oh == p->ih && p->ow == p->iw;
    bool whole = p->ow >= V || (d->ny == 1 && run >= V);
    return pointwise && whole && area % SAME_SETS != 0 &&
           (row_vectors(run) * V - run) * d->outputs <= run * COPY_OUTPUTS;
}

static struct plan planes_plan(const struct args *a, int thread)
{
    const struct conv *p = &a->problem->conv;
    struct plan d = {.conv = p, .inputs = p->ic / p->g, .outputs = p->oc / p->g};
    d.taps = p->kh * p->kw;
    d.blocks = blocks_of(d.outputs);
    d.reads_src = true;
    int64_t pixels = cut_work(&d);
    if (!reads_src(&d)) {
        d.reads_src = false;
        pixels = cut_work(&d);
    }
    d.images =
        d.ny * d.nx > 1 || d.reads_src ? 1 : min_i64(max_i64(pixels / (p->oh * p->ow), 1), p->mb);

    d.period = p->sh / common_divisor(p->sh, p->dh + 1);
    d.phases = min_i64(d.period, p->kh);
    d.jump = d.period * (p->dh + 1) / p->sh;
    d.extra = (p->kh - 1) / d.period * d.jump;
    int64_t run = d.rows * d.cols;
    bool beside = d.images > 1 && run % V > 0;
    int64_t groups = beside ? 1 : d.images, row = beside ? d.images * d.cols : d.cols;
    /* An odd number of cache lines: planes then spread over all sets of the cache. */
    d.plane = (div_up(groups * (d.rows + d.extra) * row, 16) | 1) * 16;
    if (d.reads_src)
        d.plane = p->ih * p->iw;
    int64_t reach = min_i64(p->kh * TILE_PIXELS, d.phases * TILE_PIXELS + d.extra * row);
    d.block = max_i64((d.reads_src ? TILE_READING : TILE_INPUT) / (p->kw * reach), 1);
    d.passes = div_up(d.inputs, d.block);
    d.block = div_up(d.inputs, d.passes);
    d.passes = div_up(d.inputs, d.block);

    int64_t vectors = groups * row_vectors(d.rows * row) + TILE_VECTORS;
    d.pitch = (vectors | 1) * V;
    struct carver c = carve_from(a->scratch, thread);
    d.packed = carve(&c, p->oc * d.inputs * d.taps, sizeof(float));
    carve_own(&c, &d.input, d.reads_src ? 0 : d.block * d.phases * p->kw * d.plane + row + 2 * V,
              sizeof(float));
    carve_own(&c, &d.sums, div_up(d.blocks, d.shares) * TILE_OUTPUTS * d.pitch, sizeof(float));
    carve_own(&c, &d.at, vectors, sizeof *d.at);
    carve_own(&c, &d.to, vectors, sizeof *d.to);
    carve_own(&c, &d.sum, vectors, sizeof *d.sum);
    carve_own(&c, &d.step, (d.reads_src ? d.inputs : d.block) * d.taps, sizeof *d.step);
    carve_own(&c, &d.cuts, p->kw, sizeof *d.cuts);
    carve_own(&c, &d.begin, d.blocks + 1, sizeof *d.begin);
    d.repeat = d.cols / common_divisor(d.cols, V) * V;
    carve_own(&c, &d.masks, p->kw * d.repeat, sizeof(float));
    d.bytes = carve_end(&c);
    return d;
}

static size_t planes_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct args a = args_to_count(p, f, h);
    return planes_plan(&a, h->threads - 1).bytes;
}

/* Tiles of the packing: (group, block of outputs). */
static void pack_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = planes_plan(a, thread);
    for (int64_t i = first; i < last; i++) {
        int64_t g = i / d.blocks, o = part_begin(d.outputs, d.blocks, i % d.blocks);
        const float *from = a->t[WEIGHTS] + g * d.outputs * d.inputs * d.taps;
        for (int64_t c = 0; c < d.inputs; c += d.block) {
            int64_t n = min_i64(d.inputs - c, d.block);
            float *to = d.packed + ((g * d.inputs + c) * d.outputs + o * n) * d.taps;
            pack_block(to, from, d.outputs, d.inputs, d.taps, i % d.blocks, c, n);
        }
    }
}

/* A unit: images n0 .. n0 + images, output rows y0 .. y0 + rows, columns x0 .. x0 + cols. */
struct unit {
    int64_t group, n0, images, y0, rows, x0, cols;
    int64_t beside, height; /* images side by side: 1 or all; rows of a plane */
    bool shifted;           /* rows of planes follow each other as in src */
    bool moved; /* sums are not made where dst can take whole vectors: they are moved in the end */
    int64_t vectors;
    int64_t pitch; /* of the sums, from output to output */
};

/* Rows of a plane: row y of all images, then row y + 1. Distances in src. */
struct source {
    const float *at;
    int64_t rows, images, row, image;
};

/* Rows of whole + rest floats and zeros, `cols` floats from one to the next. */
static inline __attribute__((always_inline)) void
put_runs(float *to, const struct source *s, int64_t whole, int64_t rest, int64_t cols)
{
    const float *row = s->at;
    for (int64_t y = 0; y < s->rows; y++, row += s->row) {
        const float *from = row;
        for (int64_t n = 0; n < s->images; n++, from += s->image, to += cols) {
            int64_t i = 0;
            for (; i < whole; i += V)
                vstore(to + i, vload(from + i));
            if (rest) {
                vstore(to + i, vload_n(from + i, rest));
                i += V;
            }
            for (; i < cols; i += V)
                vstore(to + i, vzero());
        }
    }
}

static void put_strided(float *to, const struct source *s, int64_t stride, int64_t n, int64_t cols)
{
    const float *row = s->at;
    for (int64_t y = 0; y < s->rows; y++, row += s->row) {
        const float *from = row;
        for (int64_t m = 0; m < s->images; m++, from += s->image, to += cols) {
            int64_t i = 0;
            for (; i < n; i++)
                to[i] = from[i * stride];
            for (; i < cols; i += V)
                vstore(to + i, vzero());
        }
    }
}

/* Zeros may be written beyond the end of a row, by at most a vector and the zeros at the beginning of the next row,
 * because rows are written in ascending order. */
static void put_rows(float *to, struct source s, const struct cut *cut)
{
    int64_t left = cut->left, n = cut->end - left, cols = cut->cols;
    if (n == cols && cut->stride == 1 && s.row == cols && s.images == 1) {
        n = cols = s.rows * cols;
        s.rows = min_i64(s.rows, 1);
    }
    int64_t whole = n / V * V, rest = n - whole;
    if (left > 0)
        put_zeros(to, left);
    to += left;
    s.at += left * cut->stride;
    if (cut->stride > 1)
        put_strided(to, &s, cut->stride, n, cols);
    else if (whole == 0)
        put_runs(to, &s, 0, rest, cols);
    else if (whole == V)
        put_runs(to, &s, V, rest, cols);
    else
        put_runs(to, &s, whole, rest, cols);
}

/* Elements i .. end of a plane whose rows follow each other as in src; both are multiples of V. */
static void put_shifted(float *to, const float *from, int64_t i, int64_t end, const float *mask,
                        int64_t repeat)
{
    int64_t m = i % repeat;
    for (; i < end; i += V) {
        vstore(to + i, vkeep_positive(vload(mask + m), vload(from + i)));
        m = m + V < repeat ? m + V : 0;
    }
}

/* Copies the planes of channels c0 .. c0 + channels. */
static void put_planes(const struct plan *d, const struct unit *u, const float *src, int64_t c0,
                       int64_t channels)
{
    const struct conv *p = d->conv;
    int64_t area = p->ih * p->iw, image = p->ic * area, row = u->beside * u->cols;
    const float *src_end = src + p->mb * image;
    for (int64_t c = 0; c < channels; c++) {
        const float *channel = src + (u->n0 * p->ic + u->group * d->inputs + c0 + c) * area;
        for (int64_t q = 0; q < d->phases; q++) {
            /* Row y of the plane is row y sh + low of the image. */
            int64_t low = u->y0 * p->sh + q * (p->dh + 1) - p->ph;
            int64_t top = min_i64(max_i64(div_up(-low, p->sh), 0), u->height);
            int64_t end = max_i64(min_i64(div_up(p->ih - low, p->sh), u->height), top);
            for (int64_t k = 0; k < p->kw; k++) {
                const struct cut *cut = d->cuts + k;
                const float *from = channel + (low + top * p->sh) * p->iw + cut->shift;
                float *to = d->input + ((c * d->phases + q) * p->kw + k) * d->plane;
                for (int64_t n = 0; n < u->images; n += u->beside, to += u->height * row) {
                    struct source rows = {.at = from + n * image,
                                          .rows = end - top,
                                          .images = u->beside,
                                          .row = p->sh * p->iw,
                                          .image = image};
                    /* A shifted run reads elements to the left and right, which belong to other rows. */
                    const float *run = rows.at - top * row;
                    int64_t i = top * row / V * V, stop = div_up(end * row, V) * V;
                    if (u->shifted && run + i >= src && run + stop <= src_end)
                        put_shifted(to, run, i, stop, d->masks + k * d->repeat, d->repeat);
                    else
                        put_rows(to + top * row, rows, cut);
                    put_zeros(to, top * row);
                    put_zeros(to + end * row, (u->height - end) * row);
                }
            }
        }
    }
}

/* Where the rows of planes come from. */
static void place_cuts(const struct plan *d, const struct unit *u)
{
    const struct conv *p = d->conv;
    for (int64_t k = 0; k < p->kw; k++) {
        struct cut *cut = d->cuts + k;
        cut->shift = u->x0 * p->sw + k * (p->dw + 1) - p->pw;
        cut->cols = u->cols;
        cut->stride = p->sw;
        cut->left = min_i64(max_i64(div_up(-cut->shift, p->sw), 0), u->cols);
        cut->end = max_i64(min_i64(div_up(p->iw - cut->shift, p->sw), u->cols), cut->left);
        for (int64_t i = 0; u->shifted && i < d->repeat; i++) {
            int64_t x = i % u->cols;
            d->masks[k * d->repeat + i] = x >= cut->left && x < cut->end ? 1.0f : 0.0f;
        }
    }
}

/* Where the vectors of a unit lie in planes, sums and dst. */
static void place_vectors(const struct plan *d, struct unit *u, int64_t outputs, const float *src,
                          float *dst)
{
    const struct conv *p = d->conv;
    u->beside = u->images > 1 && u->rows * u->cols % V > 0 ? u->images : 1;
    u->height = u->rows + d->extra;
    /* Masks are worth making where they are used more than once. */
    u->shifted = u->beside == 1 && p->sw == 1 && p->sh == 1 && u->cols == p->iw &&
                 d->repeat <= u->height * u->cols;
    int64_t run = u->beside * u->rows * u->cols, count = 0;
    u->moved = u->beside > 1 || run < V; /* one run of pixels then */
    for (int64_t n = 0; n < u->images; n += u->beside) {
        const float *at = d->input + n * u->height * u->cols;
        if (d->reads_src)
            at = src + ((u->n0 + n) * p->ic + u->group * d->inputs) * d->plane + u->y0 * p->iw +
                 u->x0;
        float *to = dst + ((u->n0 + n) * p->oc + u->group * d->outputs) * p->oh * p->ow +
                    u->y0 * p->ow + u->x0;
        for (int64_t i = 0; i < run; i += V, count++) {
            /* The last vector of an image may overlap the one before. */
            int64_t x = u->moved ? i : min_i64(i, run - V);
            d->at[count] = at + x;
            d->to[count] = to + x;
        }
    }
    u->vectors = count;
    /* Sums that are not moved lie as they are read: tile by tile, output by output. */
    u->pitch = u->moved ? d->pitch : TILE_PIXELS;
    int64_t tiles = div_up(count, TILE_VECTORS);
    for (int64_t t = 0, v = 0; v < count; t++)
        for (int64_t first = v, end = part_begin(count, tiles, t + 1); v < end; v++)
            d->sum[v] = d->sums + (u->moved ? v * V : t * outputs * TILE_PIXELS + (v - first) * V);
}

/* Offsets of the taps of `channels` channels in the planes. */
static void place_taps(const struct plan *d, const struct unit *u, int64_t channels)
{
    const struct conv *p = d->conv;
    ptrdiff_t *step = d->step;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++)
                *step++ = ((c * d->phases + y % d->period) * p->kw + x) * d->plane +
                          y / d->period * d->jump * u->beside * u->cols;
}

/* Moves `outputs` sums of each pixel to dst, output o first, where images lie side by side or pixels fill no vector. */
static void put_sums(const struct plan *d, const struct unit *u, float *dst, int64_t o,
                     int64_t outputs)
{
    const struct conv *p = d->conv;
    int64_t area = p->oh * p->ow, whole = u->cols / V * V, rest = u->cols - whole;
    for (int64_t l = 0; l < outputs; l++) {
        const float *from = d->sums + l * d->pitch;
        float *row =
            dst + (u->n0 * p->oc + u->group * d->outputs + o + l) * area + u->y0 * p->ow + u->x0;
        for (int64_t y = 0; y < u->rows; y++, row += p->ow) {
            float *to = row;
            for (int64_t n = 0; n < u->images; n++, to += p->oc * area, from += u->cols) {
                for (int64_t x = 0; x < whole; x += V)
                    vstore(to + x, vload(from + x));
                if (rest)
                    vstore_n(to + whole, vload(from + whole), rest);
            }
        }
    }
}

/* The input of a unit: channels c0 .. c0 + channels. */
static struct lines unit_lines(const struct plan *d, const float *src, const struct unit *u,
                               int64_t c0, int64_t channels)
{
    const struct conv *p = d->conv;
    int64_t first = u->y0 * p->sh - p->ph, top = min_i64(max_i64(first, 0), p->ih);
    int64_t end = first + (u->rows + d->extra - 1) * p->sh + (d->phases - 1) * (p->dh + 1) + 1;
    return (struct lines){.at = src +
                                ((u->n0 * p->ic + u->group * d->inputs + c0) * p->ih + top) * p->iw,
                          .images = u->images,
                          .planes = channels,
                          .run = max_i64(min_i64(end, p->ih) - top, 0) * p->iw,
                          .image = p->ic * p->ih * p->iw,
                          .plane = p->ih * p->iw};
}

/* Prefetches k outputs of some vectors, `pitch` floats apart, into L2. Not into L1: channels of dst may be 4 KiB apart,
 * and so many lines of one set would evict the planes. */
static inline void fetch_outputs(float *const *to, int64_t vectors, ptrdiff_t out, int64_t pitch,
                                 int64_t k)
{
    for (int64_t o = 0; o < k; o++)
        for (int64_t v = 0; v < vectors; v += div_up(16, V))
            __builtin_prefetch(to[v] + out + o * pitch, 1, 2);
}

/* The same of sums that will be moved, `vectors` at a time, into L1. Others are read in the order they lie in. */
static inline void fetch_sums(const float *from, int64_t vectors, int64_t pitch, int64_t k)
{
    for (int64_t o = 0; o < k; o++)
        for (int64_t v = 0; v < vectors; v += div_up(16, V))
            __builtin_prefetch(from + o * pitch + v * V, 1, 3);
}

/* Where src is read: what comes after the inputs c .. c + n of a tile that ends with vector `after`, less the offset of those
 * inputs: the next tile's pixels, the first ones of more inputs, or of the next unit. */
static const float *read_next(const struct plan *d, const struct unit *u, const float *src,
                              int64_t after, int64_t c, int64_t n, const struct unit *next)
{
    const struct conv *p = d->conv;
    if (after < u->vectors)
        return d->at[after];
    if (c + n < d->inputs)
        return d->at[0] + n * d->plane;
    return src + (next->n0 * p->ic + next->group * d->inputs - c) * d->plane + next->y0 * p->iw +
           next->x0;
}

/* Blocks first .. last of the outputs of a unit. Meanwhile the input of unit `next` is fetched. */
static void convolve_unit(const struct plan *d, const struct args *a, struct unit *u, int64_t first,
                          int64_t last, const struct unit *next)
{
    static const float zeros[TILE_OUTPUTS];
    const struct conv *p = d->conv;
    const int64_t *begin = d->begin;
    place_vectors(d, u, begin[last] - begin[first], a->t[SRC], a->t[DST]);
    place_cuts(d, u);
    place_taps(d, u, d->reads_src ? d->inputs : d->block);
    int64_t tiles = div_up(u->vectors, TILE_VECTORS);
    struct job j = {.step = d->step, .pitch = u->pitch};
    for (int64_t c = 0; c < d->inputs; c += d->block) {
        int64_t n = min_i64(d->inputs - c, d->block);
        bool end = c + n == d->inputs, in_place = end && !u->moved;
        if (d->reads_src)
            j.step = d->step + c;
        else
            put_planes(d, u, a->t[SRC], c, n);
        int64_t after = end ? 0 : c + n;
        struct lines soon =
            unit_lines(d, a->t[SRC], end ? next : u, after, min_i64(d->inputs - after, d->block));
        struct lines_ahead ahead = lines_start(&soon, tiles * (last - first));
        j.steps = n * d->taps;
        j.out_pitch = in_place ? p->oh * p->ow : u->pitch;
        const float *w = d->packed + (u->group * d->inputs + c) * d->outputs * d->taps;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t v = part_begin(u->vectors, tiles, t);
            int64_t end_v = part_begin(u->vectors, tiles, t + 1);
            const float *then = d->reads_src ? read_next(d, u, a->t[SRC], end_v, c, n, next) : NULL;
            j.vectors = end_v - v;
            j.at = d->at + v;
            j.to = in_place ? d->to + v : d->sum + v;
            for (int64_t b = first; b < last; b++) {
                int64_t o = begin[b], k = begin[b + 1] - o, out = o - begin[first];
                j.bias = a->t[BIAS] ? a->t[BIAS] + u->group * d->outputs + o : zeros;
                j.w = w + o * j.steps;
                j.sums = c ? d->sum[v] + out * u->pitch : NULL;
                j.out = (in_place ? o : out) * j.out_pitch;
                if (b + 1 < last && in_place)
                    fetch_outputs(j.to, j.vectors, j.out + k * j.out_pitch, j.out_pitch, k);
                if (b + 1 < last && u->moved)
                    fetch_sums(d->sum[v] + (out + k) * u->pitch, j.vectors, u->pitch, k);
                /* Each block asks for a vector of the next tile: all at once would fill the buffers for misses. */
                j.ask = then && b - first < TILE_VECTORS ? then + (b - first) * V : NULL;
                hot_planes(k, &j);
                if (!d->reads_src)
                    lines_next(&ahead);
            }
        }
    }
    if (u->moved)
        put_sums(d, u, a->t[DST], begin[first], begin[last] - begin[first]);
}

/* Tiles: (group, share of the outputs, image, rows, columns). The unit that begins at tile i; it ends before `last`. */
static struct unit unit_at(const struct plan *d, int64_t i, int64_t last, int64_t *share)
{
    const struct conv *p = d->conv;
    int64_t items = p->mb * d->ny * d->nx, all = i / items, item = i % items;
    struct unit u = {.group = all / d->shares, .n0 = item / (d->ny * d->nx), .images = 1};
    *share = all % d->shares;
    u.y0 = item / d->nx % d->ny * d->rows;
    u.x0 = item % d->nx * d->cols;
    u.rows = min_i64(d->rows, p->oh - u.y0);
    u.cols = min_i64(d->cols, p->ow - u.x0);
    if (d->images > 1) {
        int64_t run = min_i64(items - item, last - i), parts = div_up(run, d->images);
        u.images = div_up(run, parts);
    }
    return u;
}

static void convolve(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct plan d = planes_plan(a, thread);
    for (int64_t b = 0; b <= d.blocks; b++)
        d.begin[b] = part_begin(d.outputs, d.blocks, b);
    int64_t share, after_share;
    struct unit u = unit_at(&d, first, last, &share), after;
    for (; first < last; u = after, share = after_share) {
        first += u.images;
        after = unit_at(&d, min_i64(first, last - 1), last, &after_share);
        convolve_unit(&d, a, &u, part_begin(d.blocks, d.shares, share),
                      part_begin(d.blocks, d.shares, share + 1), &after);
    }
}

static void planes_run(const struct args *a)
{
    struct plan d = planes_plan(a, 0);
    const struct conv *p = d.conv;
    run_tiles_twice(a, p->g * d.blocks, pack_weights, p->g * d.shares * p->mb * d.ny * d.nx,
                    convolve);
}

#define PLANES_FWD                                                                                 \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = planes_scratch, .run = planes_run
