/* conv_fwd in cache tiles, plain C for the compiler to vectorise. Layout nchw.
 *
 * BLOCK_OC output channels times BLOCK_OW pixels of one output row are summed in a small array while all taps pass:
 * a loaded pixel serves BLOCK_OC channels, and the innermost loop runs along a row, where nothing depends on the
 * pixel before. Limited by loads and stores of the sums, which stay in L1 and not in registers. */
#include "kernel.h"
#include "shared/taps.h"

enum {
    /* Each loaded pixel is used four times; more would not fit the registers of the base level. */
    BLOCK_OC = 4,
    /* 4 x 64 x 4 = 1 KiB of sums stays in L1 beside the rows it reads; long enough for any vector. */
    BLOCK_OW = 64
};

static inline int64_t blocked_blocks(const struct conv *p)
{
    return div_up(p->oc / p->g, BLOCK_OC);
}

/* sum[b][ow] += w[b] x[ow * sw] for first <= ow < last; channels of the block are w_step apart in w. */
static inline void blocked_tap(float (*restrict sum)[BLOCK_OW], const float *restrict w,
                               int64_t w_step, const float *restrict x, int64_t sw, int64_t first,
                               int64_t last)
{
    const float w0 = w[0], w1 = w[w_step], w2 = w[2 * w_step], w3 = w[3 * w_step];
    for (int64_t ow = first; ow < last; ow++) {
        const float v = x[ow * sw];
        sum[0][ow] += w0 * v;
        sum[1][ow] += w1 * v;
        sum[2][ow] += w2 * v;
        sum[3][ow] += w3 * v;
    }
}

/* The same for the last channels of a group that has no multiple of BLOCK_OC. */
static inline void blocked_tap_rest(float (*restrict sum)[BLOCK_OW], int64_t channels,
                                    const float *restrict w, int64_t w_step,
                                    const float *restrict x, int64_t sw, int64_t first,
                                    int64_t last)
{
    for (int64_t b = 0; b < channels; b++)
        for (int64_t ow = first; ow < last; ow++)
            sum[b][ow] += w[b * w_step] * x[ow * sw];
}

/* dst[n][oc .. oc + channels][oh][ow_first .. ow_first + width] */
static inline void blocked_row(const struct args *a, int64_t n, int64_t oc, int64_t channels,
                               int64_t oh, int64_t ow_first, int64_t width)
{
    const struct conv *p = &a->problem->conv;
    const int64_t icg = p->ic / p->g, group = oc / (p->oc / p->g), taps = icg * p->kh * p->kw;
    float sum[BLOCK_OC][BLOCK_OW];
    for (int64_t b = 0; b < channels; b++)
        for (int64_t ow = 0; ow < width; ow++)
            sum[b][ow] = a->t[BIAS] ? a->t[BIAS][oc + b] : 0;
    for (int64_t ic = 0; ic < icg; ic++) {
        for (int64_t kh = 0; kh < p->kh; kh++) {
            const int64_t ih = oh * p->sh - p->ph + kh * (p->dh + 1);
            if (ih < 0 || ih >= p->ih)
                continue;
            const float *row = a->t[SRC] + ((n * p->ic + group * icg + ic) * p->ih + ih) * p->iw;
            const float *w = a->t[WEIGHTS] + ((oc * icg + ic) * p->kh + kh) * p->kw;
            for (int64_t kw = 0; kw < p->kw; kw++) {
                const int64_t left = ow_first * p->sw - p->pw + kw * (p->dw + 1);
                const int64_t first = taps_first(left, p->sw),
                              last = taps_last(left, p->sw, p->iw, width);
                if (channels < BLOCK_OC)
                    blocked_tap_rest(sum, channels, w + kw, taps, row + left, p->sw, first, last);
                else if (p->sw == 1)
                    blocked_tap(sum, w + kw, taps, row + left, 1, first, last);
                else
                    blocked_tap(sum, w + kw, taps, row + left, p->sw, first, last);
            }
        }
    }
    for (int64_t b = 0; b < channels; b++)
        for (int64_t ow = 0; ow < width; ow++)
            a->t[DST][((n * p->oc + oc + b) * p->oh + oh) * p->ow + ow_first + ow] = sum[b][ow];
}

static inline void blocked_image(const struct args *a, int64_t n, int64_t block)
{
    const struct conv *p = &a->problem->conv;
    const int64_t ocg = p->oc / p->g, group = block / blocked_blocks(p);
    const int64_t o = block % blocked_blocks(p) * BLOCK_OC;
    for (int64_t oh = 0; oh < p->oh; oh++)
        for (int64_t ow = 0; ow < p->ow; ow += BLOCK_OW)
            blocked_row(a, n, group * ocg + o, min_i64(BLOCK_OC, ocg - o), oh, ow,
                        min_i64(BLOCK_OW, p->ow - ow));
}

#include "algorithms/conv/blocked_conv.tmpl.h"

#define BLOCKED_CONV_FWD                                                                           \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .run = blocked_run
