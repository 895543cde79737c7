/* Direct convolution with inputs and weights rounded to bfloat16 and float32 sums, forward: defines bf16_fits(),
 * bf16_scratch() and bf16_run().
 *
 * It needs half the multiply-adds of float32: twice the speed if the CPU starts as many dot products as multiply-adds per
 * cycle (see peak_fma/avx512bf16), minus a first pass that reads the source once and writes half of it.
 *
 * Two neighbouring input channels of a group share a lane of 32 bits. The first pass rounds source and weights to such
 * pairs; what remains is a convolution with half as many channels. The direct kernel then runs unchanged: it only moves
 * 32-bit values, except in the multiply-add of its register tile, which here is a dot product of pairs. In a group with
 * an odd number of channels, the last one is paired with zero. */
#include "shared/carve.h"
#include "vec/bf16_pairs.h"

/* The tile's multiply-add. */
#define vfma(pixel, weights, sum) dot_pairs(sum, pixel, weights)
#include "algorithms/conv/direct_fwd.tmpl.h"
#undef vfma

/* The convolution of pairs, and where they lie in scratch. */
struct paired {
    struct problem problem;
    int64_t inputs, pairs; /* channels and pairs of a group */
    float *src, *weights;
    char *rest; /* the direct kernel's */
    size_t bytes;
};

static struct paired bf16_paired(const struct problem *p, enum layout layout, void *scratch)
{
    struct paired d = {.problem = *p, .inputs = p->conv.ic / p->conv.g};
    struct conv *c = &d.problem.conv;
    d.pairs = div_up(d.inputs, 2);
    c->ic = c->g * d.pairs;
    int64_t channels = layout == NCHW16C ? div_up(c->ic, 16) * 16 : c->ic;
    struct carver s = carve_from(scratch, 0);
    d.src = carve(&s, c->mb * channels * c->ih * c->iw, sizeof(float));
    d.weights = carve(&s, c->oc * d.pairs * c->kh * c->kw, sizeof(float));
    d.rest = carve(&s, 0, 1);
    d.bytes = carve_end(&s);
    return d;
}

static const char *bf16_fits(const struct problem *p, struct formats f)
{
    if (p->conv.g > 1 && f.src == NCHW16C)
        return "groups, whose pairs of channels lie in different blocks of nchw16c";
    if (p->conv.g > 1 && f.src == NHWC && p->conv.ic / p->conv.g % 2)
        return "groups with an odd number of channels, whose pairs do not lie together in nhwc";
    return NULL;
}

static size_t bf16_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    struct paired d = bf16_paired(p, f.src, NULL);
    return d.bytes + direct_scratch(&d.problem, f, h);
}

/* n pairs from two runs of floats (odd NULL: zeros). */
static void pair_runs(float *to, const float *even, const float *odd, int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        int64_t m = min_i64(n - i, V);
        vf second = vzero();
        if (odd)
            second = vload_n(odd + i, m);
        vstore_n(to + i, join_pairs(vload_n(even + i, m), second), m);
    }
}

/* n pairs from 2 n floats side by side, of which `count` are there. */
static void pair_neighbours(float *to, const float *from, int64_t n, int64_t count)
{
    for (int64_t i = 0; i < n; i += V) {
        int64_t left = max_i64(count - 2 * i, 0), next = max_i64(left - V, 0);
        vf first = vload_n(from + 2 * i, min_i64(left, V)), second = vzero();
        if (next)
            second = vload_n(from + 2 * i + V, min_i64(next, V));
        vstore_n(to + i, join_neighbours(first, second), min_i64(n - i, V));
    }
}

/* Planes of the source: nchw (image, pair of channels), nchw16c (image, block of pairs), nhwc (image, row). */
static int64_t bf16_planes(const struct problem *p, enum layout layout)
{
    const struct conv *c = &p->conv;
    int64_t pairs = c->g * div_up(c->ic / c->g, 2);
    return c->mb * (layout == NHWC ? c->ih : layout == NCHW16C ? div_up(pairs, 16) : pairs);
}

/* Tiles first <= i < last: planes of the source, then output channels of the weights. */
static void bf16_round(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *c = &a->problem->conv;
    enum layout layout = a->formats.src;
    struct paired d = bf16_paired(a->problem, layout, a->scratch);
    int64_t planes = bf16_planes(a->problem, layout), plane = c->ih * c->iw, all = c->g * d.pairs;
    for (int64_t i = first; i < last; i++) {
        if (i >= planes) {
            int64_t taps = c->kh * c->kw, oc = i - planes;
            for (int64_t k = 0; k < d.pairs; k++) {
                const float *even = a->t[WEIGHTS] + (oc * d.inputs + 2 * k) * taps;
                pair_runs(d.weights + (oc * d.pairs + k) * taps, even,
                          2 * k + 1 < d.inputs ? even + taps : NULL, taps);
            }
        } else if (layout == NCHW) {
            int64_t n = i / all, group = i % all / d.pairs, k = i % d.pairs;
            const float *even = a->t[SRC] + (n * c->ic + group * d.inputs + 2 * k) * plane;
            pair_runs(d.src + i * plane, even, 2 * k + 1 < d.inputs ? even + plane : NULL, plane);
        } else if (layout == NHWC) {
            for (int64_t x = i * c->iw; x < (i + 1) * c->iw; x++)
                pair_neighbours(d.src + x * all, a->t[SRC] + x * c->ic, all, c->ic);
        } else {
            int64_t blocks = div_up(c->ic, 16), halves = div_up(all, 16), n = i / halves,
                    k = i % halves;
            const float *block = a->t[SRC] + (n * blocks + 2 * k) * plane * 16;
            for (int64_t x = 0; x < plane; x++) {
                vf second = vzero();
                if (2 * k + 1 < blocks)
                    second = vload(block + (plane + x) * 16);
                vstore(d.src + (i * plane + x) * 16,
                       join_neighbours(vload(block + x * 16), second));
            }
        }
    }
}

static void bf16_run(const struct args *a)
{
    struct paired d = bf16_paired(a->problem, a->formats.src, a->scratch);
    run_tiles(a, bf16_planes(a->problem, a->formats.src) + a->problem->conv.oc, bf16_round);
    struct args pairs = *a;
    pairs.problem = &d.problem;
    pairs.t[SRC] = d.src;
    pairs.t[WEIGHTS] = d.weights;
    pairs.scratch = d.rest;
    direct_run(&pairs);
}

#define DIRECT_BF16                                                                                \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = BF16_PRODUCTS,         \
    .thread_invariant = true, .fits = bf16_fits, .scratch_size = bf16_scratch, .run = bf16_run
