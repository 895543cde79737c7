/* conv_bwd_data in cache tiles, plain C for the compiler to vectorise. Layout nchw.
 *
 * A row of diff_dst is added, tap by tap, to the rows of BLOCK_IC input channels: a loaded gradient serves BLOCK_IC
 * channels, the rows stay in L1 while all output channels pass, and the innermost loop runs along a row.
 * Limited by loads and stores of the sums, which stay in L1 and not in registers. */
#include "kernel.h"
#include "shared/taps.h"

#include <string.h>

enum {
    /* Each loaded gradient is used four times; more would not fit the registers of the base level. */
    BLOCK_IC = 4
};

static inline int64_t blocked_blocks(const struct conv *p)
{
    return div_up(p->ic / p->g, BLOCK_IC);
}

/* x[b * plane + ow * sw] += w[b * taps] dy[ow] for first <= ow < last: BLOCK_IC different planes, so the rows do not
 * overlap. */
static inline void blocked_tap(float *x, int64_t plane, const float *restrict w, int64_t taps,
                               const float *restrict dy, int64_t sw, int64_t first, int64_t last)
{
    float *restrict x0 = x, *restrict x1 = x + plane, *restrict x2 = x + 2 * plane,
                    *restrict x3 = x + 3 * plane;
    const float w0 = w[0], w1 = w[taps], w2 = w[2 * taps], w3 = w[3 * taps];
    for (int64_t ow = first; ow < last; ow++) {
        const float v = dy[ow];
        x0[ow * sw] += w0 * v;
        x1[ow * sw] += w1 * v;
        x2[ow * sw] += w2 * v;
        x3[ow * sw] += w3 * v;
    }
}

/* The same for the last channels of a group that has no multiple of BLOCK_IC. */
static inline void blocked_tap_rest(float *restrict x, int64_t plane, int64_t channels,
                                    const float *restrict w, int64_t taps, const float *restrict dy,
                                    int64_t sw, int64_t first, int64_t last)
{
    for (int64_t b = 0; b < channels; b++)
        for (int64_t ow = first; ow < last; ow++)
            x[b * plane + ow * sw] += w[b * taps] * dy[ow];
}

/* Adds row oh of diff_dst[n][oc] to channels ic .. ic + channels of diff_src[n]. */
static inline void blocked_row(const struct args *a, int64_t n, int64_t oc, int64_t ic,
                               int64_t channels, int64_t oh)
{
    const struct conv *p = &a->problem->conv;
    const int64_t icg = p->ic / p->g, taps = p->kh * p->kw, plane = p->ih * p->iw;
    const float *dy = a->t[DIFF_DST] + ((n * p->oc + oc) * p->oh + oh) * p->ow;
    for (int64_t kh = 0; kh < p->kh; kh++) {
        const int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
        if (ih < 0 || ih >= p->ih)
            continue;
        for (int64_t kw = 0; kw < p->kw; kw++) {
            const int64_t left = kw * (p->dw + 1) - p->pw;
            const int64_t first = taps_first(left, p->sw),
                          last = taps_last(left, p->sw, p->iw, p->ow);
            const float *w = a->t[WEIGHTS] + (oc * icg + ic % icg) * taps + kh * p->kw + kw;
            float *x = a->t[DIFF_SRC] + (n * p->ic + ic) * plane + ih * p->iw + left;
            if (channels < BLOCK_IC)
                blocked_tap_rest(x, plane, channels, w, taps, dy, p->sw, first, last);
            else if (p->sw == 1)
                blocked_tap(x, plane, w, taps, dy, 1, first, last);
            else
                blocked_tap(x, plane, w, taps, dy, p->sw, first, last);
        }
    }
}

static inline void blocked_image(const struct args *a, int64_t n, int64_t block)
{
    const struct conv *p = &a->problem->conv;
    const int64_t icg = p->ic / p->g, ocg = p->oc / p->g, group = block / blocked_blocks(p);
    const int64_t i = block % blocked_blocks(p) * BLOCK_IC, channels = min_i64(BLOCK_IC, icg - i);
    float *diff_src = a->t[DIFF_SRC] + (n * p->ic + group * icg + i) * p->ih * p->iw;
    memset(diff_src, 0, (size_t)(channels * p->ih * p->iw) * sizeof *diff_src);
    for (int64_t oh = 0; oh < p->oh; oh++)
        for (int64_t oc = group * ocg; oc < (group + 1) * ocg; oc++)
            blocked_row(a, n, oc, group * icg + i, channels, oh);
}

#include "algorithms/conv/blocked_conv.tmpl.h"

#define BLOCKED_CONV_BWD_DATA                                                                      \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .run = blocked_run
