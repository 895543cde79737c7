/* conv_bwd_weights in cache tiles, plain C for the compiler to vectorise. Layout nchw.
 *
 * One image at a time, BLOCK_OC planes of diff_dst stay in cache while every tap of every input channel passes over
 * them. A loaded pixel serves BLOCK_OC channels. LANES partial sums per channel let the compiler use vectors without
 * changing the order of a sum.
 * Limited by loads and stores of the sums, which stay in L1 and not in registers.
 *
 * A file defines CHUNKS, the largest number of parts of the batch, and SPLIT_CHANNELS: a tile of the grid is a part of
 * the batch (0), or a part of the batch and a block of output channels (1). Parts write partial sums to scratch,
 * [part][oc][taps + 1] with the bias last. They are added in ascending order, so the bits do not depend on the threads. */
#include "kernel.h"
#include "shared/partition.h"
#include "shared/taps.h"

#include <string.h>

_Static_assert(SPLIT_CHANNELS == 0 || SPLIT_CHANNELS == 1, "a file defines it as 0 or 1");

enum {
    /* Each loaded pixel is used four times; more would not fit the registers of the base level. */
    BLOCK_OC = 4,
    /* One AVX-512 vector, four of SSE2. */
    LANES = 16
};

struct blocked {
    const struct conv *p;
    int64_t icg, ocg, taps, blocks; /* blocks: of output channels, all groups */
    int64_t images, parts;          /* of a part; parts of the batch */
};

static inline struct blocked blocked_plan(const struct conv *p)
{
    struct blocked f = {.p = p, .icg = p->ic / p->g, .ocg = p->oc / p->g};
    f.taps = f.icg * p->kh * p->kw;
    f.blocks = p->g * div_up(f.ocg, BLOCK_OC);
    f.images = div_up(p->mb, CHUNKS);
    f.parts = div_up(p->mb, f.images);
    return f;
}

static size_t blocked_scratch(const struct problem *p, struct formats formats,
                              const struct hints *h)
{
    (void)formats;
    (void)h;
    const struct blocked f = blocked_plan(&p->conv);
    return (size_t)(f.parts * p->conv.oc * (f.taps + 1)) * sizeof(float);
}

/* sum[b][ow % LANES] += x[ow * sw] dy[b * plane + ow] for first <= ow < last */
static inline void blocked_dot(float (*restrict sum)[LANES], const float *restrict x, int64_t sw,
                               const float *restrict dy, int64_t plane, int64_t channels,
                               int64_t first, int64_t last)
{
    int64_t ow = first;
    for (; ow + LANES <= last; ow += LANES)
        for (int64_t b = 0; b < channels; b++)
            for (int64_t i = 0; i < LANES; i++)
                sum[b][i] += x[(ow + i) * sw] * dy[b * plane + ow + i];
    for (int64_t b = 0; b < channels; b++)
        for (int64_t i = ow; i < last; i++)
            sum[b][i - ow] += x[i * sw] * dy[b * plane + i];
}

static inline float blocked_total(const float *sum)
{
    float total = 0;
    for (int64_t i = 0; i < LANES; i++)
        total += sum[i];
    return total;
}

/* Adds one tap's share of image n to `channels` rows of out, taps + 1 apart. */
static inline void blocked_tap(const struct blocked *f, const float *restrict x,
                               const float *restrict dy, int64_t kh, int64_t kw, int64_t channels,
                               float *restrict out)
{
    const struct conv *p = f->p;
    const int64_t left = kw * (p->dw + 1) - p->pw, plane = p->oh * p->ow;
    const int64_t first = taps_first(left, p->sw), last = taps_last(left, p->sw, p->iw, p->ow);
    float sum[BLOCK_OC][LANES] = {0};
    for (int64_t oh = 0; oh < p->oh; oh++) {
        const int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
        if (ih < 0 || ih >= p->ih)
            continue;
        if (channels == BLOCK_OC && p->sw == 1)
            blocked_dot(sum, x + ih * p->iw + left, 1, dy + oh * p->ow, plane, BLOCK_OC, first,
                        last);
        else
            blocked_dot(sum, x + ih * p->iw + left, p->sw, dy + oh * p->ow, plane, channels, first,
                        last);
    }
    for (int64_t b = 0; b < channels; b++)
        out[b * (f->taps + 1)] += blocked_total(sum[b]);
}

/* Bias gradients of `channels` channels of one image. */
static inline void blocked_bias(const struct blocked *f, const float *restrict dy, int64_t channels,
                                float *restrict out)
{
    const int64_t plane = f->p->oh * f->p->ow;
    for (int64_t b = 0; b < channels; b++) {
        float sum[LANES] = {0};
        for (int64_t i = 0; i < plane; i++)
            sum[i % LANES] += dy[b * plane + i];
        out[b * (f->taps + 1)] += blocked_total(sum);
    }
}

static inline void blocked_block(const struct args *a, const struct blocked *f, int64_t part,
                                 int64_t block)
{
    const struct conv *p = f->p;
    const int64_t blocks = f->blocks / p->g, group = block / blocks, o = block % blocks * BLOCK_OC;
    const int64_t channels = min_i64(BLOCK_OC, f->ocg - o), oc = group * f->ocg + o;
    float *out = (float *)a->scratch + (part * p->oc + oc) * (f->taps + 1);
    memset(out, 0, (size_t)(channels * (f->taps + 1)) * sizeof *out);
    for (int64_t n = part * f->images; n < min_i64((part + 1) * f->images, p->mb); n++) {
        const float *dy = a->t[DIFF_DST] + (n * p->oc + oc) * p->oh * p->ow;
        for (int64_t ic = 0; ic < f->icg; ic++) {
            const float *x = a->t[SRC] + (n * p->ic + group * f->icg + ic) * p->ih * p->iw;
            for (int64_t kh = 0; kh < p->kh; kh++)
                for (int64_t kw = 0; kw < p->kw; kw++)
                    blocked_tap(f, x, dy, kh, kw, channels, out + (ic * p->kh + kh) * p->kw + kw);
        }
        blocked_bias(f, dy, channels, out + f->taps);
    }
}

static void blocked_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct blocked f = blocked_plan(&a->problem->conv);
    for (int64_t tile = first; tile < last; tile++) {
        if (SPLIT_CHANNELS) {
            blocked_block(a, &f, tile / f.blocks, tile % f.blocks);
            continue;
        }
        for (int64_t block = 0; block < f.blocks; block++)
            blocked_block(a, &f, tile, block);
    }
}

/* One tile is one output channel: its parts, added in order. */
static void blocked_sum(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct blocked f = blocked_plan(&a->problem->conv);
    for (int64_t oc = first; oc < last; oc++) {
        float *restrict out = a->t[DIFF_WEIGHTS] + oc * f.taps;
        const float *restrict in = (const float *)a->scratch + oc * (f.taps + 1);
        memcpy(out, in, (size_t)f.taps * sizeof *out);
        float bias = in[f.taps];
        for (int64_t part = 1; part < f.parts; part++) {
            in += f.p->oc * (f.taps + 1);
            for (int64_t i = 0; i < f.taps; i++)
                out[i] += in[i];
            bias += in[f.taps];
        }
        if (a->t[DIFF_BIAS])
            a->t[DIFF_BIAS][oc] = bias;
    }
}

static void blocked_run(const struct args *a)
{
    const struct blocked f = blocked_plan(&a->problem->conv);
    run_tiles(a, SPLIT_CHANNELS ? f.parts * f.blocks : f.parts, blocked_tiles);
    run_tiles(a, a->problem->conv.oc, blocked_sum);
}

#define BLOCKED_CONV_BWD_WEIGHTS                                                                   \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = blocked_scratch, .run = blocked_run
