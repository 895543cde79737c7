/* Training: the layers against values worked out by hand, a whole network's gradients against finite differences
 * in float64, the grammar, the choice of kernels. */
#define _GNU_SOURCE /* the stack of threads */
#include "layers/layers.h"
#include "net/kernel_choice.h"
#include "net/net.h"
#include "train/preset.h"
#include "train/train.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(got, expected, error)                                                          \
    assert_true(fabs((double)(got) - (double)(expected)) <= (error))

/* Values without a pattern in [-1, 1). */
static float noise(int64_t i)
{
    uint64_t z = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (float)(z >> 40) * 0x1p-23f - 1;
}

/* Layers */

static const struct layers *instance; /* of the layers: the one under test */

static void relu_keeps_positive_and_nan(void **state)
{
    (void)state;
    float x[] = {-1, 0, 2, NAN, -INFINITY, INFINITY}, dy[] = {1, 2, 3, 4, 5, 6};
    instance->relu_fwd(x, 6, 1);
    assert_true(x[0] == 0 && x[1] == 0 && x[2] == 2 && isnan(x[3]) && x[4] == 0 &&
                x[5] == INFINITY);
    instance->relu_bwd(x, dy, 6, 1);
    const float expected[] = {0, 0, 3, 4, 0, 6};
    assert_memory_equal(dy, expected, sizeof dy);
}

static void maxpool_first_largest_wins(void **state)
{
    (void)state;
    /* 3x5: the odd row and column belong to no window. */
    const float src[15] = {1, 4, 2, 2, 9, 3, 4, 2, 1, 9, 9, 9, 9, 9, 9};
    struct maxpool p = {
        .planes = 1, .lanes = 1, .ih = 3, .iw = 5, .oh = 1, .ow = 2, .kh = 2, .kw = 2, .s = 2};
    float dst[2], diff_src[15];
    uint8_t chosen[2];
    memset(diff_src, 0xff, sizeof diff_src);
    instance->maxpool_fwd(&p, src, dst, chosen, 1);
    assert_true(dst[0] == 4 && dst[1] == 2 && chosen[0] == 1 && chosen[1] == 0);
    instance->maxpool_bwd(&p, (const float[]){5, 7}, chosen, diff_src, 1);
    const float expected[15] = {0, 5, 7};
    assert_memory_equal(diff_src, expected, sizeof expected);
}

static void maxpool_overlapping_windows_add(void **state)
{
    (void)state;
    /* The middle 9 is the maximum of all four 2x2 windows of stride 1. */
    const float src[9] = {1, 2, 3, 4, 9, 5, 6, 7, 8}, diff_dst[4] = {1, 10, 100, 1000};
    struct maxpool p = {
        .planes = 1, .lanes = 1, .ih = 3, .iw = 3, .oh = 2, .ow = 2, .kh = 2, .kw = 2, .s = 1};
    float dst[4], diff_src[9];
    uint8_t chosen[4];
    instance->maxpool_fwd(&p, src, dst, chosen, 1);
    const uint8_t places[4] = {3, 2, 1, 0};
    assert_memory_equal(chosen, places, 4);
    instance->maxpool_bwd(&p, diff_dst, chosen, diff_src, 1);
    for (int i = 0; i < 9; i++)
        assert_true(diff_src[i] == (i == 4 ? 1111 : 0));
}

/* The same pooling with channels apart and together. */
static void maxpool_lanes_agree(void **state)
{
    (void)state;
    enum { LANES = 5, IH = 7, IW = 6 };
    const struct maxpool pools[] = {
        {.ih = IH, .iw = IW, .oh = 3, .ow = 3, .kh = 2, .kw = 2, .s = 2},
        {.ih = IH, .iw = IW, .oh = 3, .ow = 2, .kh = 3, .kw = 3, .s = 2},
        {.ih = 1, .iw = IW, .oh = 1, .ow = 2, .kh = 1, .kw = 3, .s = 3},
        {.ih = 1, .iw = IW, .oh = 1, .ow = 4, .kh = 1, .kw = 3, .s = 1},
    };
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        struct maxpool apart = pools[i], together = pools[i];
        apart.planes = LANES;
        apart.lanes = 1;
        together.planes = 1;
        together.lanes = LANES;
        int64_t in = apart.ih * IW, out = apart.oh * apart.ow;
        float src[2][LANES * IH * IW], dst[2][LANES * IH * IW], diff[2][LANES * IH * IW];
        uint8_t chosen[2][LANES * IH * IW];
        for (int64_t l = 0; l < LANES; l++)
            for (int64_t p = 0; p < in; p++) /* ties and a NaN among them */
                src[0][l * in + p] = src[1][p * LANES + l] =
                    l == 2 && p == 9 ? NAN : floorf(4 * noise(l * in + p));
        instance->maxpool_fwd(&apart, src[0], dst[0], chosen[0], 1);
        instance->maxpool_fwd(&together, src[1], dst[1], chosen[1], 1);
        instance->maxpool_bwd(&apart, src[0], chosen[0], diff[0], 1);
        for (int64_t l = 0; l < LANES; l++)
            for (int64_t p = 0; p < out; p++)
                src[1][p * LANES + l] = src[0][l * out + p];
        instance->maxpool_bwd(&together, src[1], chosen[1], diff[1], 1);
        for (int64_t l = 0; l < LANES; l++) {
            for (int64_t p = 0; p < out; p++) {
                assert_memory_equal(&dst[0][l * out + p], &dst[1][p * LANES + l], sizeof(float));
                assert_int_equal(chosen[0][l * out + p], chosen[1][p * LANES + l]);
            }
            for (int64_t p = 0; p < in; p++)
                assert_true(diff[0][l * in + p] == diff[1][p * LANES + l] ||
                            (isnan(diff[0][l * in + p]) && isnan(diff[1][p * LANES + l])));
        }
    }
}

/* The same means with channels apart and together, and what goes back adds up to what came. */
static void avgpool_lanes_agree(void **state)
{
    (void)state;
    enum { LANES = 19, IH = 7, IW = 6 };
    const struct avgpool pools[] = {
        {.ih = IH, .iw = IW, .oh = 3, .ow = 3, .kh = 2, .kw = 2, .s = 2},
        {.ih = IH, .iw = IW, .oh = 3, .ow = 2, .kh = 3, .kw = 3, .s = 2},
        {.ih = IH, .iw = IW, .oh = 1, .ow = 1, .kh = IH, .kw = IW, .s = 1},
    };
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        struct avgpool apart = pools[i], together = pools[i];
        apart.planes = together.lanes = LANES;
        apart.lanes = together.planes = 1;
        int64_t in = IH * IW, out = apart.oh * apart.ow;
        float src[2][LANES * IH * IW], dst[2][LANES * IH * IW], diff[2][LANES * IH * IW];
        for (int64_t l = 0; l < LANES; l++)
            for (int64_t p = 0; p < in; p++)
                src[0][l * in + p] = src[1][p * LANES + l] = noise(l * in + p);
        instance->avgpool_fwd(&apart, src[0], dst[0], 1);
        instance->avgpool_fwd(&together, src[1], dst[1], 1);
        instance->avgpool_bwd(&apart, dst[0], diff[0], 1);
        instance->avgpool_bwd(&together, dst[1], diff[1], 1);
        double came = 0, went = 0;
        for (int64_t l = 0; l < LANES; l++) {
            for (int64_t p = 0; p < out; p++) {
                assert_true(dst[0][l * out + p] == dst[1][p * LANES + l]);
                came += (double)dst[0][l * out + p];
            }
            for (int64_t p = 0; p < in; p++) {
                assert_true(diff[0][l * in + p] == diff[1][p * LANES + l]);
                went += (double)diff[0][l * in + p];
            }
        }
        assert_near(went, came, 1e-4);
        if (i == 0) /* by hand: the first window */
            assert_near(dst[0][0], (src[0][0] + src[0][1] + src[0][IW] + src[0][IW + 1]) / 4, 1e-7);
    }
}

static void maxpool_propagates_nan(void **state)
{
    (void)state;
    const float src[4] = {1, NAN, 5, 2};
    struct maxpool p = {
        .planes = 1, .lanes = 1, .ih = 2, .iw = 2, .oh = 1, .ow = 1, .kh = 2, .kw = 2, .s = 2};
    float dst;
    uint8_t chosen;
    instance->maxpool_fwd(&p, src, &dst, &chosen, 1);
    assert_true(isnan(dst));
}

/* A relu before the pooling, or in it: the same values, and the same gradients. */
static void maxpool_rectifies(void **state)
{
    (void)state;
    enum { PLANES = 3, IH = 9, IW = 38, LANES = 19 };
    const struct maxpool pools[] = {
        {.planes = PLANES,
         .lanes = 1,
         .ih = IH,
         .iw = IW,
         .oh = 4,
         .ow = 19,
         .kh = 2,
         .kw = 2,
         .s = 2},
        {.planes = PLANES,
         .lanes = 1,
         .ih = IH,
         .iw = IW,
         .oh = 4,
         .ow = 18,
         .kh = 3,
         .kw = 3,
         .s = 2},
        {.planes = PLANES,
         .lanes = LANES,
         .ih = IH,
         .iw = 2,
         .oh = 4,
         .ow = 1,
         .kh = 2,
         .kw = 2,
         .s = 2},
    };
    enum { IN = PLANES * IH * IW, OUT = PLANES * 4 * 19 };
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        struct maxpool p = pools[i];
        int64_t in = p.planes * p.lanes * p.ih * p.iw, out = p.planes * p.lanes * p.oh * p.ow;
        float src[IN], dst[2][OUT], diff_dst[OUT], diff_src[2][IN];
        uint8_t chosen[OUT];
        assert_true(in <= IN && out <= OUT);
        for (int64_t j = 0; j < in; j++)
            src[j] = j == 7 ? NAN : floorf(3 * noise(j)) - 1;
        for (int64_t j = 0; j < out; j++)
            diff_dst[j] = noise(j + 1000);
        p.relu = true;
        instance->maxpool_fwd(&p, src, dst[0], chosen, 1);
        instance->maxpool_bwd(&p, diff_dst, chosen, diff_src[0], 1);
        p.relu = false;
        instance->relu_fwd(src, in, 1);
        instance->maxpool_fwd(&p, src, dst[1], chosen, 1);
        instance->maxpool_bwd(&p, diff_dst, chosen, diff_src[1], 1);
        instance->relu_bwd(src, diff_src[1], in, 1);
        for (int64_t j = 0; j < out; j++)
            assert_true(dst[0][j] == dst[1][j] || (isnan(dst[0][j]) && isnan(dst[1][j])));
        for (int64_t j = 0; j < in; j++)
            assert_true(diff_src[0][j] == diff_src[1][j]);
    }
}

static void curves_are_accurate(void **state)
{
    (void)state;
    enum { N = 20011 };
    static float x[N], y[N], again[N], dy[N];
    for (enum curve curve = CURVE_SIGMOID; curve <= CURVE_TANH; curve++) {
        for (int i = 0; i < N; i++)
            x[i] = y[i] = again[i] = i % 3 ? 8 * noise(i) : 80 * noise(i) * noise(i);
        instance->curve_fwd(curve, y, N, 1);
        instance->curve_fwd(curve, again, N, 3);
        assert_memory_equal(y, again, sizeof y);
        for (int i = 0; i < N; i++) {
            double expected = curve == CURVE_SIGMOID ? 1 / (1 + exp(-(double)x[i])) : tanh(x[i]);
            if (!(fabs(y[i] - expected) <= 4e-7 * fabs(expected)))
                fail_msg("curve %d of %g is %g, not %g", curve, x[i], y[i], expected);
            dy[i] = noise(i + N);
        }
        instance->curve_bwd(curve, y, dy, N, 3);
        for (int i = 0; i < N; i++) {
            double slope =
                curve == CURVE_SIGMOID ? y[i] * (1 - (double)y[i]) : 1 - (double)y[i] * y[i];
            assert_near(dy[i], slope * noise(i + N), 2e-7);
        }
        float edges[] = {INFINITY, -INFINITY, NAN, 0, -1000};
        instance->curve_fwd(curve, edges, 5, 1);
        assert_true(edges[0] == 1 && isnan(edges[2]));
        assert_near(edges[1], curve == CURVE_SIGMOID ? 0 : -1, 1e-37);
        assert_near(edges[3], curve == CURVE_SIGMOID ? 0.5 : 0, 0);
        assert_near(edges[4], curve == CURVE_SIGMOID ? 0 : -1, 1e-37);
    }
}

/* Batch normalization, relu and pooling as one, forward and backward, against their definitions in float64. */
static void expect_bn_pool(int64_t channels, int64_t ih, int64_t iw, double shift, bool gathered,
                           int threads)
{
    enum { IMAGES = 3, IN = IMAGES * 3 * 40 * 75, OUT = IN / 4 };
    static float src[IN], dst[OUT], diff_dst[OUT], diff_src[IN];
    static uint8_t chosen[OUT];
    static double y[IN], dy[IN];
    const struct bn_pool p = {.pool = {.planes = IMAGES * channels,
                                       .lanes = 1,
                                       .ih = ih,
                                       .iw = iw,
                                       .oh = ih / 2,
                                       .ow = iw / 2,
                                       .kh = 2,
                                       .kw = 2,
                                       .s = 2,
                                       .relu = true},
                              .channels = channels,
                              .eps = 1e-5,
                              .gathered = gathered};
    const int64_t hw = ih * iw, out = p.pool.oh * p.pool.ow, n = IMAGES * hw;
    const float gamma[3] = {1.5f, -0.7f, 0}, beta[3] = {0.1f, 0.4f, 0.2f};
    float mean[3], variance[3], diff_gamma[3], diff_beta[3];
    assert_true(channels <= 3 && n * channels <= IN);
    for (int64_t i = 0; i < n * channels; i++)
        src[i] = noise(i) + (float)shift;
    for (int64_t i = 0; i < IMAGES * channels * out; i++)
        diff_dst[i] = noise(i + 77777);
    memset(diff_src, 0xff, sizeof diff_src);
    memset(dst, 0xff, sizeof dst);
    double means[3], variances[3];
    for (int64_t c = 0; c < channels; c++) {
        means[c] = variances[c] = 0;
        for (int64_t i = 0; i < n; i++)
            means[c] += (double)src[(i / hw * channels + c) * hw + i % hw] / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)src[(i / hw * channels + c) * hw + i % hw] - means[c];
            variances[c] += d * d / (double)n;
        }
        mean[c] = gathered ? (float)means[c] : NAN;
        variance[c] = gathered ? (float)variances[c] : NAN;
    }
    const struct bn_pool_tensors t = {.src = src,
                                      .gamma = gamma,
                                      .beta = beta,
                                      .mean = mean,
                                      .variance = variance,
                                      .dst = dst,
                                      .chosen = chosen,
                                      .diff_dst = diff_dst,
                                      .diff_src = diff_src,
                                      .diff_gamma = diff_gamma,
                                      .diff_beta = diff_beta};
    instance->bn_pool_fwd(&p, &t, threads);
    instance->bn_pool_bwd(&p, &t, threads);
    for (int64_t c = 0; c < channels; c++) {
        const double rstd = 1 / sqrt(variances[c] + p.eps), loose = 1e-5 + 1e-6 * fabs(shift);
        double sum = 0, dot = 0;
        assert_near(mean[c], means[c], 2e-7 * (1 + fabs(shift)));
        assert_near(variance[c] / variances[c], 1, 1e-5);
        for (int64_t i = 0; i < IMAGES; i++) {
            const int64_t plane = i * channels + c, from = plane * hw;
            for (int64_t j = 0; j < hw; j++) {
                y[from + j] = gamma[c] * ((double)src[from + j] - means[c]) * rstd + beta[c];
                dy[from + j] = 0;
            }
            for (int64_t o = 0; o < out; o++) {
                int64_t first = o / p.pool.ow * 2 * iw + o % p.pool.ow * 2, best = first;
                for (int64_t k = 1; k < 4; k++) {
                    int64_t at = first + k / 2 * iw + k % 2;
                    best = y[from + at] > y[from + best] ? at : best;
                }
                /* Where gamma is 0 all are equal, and the first is chosen. */
                best = gamma[c] != 0 ? best : first;
                assert_near(dst[plane * out + o], fmax(y[from + best], 0), loose);
                if (y[from + best] > 0)
                    dy[from + best] = diff_dst[plane * out + o];
                sum += dy[from + best];
                dot += dy[from + best] * ((double)src[from + best] - means[c]) * rstd;
            }
        }
        assert_near(diff_beta[c], sum, 1e-4);
        assert_near(diff_gamma[c], dot, 1e-4 + 1e-5 * fabs(shift));
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = (i / hw * channels + c) * hw + i % hw;
            const double xhat = ((double)src[at] - means[c]) * rstd;
            assert_near(diff_src[at],
                        gamma[c] * rstd * (dy[at] - sum / (double)n - xhat * dot / (double)n),
                        loose);
        }
    }
    for (int64_t i = n * channels; i < IN; i++)
        assert_true(isnan(diff_src[i]));
    for (int64_t i = IMAGES * channels * out; i < OUT; i++)
        assert_true(isnan(dst[i]));
}

static void bn_pool_is_what_it_replaces(void **state)
{
    (void)state;
    static const int64_t widths[] = {2, 3, 4, 8, 9, 30, 31, 32, 33, 34, 66, 75};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        expect_bn_pool(3, 2, widths[i], 0, false, 1);
        expect_bn_pool(2, 7, widths[i], 10, false, 1);
        expect_bn_pool(3, 40, widths[i], -1, true, 1);
        expect_bn_pool(3, 39, widths[i], 0.5, false, 2);
    }
}

static void dropout_keeps_its_share(void **state)
{
    (void)state;
    enum { N = 100003 };
    static float x[N], y[N], again[N], other[N], dy[N];
    for (int i = 0; i < N; i++)
        x[i] = 2 + noise(i);
    for (int percent = 0; percent < 100; percent += 15) {
        const double p = percent / 100.0;
        instance->dropout(x, y, N, p, 0x123456789abcdef0u, 1);
        instance->dropout(x, again, N, p, 0x123456789abcdef0u, 3);
        instance->dropout(x, other, N, p, 0x923456789abcdef1u, 3);
        memcpy(dy, x, sizeof x);
        instance->dropout(dy, dy, N, p, 0x123456789abcdef0u, 2);
        assert_memory_equal(y, again, sizeof y);
        assert_memory_equal(y, dy, sizeof y);
        int kept = 0, same = 0, runs = 0;
        for (int i = 0; i < N; i++) {
            assert_true(y[i] == 0 || fabs(y[i] * (1 - p) - x[i]) < 1e-6 * x[i]);
            kept += y[i] != 0;
            same += (y[i] != 0) == (other[i] != 0);
            runs += i && (y[i] != 0) == (y[i - 1] != 0);
        }
        /* Six standard deviations, for the share, for two keys and for neighbours. */
        const double wide = 6 * sqrt(N * 0.25), alike = 1 - 2 * p * (1 - p);
        assert_near(kept, N * (1 - p), wide);
        assert_near(same, N * alike, wide);
        assert_near(runs, N * alike, wide);
    }
}

static void pixels_become_units(void **state)
{
    (void)state;
    uint8_t pixels[256];
    float units[257] = {[256] = 7};
    for (int i = 0; i < 256; i++)
        pixels[i] = (uint8_t)(255 - i);
    for (int n = 200; n <= 256; n++)
        instance->pixels(n, pixels, 0, 255, units);
    for (int i = 0; i < 256; i++)
        assert_true(units[i] == (float)(255 - i) / 255.0f);
    assert_true(units[256] == 7);
    instance->pixels(255, pixels, 100.5f, 1, units);
    for (int i = 0; i < 255; i++)
        assert_true(units[i] == (float)(255 - i) - 100.5f);
}

/* The way back through given statistics, in each layout, against its definition. */
static void frozen_lanes_agree(void **state)
{
    (void)state;
    enum { IMAGES = 3, CHANNELS = 19, PIXELS = 37, ROOM = IMAGES * 32 * PIXELS };
    static const int64_t lanes[] = {1, CHANNELS, 16};
    float gamma[CHANNELS], mean[CHANNELS], variance[CHANNELS];
    for (int c = 0; c < CHANNELS; c++) {
        gamma[c] = noise(c);
        mean[c] = 3 * noise(c + 100);
        variance[c] = 1.5f + noise(c + 200);
    }
    for (size_t k = 0; k < sizeof lanes / sizeof *lanes; k++) {
        const struct bn_frozen p = {IMAGES, CHANNELS, lanes[k], PIXELS, 1e-3};
        static float src[ROOM], dy[ROOM], dx[2][ROOM];
        float diff_gamma[2][CHANNELS], diff_beta[2][CHANNELS];
        const int64_t blocks = div_up(CHANNELS, lanes[k]);
        memset(src, 0, sizeof src);
        memset(dy, 0, sizeof dy);
        memset(dx, 0xff, sizeof dx);
        double beta[CHANNELS] = {0}, dot[CHANNELS] = {0};
        static int64_t place[IMAGES * CHANNELS * PIXELS];
        for (int64_t i = 0; i < IMAGES * CHANNELS * PIXELS; i++) {
            const int64_t n = i / PIXELS / CHANNELS, c = i / PIXELS % CHANNELS;
            const int64_t at =
                ((n * blocks + c / lanes[k]) * PIXELS + i % PIXELS) * lanes[k] + c % lanes[k];
            place[i] = at;
            src[at] = noise(i);
            dy[at] = noise(i + 5555);
            beta[c] += (double)dy[at];
            dot[c] += (double)dy[at] * (src[at] - (double)mean[c]) / sqrt(variance[c] + 1e-3);
        }
        for (int run = 0; run < 2; run++) {
            const struct bn_frozen_tensors t = {
                src, gamma, mean, variance, dy, dx[run], diff_gamma[run], diff_beta[run]};
            instance->bn_frozen_bwd(&p, &t, 1 + 2 * run);
        }
        for (int64_t i = 0; i < IMAGES * CHANNELS * PIXELS; i++) {
            const int64_t c = i / PIXELS % CHANNELS;
            assert_near(dx[0][place[i]], dy[place[i]] * gamma[c] / sqrt(variance[c] + 1e-3), 1e-6);
        }
        for (int64_t at = 0; at < IMAGES * blocks * PIXELS * lanes[k]; at++)
            assert_true(at % (blocks * PIXELS * lanes[k]) / (PIXELS * lanes[k]) * lanes[k] +
                                at % lanes[k] <
                            CHANNELS ||
                        dx[0][at] == 0);
        for (int c = 0; c < CHANNELS; c++) {
            assert_near(diff_beta[0][c], beta[c], 1e-5);
            assert_near(diff_gamma[0][c], dot[c], 1e-4);
        }
        assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
        assert_memory_equal(diff_gamma[0], diff_gamma[1], sizeof diff_gamma[0]);
        assert_memory_equal(diff_beta[0], diff_beta[1], sizeof diff_beta[0]);
    }
}

static void loss_of_known_logits(void **state)
{
    (void)state;
    /* softmax(1, 2, 3) = (0.0900306, 0.2447285, 0.6652410); the second row is huge: no overflow. */
    const float logits[6] = {1, 2, 3, 1e4f, 0, 0};
    const uint8_t labels[2] = {1, 0};
    float diff[6];
    struct outcome o = loss_of(&(struct loss){0}, 2, 3, logits, labels, diff);
    assert_near(o.loss, 1.40760596444438, 1e-12);
    assert_int_equal(o.correct, 1);
    const double expected[6] = {0.0900305731703805 / 2, -0.755271528945203 / 2,
                                0.665240955774822 / 2};
    for (int i = 0; i < 6; i++)
        assert_near(diff[i], expected[i], 1e-7);
}

/* Each loss against its definition in plain float64, and its gradient against finite differences. */
static double plain_loss(const struct loss *kind, int64_t mb, int64_t classes, const double *z,
                         const uint8_t *labels)
{
    double loss = 0;
    for (int64_t i = 0; i < mb * classes; i++) {
        const double *row = z + i / classes * classes;
        const double hit = i % classes == labels[i / classes];
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(row[j]);
        const double target = (1 - kind->smoothing) * hit + kind->smoothing / (double)classes;
        loss += kind->kind == LOSS_MEAN_SQUARE ? pow(z[i] - hit, 2) / (double)classes
                                               : target * (log(sum) - z[i]);
    }
    return loss;
}

static void losses_by_their_formulas(void **state)
{
    (void)state;
    /* Few classes, and more than loss_of keeps the exponentials of. */
    enum { MB = 4, MOST = 150 };
    static const struct loss kinds[] = {
        {LOSS_CROSS_ENTROPY, 0}, {LOSS_CROSS_ENTROPY, 0.1}, {LOSS_MEAN_SQUARE, 0}};
    const uint8_t labels[MB] = {6, 0, 3, 3};
    for (size_t k = 0; k < 2 * sizeof kinds / sizeof *kinds; k++) {
        const struct loss *kind = &kinds[k / 2];
        const int classes = k % 2 ? MOST : 7;
        float logits[MB * MOST], diff[MB * MOST];
        double z[MB * MOST];
        for (int i = 0; i < MB * classes; i++)
            z[i] = logits[i] = 3 * noise(i);
        const struct outcome o = loss_of(kind, MB, classes, logits, labels, diff);
        assert_near(o.loss, plain_loss(kind, MB, classes, z, labels), 1e-12);
        for (int i = 0; i < MB * classes; i++) {
            const double h = 1e-5, middle = z[i];
            z[i] = middle + h;
            double slope = plain_loss(kind, MB, classes, z, labels);
            z[i] = middle - h;
            slope = (slope - plain_loss(kind, MB, classes, z, labels)) / (2 * h * MB);
            z[i] = middle;
            assert_near(diff[i], slope, 1e-7);
        }
    }
    /* torch.nn.functional.cross_entropy of (1, 2, 3) and class 1, label_smoothing 0.1; mse_loss against (0, 1, 0). */
    const float known[3] = {1, 2, 3};
    const uint8_t one = 1;
    assert_near(loss_of(&kinds[1], 1, 3, known, &one, NULL).loss, 1.40760596444438, 1e-12);
    assert_near(loss_of(&kinds[2], 1, 3, known, &one, NULL).loss, 11 / 3.0, 1e-12);
}

/* PyTorch's schedulers, as their recurrences have them: the rate of step t + 1 from that of step t. */
static void schedules_by_their_recurrences(void **state)
{
    (void)state;
    struct schedule s;
    char error[ERROR_TEXT], text[SCHEDULE_TEXT];
    double rate = 1;
    assert_true(schedule_parse("step 7 0.3", &s, error));
    for (int t = 1; t <= 40; t++) {
        assert_near(schedule_factor(&s, t), rate, 1e-12);
        rate *= t % 7 ? 1 : 0.3;
    }
    assert_true(schedule_parse("cosine 30", &s, error));
    rate = 1;
    for (int t = 1; t <= 30; t++) {
        assert_near(schedule_factor(&s, t), rate, 1e-12);
        /* eta_t = (1 + cos(pi t / T)) / (1 + cos(pi (t - 1) / T)) eta_(t-1) */
        rate *= (1 + cos(acos(-1) * t / 30)) / (1 + cos(acos(-1) * (t - 1) / 30));
    }
    assert_true(schedule_factor(&s, 31) == 0 && schedule_factor(&s, 1000) == 0);
    assert_true(schedule_parse("warmup 5, cosine 25", &s, error));
    for (int t = 1; t <= 5; t++)
        assert_near(schedule_factor(&s, t), t / 5.0, 1e-12);
    assert_near(schedule_factor(&s, 6), 1, 0);
    assert_near(schedule_factor(&s, 16), 0.5, 1e-12);
    static const char *const same[] = {"constant",
                                       "warmup 9, constant",
                                       "step 10 0.10000000000000001",
                                       "warmup 3, step 5 0.5",
                                       "warmup 3, cosine 50",
                                       "cosine"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(schedule_parse(same[i], &s, error));
        assert_string_equal(schedule_print(&s, text), same[i]);
    }
    static const char *const bad[] = {"",           "steps 5 0.5",       "step 0 0.5",
                                      "step 5",     "step 5 2",          "cosine 5 6",
                                      "warmup",     "warmup 0, cosine",  "warmup 5 cosine",
                                      "cosine 0",   "constant 5",        "warmup 5, warmup 5",
                                      "step 5 .5x", "warmup 9, cosine 9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error[0] = '\0';
        assert_false(schedule_parse(bad[i], &s, error));
        assert_non_null(strstr(error, "--schedule"));
    }
}

static void adam_two_steps_by_hand(void **state)
{
    (void)state;
    float w = 1, m = 0, v = 0;
    struct optimizer a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
    instance->update(&a, 1, (const int64_t[]){1}, &w, (const float[]){0.5f}, &m, &v, 1);
    assert_near(w, 0.9, 1e-6); /* 1 - 0.1 * 0.5 / (0.5 + 1e-8) */
    a.step = 2;
    instance->update(&a, 1, (const int64_t[]){1}, &w, (const float[]){-0.2f}, &m, &v, 1);
    assert_near(m, 0.025, 1e-8);
    assert_near(v, 0.00028975, 1e-9);
    /* 0.9 - 0.1 * (0.025 / 0.19) / sqrt(0.00028975 / 0.001999) */
    assert_near(w, 0.86543936, 1e-6);
}

/* A moment that has decayed to a denormal number is dropped where such numbers are slow; the caller's arithmetic keeps them. */
static void moments_end_at_zero(void **state)
{
    (void)state;
    enum { N = 35 };
    float w[N], g[N] = {0}, m[N], v[N];
    for (int i = 0; i < N; i++) {
        w[i] = 1;
        m[i] = i % 2 ? 1e-40f : 0.5f;
        v[i] = i % 2 ? 1e-41f : 1;
    }
    const struct optimizer a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1000};
    instance->update(&a, 1, (const int64_t[]){N}, w, g, m, v, 1);
    for (int i = 0; i < N; i++) {
#ifdef __SSE2__
        assert_true(i % 2 ? m[i] == 0 && v[i] == 0 : fabsf(m[i] - 0.45f) < 1e-6f);
#endif
        assert_true(i % 2 ? w[i] == 1 : w[i] < 1);
    }
    volatile float small = 1e-38f;
    assert_true(small * 0.125f > 0);
}

/* Three steps of each, against plain float64 by PyTorch's formulas. */
static void optimizers_by_their_formulas(void **state)
{
    (void)state;
    enum { N = 77 };
    const struct optimizer cases[] = {
        {OPTIMIZER_ADAM, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01},
        {OPTIMIZER_SGD, .lr = 0.1},
        {OPTIMIZER_SGD, .lr = 0.1, .beta1 = 0.9, .decay = 0.01},
        {OPTIMIZER_SGD, .lr = 0.1, .beta1 = 0.9, .nesterov = true},
        {OPTIMIZER_RMSPROP, .lr = 0.01, .beta2 = 0.99, .eps = 1e-8, .decay = 0.01},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct optimizer o = cases[c];
        float w[N], g[N], m[N] = {0}, v[N] = {0};
        double exact[N], first[N] = {0}, second[N] = {0};
        for (int i = 0; i < N; i++)
            exact[i] = w[i] = noise(i);
        for (o.step = 1; o.step <= 3; o.step++) {
            for (int i = 0; i < N; i++) {
                g[i] = noise(100 * o.step + i);
                double slope = g[i] + o.decay * exact[i], t = (double)o.step;
                if (o.kind == OPTIMIZER_SGD) {
                    first[i] = o.beta1 * first[i] + slope;
                    exact[i] -= o.lr * (o.nesterov ? slope + o.beta1 * first[i] : first[i]);
                    continue;
                }
                first[i] = o.beta1 * first[i] + (1 - o.beta1) * slope;
                second[i] = o.beta2 * second[i] + (1 - o.beta2) * slope * slope;
                exact[i] -= o.kind == OPTIMIZER_RMSPROP
                                ? o.lr * slope / (sqrt(second[i]) + o.eps)
                                : o.lr * first[i] / (1 - pow(o.beta1, t)) /
                                      (sqrt(second[i] / (1 - pow(o.beta2, t))) + o.eps);
            }
            instance->update(&o, 2, (const int64_t[]){48, N}, w, g, m, v, 2);
            for (int i = 0; i < N; i++)
                assert_near(w[i], exact[i], 2e-6);
        }
    }
}

static void running_statistics_by_hand(void **state)
{
    (void)state;
    float mean = 2, variance = 3, running_mean = 1, running_var = 1;
    bn_running_update(1, 4, 0.1, false, &mean, &variance, &running_mean, &running_var);
    assert_near(running_mean, 1.1, 1e-7);
    assert_near(running_var, 0.9 + 0.1 * 4, 1e-7); /* unbiased: 3 * 4 / 3 */
    bn_running_update(1, 4, 0.5, true, &mean, &variance, &running_mean, &running_var);
    assert_near(running_mean, 1.55, 1e-6);
    assert_near(running_var, 0.5 * 1.3 + 0.5 * 3, 1e-6);
}

static void column_sums_any_width(void **state)
{
    (void)state;
    enum { ROWS = 7, MOST = 40 };
    float x[ROWS * MOST], sums[MOST];
    for (int columns = 1; columns <= MOST; columns++) {
        for (int i = 0; i < ROWS * columns; i++)
            x[i] = noise(i);
        instance->column_sums(ROWS, columns, x, sums);
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++)
                sum += x[i * columns + j];
            assert_true(sums[j] == (float)sum);
        }
    }
}

/* Sizes large enough that teams really form, with a remainder. */
static void layers_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { N = 3 * 77 * 33 * 31 };
    struct maxpool p = {.planes = 3 * 77,
                        .lanes = 1,
                        .ih = 33,
                        .iw = 31,
                        .oh = 16,
                        .ow = 15,
                        .kh = 2,
                        .kw = 2,
                        .s = 2};
    float *buffers[2][6];
    uint8_t *chosen[2];
    for (int run = 0; run < 2; run++) {
        int threads = 1 + 2 * run;
        float **b = buffers[run];
        for (int i = 0; i < 6; i++) {
            b[i] = malloc(N * sizeof(float));
            assert_non_null(b[i]);
            for (int64_t j = 0; j < N; j++)
                b[i][j] = i == 5 ? fabsf(noise(j)) : noise(j * 7 + i);
        }
        chosen[run] = malloc(N);
        assert_non_null(chosen[run]);
        instance->maxpool_fwd(&p, b[0], b[1], chosen[run], threads);
        instance->maxpool_bwd(&p, b[1], chosen[run], b[2], threads);
        instance->relu_fwd(b[0], N, threads);
        instance->relu_bwd(b[0], b[2], N, threads);
        struct optimizer a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 3};
        instance->update(&a, 2, (const int64_t[]){N / 3 / 16 * 16, N}, b[3], b[0], b[4], b[5],
                         threads);
    }
    for (int i = 0; i < 6; i++) {
        assert_memory_equal(buffers[0][i], buffers[1][i], N * sizeof(float));
        free(buffers[0][i]);
        free(buffers[1][i]);
    }
    assert_memory_equal(chosen[0], chosen[1], (size_t)3 * 77 * 16 * 15);
    free(chosen[0]);
    free(chosen[1]);
}

/* A whole network against float64 */

static const char small_text[] =
    "conv 4 3x3 same stride 2; bn; relu; maxpool 2; conv 5 2x3 nobias; bn eps 1e-3; relu; "
    "conv 6 2x2; relu; maxpool 2 stride 1; dense 7; bn; relu; dense 5; relu; dense 4";
static const struct shape small_input = {3, 25, 20};
enum { SMALL_BATCH = 5 };

static struct net *make_planned_net(const char *text, struct shape input, int64_t batch,
                                    const char *kernels, enum fuse fuse,
                                    const struct net_plan *plan)
{
    static struct net_text layers;
    char error[ERROR_TEXT] = "";
    if (!net_text_parse(text, input, &layers, error))
        fail_msg("%s", error);
    struct net_options o = {.batch = batch,
                            .eval_batch = batch,
                            .classes = 4,
                            .seed = 7,
                            .hints = {.threads = 2, .l1 = 32768, .l2 = 1 << 20, .llc = 1 << 25},
                            .kernels = kernels,
                            .plan = plan,
                            .isa = isa_detect(),
                            .fuse = fuse};
    struct net *n = net_create(&layers, &o, error);
    if (!n)
        fail_msg("%s", error);
    return n;
}

static struct net *make_net(const char *text, struct shape input, int64_t batch,
                            const char *kernels, enum fuse fuse)
{
    return make_planned_net(text, input, batch, kernels, fuse, NULL);
}

static double *ref_weights[64]; /* by tensor of the network */

static const double *weights_of(struct net *n, int layer, const char *what)
{
    char name[32];
    snprintf(name, sizeof name, "%d.%s", layer, what);
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name))
            return ref_weights[i];
    return NULL;
}

static void ref_conv(const struct layer *l, const double *x, const double *w, const double *bias,
                     double *y)
{
    for (int64_t n = 0; n < SMALL_BATCH; n++) {
        for (int64_t o = 0; o < l->dst.c; o++) {
            for (int64_t at = 0; at < l->dst.h * l->dst.w; at++) {
                double sum = bias ? bias[o] : 0;
                for (int64_t tap = 0; tap < l->src.c * l->kh * l->kw; tap++) {
                    int64_t c = tap / (l->kh * l->kw), kh = tap / l->kw % l->kh, kw = tap % l->kw;
                    int64_t ih = at / l->dst.w * l->stride - l->ph + kh,
                            iw = at % l->dst.w * l->stride - l->pw + kw;
                    if (ih >= 0 && ih < l->src.h && iw >= 0 && iw < l->src.w)
                        sum += x[((n * l->src.c + c) * l->src.h + ih) * l->src.w + iw] *
                               w[o * l->src.c * l->kh * l->kw + tap];
                }
                y[(n * l->dst.c + o) * l->dst.h * l->dst.w + at] = sum;
            }
        }
    }
}

/* Mean and biased variance of channel c of x[mb][channels][hw]. */
static void ref_statistics(int64_t mb, int64_t channels, int64_t hw, const double *x, int64_t c,
                           double *mean, double *variance)
{
    const int64_t count = mb * hw;
    *mean = *variance = 0;
    for (int64_t i = 0; i < count; i++)
        *mean += x[(i / hw * channels + c) * hw + i % hw] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = x[(i / hw * channels + c) * hw + i % hw] - *mean;
        *variance += d * d / (double)count;
    }
}

static void ref_bn(struct net *n, int layer, const struct layer *l, const double *x, double *y)
{
    const double *gamma = weights_of(n, layer, "weight"), *beta = weights_of(n, layer, "bias");
    int64_t hw = l->src.h * l->src.w;
    for (int64_t c = 0; c < l->src.c; c++) {
        double mean, variance;
        ref_statistics(SMALL_BATCH, l->src.c, hw, x, c, &mean, &variance);
        if (l->frozen) {
            mean = weights_of(n, layer, "running_mean")[c];
            variance = weights_of(n, layer, "running_var")[c];
        }
        for (int64_t i = 0; i < SMALL_BATCH * hw; i++) {
            int64_t at = (i / hw * l->src.c + c) * hw + i % hw;
            y[at] = (gamma ? gamma[c] : 1) * (x[at] - mean) / sqrt(variance + l->eps) +
                    (beta ? beta[c] : 0);
        }
    }
}

static void ref_maxpool(const struct layer *l, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * l->dst.c * l->dst.h * l->dst.w; i++) {
        int64_t plane = i / (l->dst.h * l->dst.w), oh = i / l->dst.w % l->dst.h, ow = i % l->dst.w;
        double best = -INFINITY;
        for (int64_t tap = 0; tap < l->kh * l->kw; tap++) {
            int64_t ih = oh * l->stride + tap / l->kw, iw = ow * l->stride + tap % l->kw;
            best = fmax(best, x[(plane * l->src.h + ih) * l->src.w + iw]);
        }
        y[i] = best;
    }
}

static void ref_avgpool(const struct layer *l, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * l->dst.c * l->dst.h * l->dst.w; i++) {
        int64_t plane = i / (l->dst.h * l->dst.w), oh = i / l->dst.w % l->dst.h, ow = i % l->dst.w;
        y[i] = 0;
        for (int64_t tap = 0; tap < l->kh * l->kw; tap++) {
            int64_t ih = oh * l->stride + tap / l->kw, iw = ow * l->stride + tap % l->kw;
            y[i] += x[(plane * l->src.h + ih) * l->src.w + iw] / (double)(l->kh * l->kw);
        }
    }
}

/* What the dropout at `layer` multiplies value j of `count` by. */
static double dropped(const struct net *n, int layer, double rate, int64_t count, int64_t j)
{
    float all[SMALL_BATCH * 256];
    assert_true(count <= SMALL_BATCH * 256);
    for (int64_t i = 0; i < count; i++)
        all[i] = 1;
    net_layers(n)->dropout(all, all, count, rate, net_dropout_key(n, layer), 1);
    return all[j];
}

static void ref_softmax(int64_t classes, const double *x, double *y)
{
    for (int64_t i = 0; i < SMALL_BATCH * classes; i++) {
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(x[i / classes * classes + j]);
        y[i] = exp(x[i]) / sum;
    }
}

/* The mean loss of the network in float64, by plain loops. */
static double ref_loss(struct net *n, const struct net_text *text, const float *images,
                       const uint8_t *labels)
{
    enum { ROOM = 8192 };
    static double buffers[2][ROOM];
    double *x = buffers[0], *y = buffers[1];
    for (int64_t i = 0; i < SMALL_BATCH * small_input.c * small_input.h * small_input.w; i++)
        x[i] = images[i];
    for (int i = 0; i < text->count; i++) {
        const struct layer *l = &text->layers[i];
        const double *w = weights_of(n, i, "weight"), *b = weights_of(n, i, "bias");
        int64_t outputs = l->dst.c * l->dst.h * l->dst.w;
        assert_true(SMALL_BATCH * outputs <= ROOM);
        switch (l->kind) {
        case LAYER_CONV: ref_conv(l, x, w, b, y); break;
        case LAYER_BN: ref_bn(n, i, l, x, y); break;
        case LAYER_MAXPOOL: ref_maxpool(l, x, y); break;
        case LAYER_AVGPOOL: ref_avgpool(l, x, y); break;
        case LAYER_FLATTEN: memcpy(y, x, (size_t)(SMALL_BATCH * outputs) * sizeof *y); break;
        case LAYER_RELU:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = fmax(x[j], 0);
            break;
        case LAYER_SIGMOID:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = 1 / (1 + exp(-x[j]));
            break;
        case LAYER_TANH:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = tanh(x[j]);
            break;
        case LAYER_SOFTMAX: ref_softmax(outputs, x, y); break;
        case LAYER_DROPOUT:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++)
                y[j] = x[j] * dropped(n, i, l->rate, SMALL_BATCH * outputs, j);
            break;
        case LAYER_DENSE:
            for (int64_t j = 0; j < SMALL_BATCH * outputs; j++) {
                y[j] = b[j % outputs];
                for (int64_t k = 0; k < l->src.c; k++)
                    y[j] += x[j / outputs * l->src.c + k] * w[j % outputs * l->src.c + k];
            }
            break;
        }
        double *swap = x;
        x = y;
        y = swap;
    }
    double loss = 0;
    int64_t classes = text->layers[text->count - 1].dst.c;
    for (int64_t i = 0; i < SMALL_BATCH; i++) {
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(x[i * classes + j]);
        loss += (log(sum) - x[i * classes + labels[i]]) / SMALL_BATCH;
    }
    return loss;
}

static int64_t elements(const struct net_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dims[i];
    return n;
}

static void check_gradients_of(const char *layers, struct shape input, const char *kernels)
{
    static struct net_text text;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(layers, input, &text, error));
    /* In the default kernels with all that can be fused. */
    struct net *n = make_net(layers, input, SMALL_BATCH, kernels, kernels ? FUSE_AUTO : FUSE_STATS);
    int64_t pixels = SMALL_BATCH * small_input.c * small_input.h * small_input.w;
    static float images[SMALL_BATCH * 3 * 25 * 20];
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    for (int64_t i = 0; i < pixels; i++)
        images[i] = net_input(n)[i] = noise(i);
    /* Gamma, beta and running statistics away from 1 and 0, so that a missing factor shows. */
    for (int i = 0; i < net_tensor_count(n); i++) {
        struct net_tensor *t = net_tensor(n, i);
        for (int64_t j = 0; t->ndim == 1 && j < elements(t); j++)
            t->data[j] += 0.3f * noise(1000 * i + j);
        ref_weights[i] = malloc((size_t)elements(t) * sizeof(double));
        assert_non_null(ref_weights[i]);
        for (int64_t j = 0; j < elements(t); j++)
            ref_weights[i][j] = t->data[j];
    }
    struct outcome o = net_gradients(n, SMALL_BATCH, labels);
    assert_near(o.loss / SMALL_BATCH, ref_loss(n, &text, images, labels), 1e-5);
    int compared = 0;
    for (int i = 0; i < net_tensor_count(n); i++) {
        const struct net_tensor *t = net_tensor(n, i);
        for (int64_t j = 0; net_gradient(n, i) && j < elements(t); j++, compared++) {
            const double h = 1e-6;
            double *w = &ref_weights[i][j], center = *w;
            *w = center + h;
            double above = ref_loss(n, &text, images, labels);
            *w = center - h;
            double below = ref_loss(n, &text, images, labels);
            *w = center;
            double expected = (above - below) / (2 * h), got = net_gradient(n, i)[j];
            if (!(fabs(got - expected) <= 2e-5 + 1e-3 * fabs(expected)))
                fail_msg("d loss / d %s[%lld]: got %g, finite difference %g", t->name, (long long)j,
                         got, expected);
        }
    }
    assert_true(compared > 400);
    for (int i = 0; i < net_tensor_count(n); i++)
        free(ref_weights[i]);
    net_free(n);
}

static void check_gradients(const char *layers, const char *kernels)
{
    check_gradients_of(layers, small_input, kernels);
}

static void gradients_match_finite_differences(void **state)
{
    check_gradients(small_text, *state);
}

static void gradients_through_curves(void **state)
{
    (void)state;
    check_gradients(
        "conv 4 3x3 same stride 2; bn; sigmoid; maxpool 2; conv 5 2x3; tanh; conv 6 2x2; "
        "sigmoid; dense 7; bn; relu; dropout 0.4; dense 9; dropout 0.2; tanh; dense 4; softmax stray",
        NULL);
}

static void gradients_through_means(void **state)
{
    (void)state;
    check_gradients("conv 4 3x3 same stride 2; bn; tanh; avgpool 2; conv 5 2x3; relu; "
                    "avgpool 2 stride 1; conv 8 2x2; bn; avgpool global; dense 9; tanh; dense 4",
                    NULL);
}

/* As many numbers as the small images have. */
static void gradients_along_signals(void **state)
{
    (void)state;
    check_gradients_of(
        "conv1d 6 5 stride 4 same; bn; relu; maxpool1d 3 stride 2; conv1d 8 3 same; bn; "
        "tanh; avgpool1d 4; conv1d 9 2 nobias; relu; maxpool1d 2; dense 7; bn; relu; dense 4",
        (struct shape){3, 1, 500}, NULL);
}

static void gradients_through_other_bn(void **state)
{
    (void)state;
    check_gradients(
        "conv 4 3x3 same stride 2; bn frozen; relu; maxpool 2; conv 5 2x3; bn affine off; "
        "tanh; conv 8 2x2 nobias; bn keras running off; relu; maxpool 2; "
        "bn frozen affine off; dense 9; bn onnx; tanh; dense 4",
        NULL);
}

/* What follows is drawn from images x[batch][C][H][W] that are given, not from a net's input, which later calls overwrite. */
static void fill(struct net *n, int64_t count, double *x)
{
    for (int64_t i = 0; i < count; i++)
        net_input(n)[i] = (float)(x[i] = 3 + (double)noise(i) * (1 + (double)(i % 7)));
}

static float *data_of(struct net *n, const char *name)
{
    for (int i = 0; i < net_tensor_count(n); i++)
        if (!strcmp(net_tensor(n, i)->name, name))
            return net_tensor(n, i)->data;
    return NULL;
}

/* BatchNorm1d(102) on (22, 102), with gamma and beta and without: the layer cases of a text on BN. */
static void bn_of_vectors(void **state)
{
    (void)state;
    enum { BATCH = 22, WIDTH = 102 };
    for (int affine = 0; affine < 2; affine++) {
        struct net *n = make_net(affine ? "dense 102 nobias; bn running off"
                                        : "dense 102 nobias; bn affine off running off",
                                 (struct shape){WIDTH, 1, 1}, BATCH, NULL, FUSE_AUTO);
        static double x[BATCH * WIDTH];
        /* The dense layer hands on what it is given. */
        for (int i = 0; i < WIDTH * WIDTH; i++)
            data_of(n, "0.weight")[i] = i / WIDTH == i % WIDTH;
        assert_int_equal(net_tensor_count(n), affine ? 3 : 1);
        for (int c = 0; affine && c < WIDTH; c++) {
            data_of(n, "1.weight")[c] = 1 + noise(c);
            data_of(n, "1.bias")[c] = noise(c + 300);
        }
        fill(n, BATCH * WIDTH, x);
        const float *y = net_forward(n, BATCH);
        for (int i = 0; i < BATCH * WIDTH; i++) {
            const int c = i % WIDTH;
            double mean, variance;
            ref_statistics(BATCH, WIDTH, 1, x, c, &mean, &variance);
            const double plain = (x[i] - mean) / sqrt(variance + 1e-5);
            assert_near(y[i], affine ? (1 + (double)noise(c)) * plain + noise(c + 300) : plain,
                        1e-5);
        }
        net_free(n);
    }
}

/* A convolution of signals, then BN, against plain loops: the Conv1D(64, 3) on 256 channels of 128 values of that text. */
static void conv1d_then_bn(void **state)
{
    (void)state;
    enum { BATCH = 2, IN = 256, OUT = 64, LENGTH = 128, TAPS = 3, GIVEN = LENGTH - TAPS + 1 };
    struct net *n = make_net("conv1d 64 3; bn running off; flatten", (struct shape){IN, 1, LENGTH},
                             BATCH, NULL, FUSE_AUTO);
    static double x[BATCH * IN * LENGTH], y[BATCH * OUT * GIVEN];
    assert_int_equal(net_tensor(n, 0)->ndim, 3);
    assert_int_equal(net_tensor(n, 0)->dims[2], TAPS);
    fill(n, BATCH * IN * LENGTH, x);
    const float *w = data_of(n, "0.weight"), *b = data_of(n, "0.bias");
    for (int64_t i = 0; i < BATCH * OUT * GIVEN; i++) {
        const int64_t image = i / GIVEN / OUT, o = i / GIVEN % OUT;
        y[i] = b[o];
        for (int64_t c = 0; c < IN; c++)
            for (int64_t k = 0; k < TAPS; k++)
                y[i] += w[(o * IN + c) * TAPS + k] * x[(image * IN + c) * LENGTH + i % GIVEN + k];
    }
    const float *got = net_forward(n, BATCH);
    for (int64_t o = 0; o < OUT; o++) {
        double mean, variance;
        ref_statistics(BATCH, OUT, GIVEN, y, o, &mean, &variance);
        for (int64_t i = 0; i < BATCH * GIVEN; i++) {
            const int64_t at = (i / GIVEN * OUT + o) * GIVEN + i % GIVEN;
            assert_near(got[at], (y[at] - mean) / sqrt(variance + 1e-5), 2e-5);
        }
    }
    net_free(n);
}

/* Running statistics after three batches by each convention, and in evaluation. */
static void running_statistics_by_convention(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double momentum, eps;
        bool cumulative, population;
    } cases[] = {{"bn; dense 4", 0.1, 1e-5, false, false},
                 {"bn pytorch momentum 0.3; dense 4", 0.3, 1e-5, false, false},
                 {"bn keras; dense 4", 0.01, 1e-3, false, false},
                 {"bn keras3; dense 4", 0.01, 1e-3, false, true},
                 {"bn onnx; dense 4", 0.1, 1e-5, false, true},
                 {"bn momentum cumulative; dense 4", 0, 1e-5, true, false},
                 {"bn frozen; dense 4", 0, 1e-5, false, false}};
    enum { BATCH = 5, WIDTH = 3 };
    const uint8_t labels[BATCH] = {0, 1, 2, 3, 0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct net *n =
            make_net(cases[k].text, (struct shape){WIDTH, 1, 1}, BATCH, NULL, FUSE_AUTO);
        double x[BATCH * WIDTH], running[2] = {0, 1};
        for (int step = 1; step <= 3; step++) {
            fill(n, BATCH * WIDTH, x);
            for (int i = 0; i < BATCH * WIDTH; i++)
                net_input(n)[i] = (float)(x[i] *= step);
            net_gradients(n, BATCH, labels);
            double mean, variance, take = cases[k].cumulative ? 1.0 / step : cases[k].momentum;
            ref_statistics(BATCH, WIDTH, 1, x, 1, &mean, &variance);
            running[0] += take * (mean - running[0]);
            running[1] += take * (variance * (cases[k].population ? 1 : 1.25) - running[1]);
        }
        assert_near(data_of(n, "0.running_mean")[1], running[0], 1e-5);
        assert_near(data_of(n, "0.running_var")[1], running[1], 1e-4);
        /* Evaluation goes by them. */
        fill(n, BATCH * WIDTH, x);
        const float *w = data_of(n, "1.weight"), *logits = net_forward(n, BATCH);
        double sum = data_of(n, "1.bias")[2];
        for (int c = 0; c < WIDTH; c++)
            sum += w[2 * WIDTH + c] * (x[c] - data_of(n, "0.running_mean")[c]) /
                   sqrt((double)data_of(n, "0.running_var")[c] + cases[k].eps);
        assert_near(logits[2], sum, 2e-5 * (1 + fabs(sum)));
        net_free(n);
    }
}

static void dropout_is_for_training_alone(void **state)
{
    (void)state;
    struct net *with = make_net("dropout 0.5; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    struct net *without = make_net("dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    double first = 0;
    for (int step = 0; step < 2; step++) {
        for (int64_t i = 0; i < SMALL_BATCH * small_input.c * small_input.h * small_input.w; i++)
            net_input(with)[i] = net_input(without)[i] = noise(i);
        double evaluated = net_evaluate(with, SMALL_BATCH, labels).loss;
        assert_true(evaluated == net_evaluate(without, SMALL_BATCH, labels).loss);
        double trained = net_gradients(with, SMALL_BATCH, labels).loss;
        /* Others are dropped in the next step. */
        assert_true(trained != evaluated && trained != first);
        first = trained;
    }
    net_free(with);
    net_free(without);
}

/* After one pass the running statistics have moved a tenth of the way to those of the batch. */
static void running_statistics_of_a_network(void **state)
{
    (void)state;
    struct net *n = make_net("bn; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    int64_t hw = small_input.h * small_input.w, count = SMALL_BATCH * hw;
    for (int64_t i = 0; i < count * small_input.c; i++)
        net_input(n)[i] = 3 + noise(i);
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < count; i++)
        mean += net_input(n)[(i / hw * small_input.c) * hw + i % hw] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = net_input(n)[(i / hw * small_input.c) * hw + i % hw] - mean;
        variance += d * d / (double)(count - 1);
    }
    net_gradients(n, SMALL_BATCH, (const uint8_t[SMALL_BATCH]){0});
    assert_string_equal(net_tensor(n, 2)->name, "0.running_mean");
    assert_near(net_tensor(n, 2)->data[0], 0.1 * mean, 1e-6);
    assert_string_equal(net_tensor(n, 3)->name, "0.running_var");
    assert_near(net_tensor(n, 3)->data[0], 0.9 + 0.1 * variance, 1e-6);
    net_free(n);
}

/* Glorot's bound, He's deviation, and no biases. */
static void other_initial_weights(void **state)
{
    (void)state;
    for (enum init init = INIT_GLOROT; init <= INIT_HE; init++) {
        static struct net_text layers;
        char error[ERROR_TEXT];
        assert_true(net_text_parse("conv 40 3x3; dense 4", small_input, &layers, error));
        struct net_options o = {.batch = 1,
                                .eval_batch = 1,
                                .classes = 4,
                                .hints = {.threads = 1},
                                .isa = isa_detect(),
                                .init = init};
        struct net *n = net_create(&layers, &o, error);
        assert_non_null(n);
        const struct net_tensor *t = net_tensor(n, 0);
        double largest = 0, square = 0, count = (double)elements(t);
        for (int64_t i = 0; i < elements(t); i++) {
            largest = fmax(largest, fabs((double)t->data[i]));
            square += (double)t->data[i] * t->data[i] / count;
        }
        const double fan_in = 3 * 9, fan_out = 40 * 9;
        const double variance = init == INIT_HE ? 2 / fan_in : 2 / (fan_in + fan_out);
        assert_true(square > 0.9 * variance && square < 1.1 * variance);
        assert_true(init == INIT_HE ||
                    (largest <= sqrt(3 * variance) && largest > 0.99 * sqrt(3 * variance)));
        assert_true(init == INIT_GLOROT || largest > 2.5 * sqrt(variance));
        assert_string_equal(net_tensor(n, 1)->name, "0.bias");
        for (int64_t i = 0; i < 40; i++)
            assert_true(net_tensor(n, 1)->data[i] == 0);
        net_free(n);
    }
}

static void initial_weights_fill_their_range(void **state)
{
    (void)state;
    struct net *n = make_net("dense 50; dense 4", small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    const struct net_tensor *t = net_tensor(n, 0);
    double bound = 1 / sqrt(3.0 * 25 * 20), largest = 0, sum = 0;
    for (int64_t i = 0; i < elements(t); i++) {
        largest = fmax(largest, fabs((double)t->data[i]));
        sum += (double)t->data[i];
    }
    assert_true(largest <= bound && largest > 0.999 * bound);
    assert_true(fabs(sum / (double)elements(t)) < 0.02 * bound);
    net_free(n);
}

/* The operation a layer's forward call in training came to be. */
static const char *forward_op(const struct net *n, int layer)
{
    for (int i = 0; i < net_call_count(n); i++) {
        const struct call *c = net_call(n, i);
        if (c->layer == layer && c->phase == FWD)
            return c->entry->op;
    }
    return "";
}

/* A few steps of training with bn and relu as one operation, with statistics from the conv before, and all apart. */
static void fused_and_unfused_agree(void **state)
{
    (void)state;
    bool there = false;
    for (int i = 0; i < registry_count; i++)
        there |=
            !strcmp(registry[i].op, "bn_relu_bwd") && !registry_why_not(&registry[i], isa_detect());
    if (!there)
        skip();
    enum { NETS = 3 };
    struct net *nets[NETS] = {make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF),
                              make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_ON),
                              make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_STATS)};
    assert_string_equal(forward_op(nets[0], 0), "conv_fwd");
    assert_string_equal(forward_op(nets[0], 1), "bn_fwd_train");
    assert_string_equal(forward_op(nets[0], 5), "bn_fwd_train");
    /* One with the relu and the maxpool after it: only evaluation calls an operation. */
    assert_string_equal(forward_op(nets[1], 1), "bn_fwd_infer");
    assert_string_equal(forward_op(nets[1], 5), "bn_relu_fwd_train");
    assert_string_equal(forward_op(nets[2], 0), "conv_stats");
    assert_string_equal(forward_op(nets[2], 1), "bn_fwd_infer");
    assert_string_equal(forward_op(nets[2], 5), "bn_relu_fwd_infer");
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    struct optimizer adam = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    for (int step = 1; step <= 20; step++) {
        double loss[NETS];
        adam.step = step;
        for (int i = 0; i < NETS; i++) {
            for (int64_t j = 0; j < SMALL_BATCH * small_input.c * small_input.h * small_input.w;
                 j++)
                net_input(nets[i])[j] = noise(j);
            loss[i] = net_gradients(nets[i], SMALL_BATCH, labels).loss;
            net_update(nets[i], &adam);
        }
        for (int i = 1; i < NETS; i++)
            assert_near(loss[i] / loss[0], 1, 1e-3);
    }
    for (int i = 0; i < NETS; i++)
        net_free(nets[i]);
}

/* What a network picked for its training pass, as a plan. */
static void plan_of(const struct net *n, bool pools, struct net_plan *plan)
{
    static struct net_text layers;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(small_text, small_input, &layers, error));
    *plan = (struct net_plan){.count = layers.count};
    for (int i = 0; i < layers.count; i++) {
        plan->layers[i].layout = NCHW;
        plan->layers[i].pools = pools && net_can_pool(&layers, i);
    }
    for (int i = net_call_count(n) - 1; i >= 0; i--) {
        const struct call *c = net_call(n, i);
        plan->layers[c->layer].kernels[c->phase] = c->entry;
    }
}

static void assert_same_gradients(struct net *a, struct net *b)
{
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    for (int64_t j = 0; j < SMALL_BATCH * small_input.c * small_input.h * small_input.w; j++)
        net_input(a)[j] = net_input(b)[j] = noise(j);
    const double loss[] = {net_gradients(a, SMALL_BATCH, labels).loss,
                           net_gradients(b, SMALL_BATCH, labels).loss};
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    for (int t = 0; t < net_tensor_count(a); t++) {
        const struct net_tensor *shape = net_tensor(a, t);
        size_t bytes = sizeof(float);
        for (int d = 0; d < shape->ndim; d++)
            bytes *= (size_t)shape->dims[d];
        if (net_gradient(a, t))
            assert_memory_equal(net_gradient(a, t), net_gradient(b, t), bytes);
    }
}

/* What is fused by a plan has the bits of what is fused by hand, and goes by hand where both speak. */
static void plans_fuse_as_hands_do(void **state)
{
    (void)state;
    static struct net_plan apart, joined;
    struct net *by_hand[] = {make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF),
                             make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_ON),
                             make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_STATS)};
    plan_of(by_hand[1], false, &apart);
    for (int i = 1; i < 3; i++) {
        plan_of(by_hand[i], true, &joined);
        struct net *planned =
            make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &joined);
        assert_string_equal(forward_op(planned, 0), i == 2 ? "conv_stats" : "conv_fwd");
        assert_true(net_pools(planned, 1) && !net_pools(planned, 5));
        assert_same_gradients(by_hand[i], planned);
        net_free(planned);
        planned = make_planned_net(small_text, small_input, SMALL_BATCH, NULL, (enum fuse)(i + 1),
                                   &apart);
        assert_string_equal(forward_op(planned, 0), i == 2 ? "conv_stats" : "conv_fwd");
        assert_true(net_pools(planned, 1));
        net_free(planned);
    }
    /* joined: all that can be. */
    struct net *off =
        make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_OFF, &joined);
    assert_string_equal(forward_op(off, 0), "conv_fwd");
    assert_string_equal(forward_op(off, 1), "bn_fwd_train");
    assert_false(net_pools(off, 1));
    for (int i = 0; i < net_call_count(off); i++)
        if (net_call(off, i)->layer == 0 && net_call(off, i)->phase == FWD)
            assert_string_equal(net_call(off, i)->entry->name, joined.layers[0].kernels[FWD]->name);
    net_free(off);
    struct net *plain =
        make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &apart);
    assert_false(net_pools(plain, 1));
    assert_string_equal(forward_op(plain, 0), "conv_fwd");
    net_free(plain);
    for (int i = 0; i < 3; i++)
        net_free(by_hand[i]);
}

/* Loss and gradients in nchw, and with layers in other layouts and reorders between them. */
static void layouts_agree(void **state)
{
    (void)state;
    static const enum layout turns[][3] = {{NHWC, NHWC, NHWC},
                                           {NCHW16C, NCHW16C, NCHW16C},
                                           {NCHW16C, NCHW, NHWC},
                                           {NHWC, NCHW16C, NCHW}};
    static struct net_text layers;
    char error[ERROR_TEXT];
    assert_true(net_text_parse(small_text, small_input, &layers, error));
    const uint8_t labels[SMALL_BATCH] = {0, 3, 1, 2, 3};
    struct net *plain = make_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO);
    int64_t pixels = SMALL_BATCH * small_input.c * small_input.h * small_input.w;
    for (int64_t j = 0; j < pixels; j++)
        net_input(plain)[j] = noise(j);
    double loss = net_gradients(plain, SMALL_BATCH, labels).loss;
    for (size_t k = 0; k < sizeof turns / sizeof *turns; k++) {
        static struct net_plan plan;
        plan = (struct net_plan){.count = layers.count};
        for (int i = 0; i < layers.count; i++) {
            enum layout want = turns[k][i % 3];
            plan.layers[i].layout = net_layer_takes(&layers.layers[i], want) ? want : NCHW;
        }
        struct net *n =
            make_planned_net(small_text, small_input, SMALL_BATCH, NULL, FUSE_AUTO, &plan);
        int reorders = 0;
        for (int i = 0; i < net_call_count(n); i++)
            reorders += !strcmp(net_call(n, i)->entry->op, "reorder");
        assert_true(reorders > 0);
        for (int64_t j = 0; j < pixels; j++)
            net_input(n)[j] = noise(j);
        assert_near(net_gradients(n, SMALL_BATCH, labels).loss / loss, 1, 1e-5);
        for (int t = 0; t < net_tensor_count(plain); t++) {
            const float *a = net_gradient(plain, t), *b = net_gradient(n, t);
            const struct net_tensor *shape = net_tensor(plain, t);
            int64_t count = 1;
            for (int d = 0; d < shape->ndim; d++)
                count *= shape->dims[d];
            double distance = 0, norm = 0;
            for (int64_t j = 0; a && j < count; j++) {
                distance += pow(a[j] - b[j], 2);
                norm += pow(a[j], 2);
            }
            /* A bias right before bn has a gradient of rounding noise alone. */
            if (sqrt(distance) > 1e-4 * sqrt(norm) && sqrt(norm) > 1e-5)
                fail_msg("layouts %d: gradient of %s: off by %g of %g", (int)k, shape->name,
                         sqrt(distance), sqrt(norm));
        }
        struct outcome eval[2] = {net_evaluate(plain, SMALL_BATCH, labels),
                                  net_evaluate(n, SMALL_BATCH, labels)};
        assert_near(eval[1].loss / eval[0].loss, 1, 1e-4);
        net_free(n);
    }
    net_free(plain);
}

/* Text */

static void expect_text_error(const char *text, const char *part, const char *more)
{
    static struct net_text layers;
    char error[ERROR_TEXT] = "";
    assert_false(net_text_parse(text, (struct shape){3, 32, 32}, &layers, error));
    if (!strstr(error, part) || !strstr(error, more) || strchr(error, '\n'))
        fail_msg("'%s': '%s' should say '%s' and '%s'", text, error, part, more);
}

static void text_errors_point_at_the_word(void **state)
{
    (void)state;
    expect_text_error("", "column 1", "write layers");
    expect_text_error("conv 6 5x5; rleu; dense 10", "column 13, 'rleu'", "layers are conv");
    expect_text_error("conv 6 5x5; Conv2d 3", "column 13, 'Conv2d'", "called conv here");
    expect_text_error("dense 10; softmax", "column 11, 'softmax'", "loss applies softmax");
    expect_text_error("dense 10; relu; sigmoid", "column 17, 'sigmoid'", "activation");
    expect_text_error("dense 10; dropout 1", "column 19, '1'", "share of values to drop");
    expect_text_error("dense 10; softmax strange", "column 11, 'softmax'", "softmax stray");
    expect_text_error("conv six 5x5", "column 6, 'six'", "number of filters");
    expect_text_error("conv 6", "at the end", "size of the kernel");
    expect_text_error("conv 6 5y5", "column 8, '5y5'", "size of the kernel");
    expect_text_error("conv 6 0x5", "column 8, '0x5'", "size of the kernel");
    expect_text_error("conv 6 33x33", "column 8, '33x33'", "32x32 image");
    expect_text_error("conv 6 5x5 valid", "column 12, 'valid'", "conv takes");
    expect_text_error("conv 6 5x5 stride 0", "column 19, '0'", "stride");
    expect_text_error("conv 6 5x5 relu", "column 12, 'relu'", "conv takes");
    expect_text_error("relu relu", "column 6, 'relu'", "separated by ';'");
    expect_text_error("maxpool 40", "column 9, '40'", "16");
    expect_text_error("conv 4 20x20; maxpool 14", "column 23, '14'", "13x13 image");
    expect_text_error("dense", "at the end", "number of outputs");
    expect_text_error("dense 99999999999999999999", "column 7", "number of outputs");
    expect_text_error("bn eps 0", "column 8, '0'", "1e-12");
    expect_text_error("bn momentum x", "column 13, 'x'", "from 0 to 1");
    expect_text_error("conv 1000000 1x1; flatten; conv 1000000 1000x1000 same", "column 28, 'conv'",
                      "more than 2^50 weights");
    expect_text_error("conv1d 4 3", "column 1, 'conv1d'", "leave out the 1d");
    expect_text_error("bn1d", "column 1, 'bn1d'", "no such layer");
    expect_text_error("Linear(10)", "column 1, 'Linear(10)'", "called dense here");
    expect_text_error("GlobalAveragePooling2D()", "column 1", "avgpool global");
    expect_text_error("conv 4 3x3 padding=same", "column 12, 'padding=same'", "say same");
    expect_text_error("conv 4 3x3 use_bias=False", "column 12", "write nobias");
    expect_text_error("bn epsilon 1e-3", "column 4, 'epsilon'", "write eps E");
    expect_text_error("bn affine=False", "column 4", "write affine off");
    expect_text_error("maxpool 2 strides=2", "column 11", "write stride S");
    expect_text_error("dense 4 activation=relu", "column 9", "layer of its own");
    expect_text_error("bn momentum 0.1 keras", "column 17, 'keras'", "first");
    expect_text_error("bn affine on", "column 11, 'on'", "affine off");
    expect_text_error("bn running off frozen", "column 4, 'running'", "frozen keeps to");
    expect_text_error(";", "column 1, ';'", "no such layer");
}

static void text_shapes(void **state)
{
    (void)state;
    static struct net_text t;
    char error[ERROR_TEXT], text[LAYER_TEXT];
    assert_true(net_text_parse(preset_find("lenet")->text, (struct shape){3, 32, 32}, &t, error));
    assert_int_equal(t.count, 12); /* the flatten counts */
    assert_int_equal(t.layers[3].dst.h, 10);
    assert_int_equal(t.layers[6].dst.c, 400);
    int64_t parameters = 0;
    for (int i = 0; i < t.count; i++)
        parameters += layer_parameters(&t.layers[i]);
    assert_int_equal(parameters, 62006);
    assert_true(
        net_text_parse("conv 4 3x3 same stride 2;bn", (struct shape){3, 32, 31}, &t, error));
    assert_int_equal(t.layers[0].dst.h, 16);
    assert_int_equal(t.layers[0].dst.w, 16);
    /* Half of the one row that is too many goes above: none. */
    assert_int_equal(t.layers[0].ph, 0);
    assert_int_equal(t.layers[0].pw, 1);
    assert_string_equal(layer_print(&t.layers[0], text), "conv 4 3x3 same stride 2");
}

/* A layer is printed so that it is read as what it was, to the last bit. */
static void text_comes_back(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"bn", "bn"},
        {"bn pytorch", "bn"},
        {"maxpool 3 stride 2", "maxpool 3 stride 2"},
        {"bn keras", "bn eps 0.001 momentum 0.01"},
        {"bn keras3", "bn eps 0.001 momentum 0.01 population"},
        {"bn onnx momentum 0.25", "bn eps 1e-05 momentum 0.25 population"},
        {"bn momentum cumulative frozen", "bn eps 1e-05 momentum cumulative frozen"},
        {"bn running off affine off", "bn affine off running off"},
        {"bn eps 1.2345678901234567e-05", "bn eps 1.2345678901234568e-05 momentum 0.1"},
        {"dropout 0.333333333", "dropout 0.333333333"},
    };
    static struct net_text t, again;
    char error[ERROR_TEXT], text[LAYER_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(net_text_parse(cases[i][0], (struct shape){3, 8, 8}, &t, error));
        assert_string_equal(layer_print(&t.layers[0], text), cases[i][1]);
        assert_true(net_text_parse(text, (struct shape){3, 8, 8}, &again, error));
        const struct layer *a = &t.layers[0], *b = &again.layers[0];
        assert_true(a->eps == b->eps && a->momentum == b->momentum && a->rate == b->rate &&
                    a->cumulative == b->cumulative && a->population == b->population &&
                    a->affine == b->affine && a->running == b->running && a->frozen == b->frozen);
    }
}

static void impossible_networks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        int64_t batch;
    } cases[] = {
        {"relu; flatten", "no layer has weights", 5},
        {"conv 4 3x3", "end with dense 4", 5},
        {"dense 3", "end with dense 4", 5},
        {"dense 8; bn; dense 4", "one value per channel", 1},
        {"dense 1000000; dense 1000000", "smaller batch or layer", 5},
    };
    static struct net_text layers;
    char error[ERROR_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(net_text_parse(cases[i].text, small_input, &layers, error));
        struct net_options o = {.batch = cases[i].batch,
                                .eval_batch = 1,
                                .classes = 4,
                                .hints = {.threads = 1},
                                .isa = isa_detect(),
                                .memory = 1e9};
        error[0] = '\0';
        assert_null(net_create(&layers, &o, error));
        if (!strstr(error, cases[i].error))
            fail_msg("'%s': '%s' should say '%s'", cases[i].text, error, cases[i].error);
    }
}

/* Kernels */

static void kernel_choice_order(void **state)
{
    (void)state;
    struct problem p = {.kind = PROBLEM_CONV,
                        .conv = {.mb = 2,
                                 .g = 1,
                                 .ic = 3,
                                 .oc = 4,
                                 .ih = 8,
                                 .iw = 8,
                                 .oh = 6,
                                 .ow = 6,
                                 .kh = 3,
                                 .kw = 3,
                                 .sh = 1,
                                 .sw = 1}};
    struct formats f = {NCHW, NCHW};
    char error[ERROR_TEXT];
    static const struct {
        const char *choice, *name;
    } cases[] = {
        {"ref", "ref"},
        {"naive,ref", "naive"},
        {"conv_fwd=ref,naive", "ref"},
        {" conv_bwd_data = naive ; conv_fwd = ref ", "ref"},
        {"conv_bwd_data/naive,conv_fwd/ref", "ref"},
        {"gemm=naive;conv_*=naive", "naive"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(kernel_choice_check(cases[i].choice, error));
        const struct entry *e =
            kernel_choose(cases[i].choice, ISA_BASE, 1, "conv_fwd", &p, f, error);
        assert_non_null(e);
        assert_string_equal(e->name, cases[i].name);
    }
    /* bfloat16 has to be asked for. */
    if (isa_detect() >= ISA_AVX512BF16) {
        const struct entry *e[2] = {
            kernel_choose("direct_*", ISA_AVX512BF16, 2, "conv_fwd", &p, f, error),
            kernel_choose("direct_*bf16*", ISA_AVX512BF16, 2, "conv_fwd", &p, f, error)};
        assert_true(e[0] && e[0]->variant->algebra == SUM_OF_PRODUCTS);
        assert_true(e[1] && e[1]->variant->algebra == BF16_PRODUCTS);
    }
    /* An operation that is not named follows the default; one that is never falls back. */
    assert_non_null(kernel_choose("bn_*=ref", ISA_BASE, 1, "conv_fwd", &p, f, error));
    assert_null(kernel_choose("conv_fwd=naive_avx2", ISA_BASE, 1, "conv_fwd", &p, f, error));
    assert_non_null(strstr(error, "naive_avx2"));
    assert_false(kernel_choice_check("conv_fwd=dierct", error));
    assert_non_null(strstr(error, "dierct"));
    assert_false(kernel_choice_check("con_fwd=naive", error));
    assert_non_null(strstr(error, "con_fwd"));
    assert_false(kernel_choice_check(" ;", error));
}

/* What the default order makes of a shape, on a CPU with AVX-512 and two threads. */
static void default_kernels_follow_the_shape(void **state)
{
    (void)state;
    if (isa_detect() < ISA_AVX512) {
        print_message("skipped: the table is of CPUs with AVX-512\n");
        skip();
    }
    static const struct {
        const char *problem, *names[3];
    } cases[] = {
        {"mb80ic60ih16oc60kh3ph1", {"winograd4_", "winograd4_", "winograd4_"}},
        {"mb80ic60ih16oc60kh3sh2ph1", {"direct_avx", "direct_avx", "direct_avx"}},
        {"mb80ic60ih2oc60kh3ph1", {"direct_avx", "direct_avx", "direct_avx"}},
        {"mb80ic3ih32oc60kh3ph1", {"rows_", "rows_", "planes_"}},
        {"mb10ic6ih14oc16kh5", {"direct_planes_", "rows_", "few_"}},
        {"mb80ic64ih56oc64kh1", {"direct_avx", "direct_avx", "direct_avx"}},
        {"mb80ic64ih56oc256kh1", {"direct_avx", "direct_avx", "direct_avx"}},
        {"mb80ic256ih56oc512kh1sh2", {"pointwise_", "pointwise_", "pointwise_"}},
        {"mb16ic128ih56oc128kh3sh2ph1", {"direct_avx", "direct_avx", "direct_avx"}},
        {"mb16g64ic64ih56oc64kh3ph1", {"rows_", "rows_", "depthwise_"}},
        {"mb16g64ic64ih56oc64kh3sh2ph1", {"depthwise_", "depthwise_", "depthwise_"}},
        {"mb16g64ic64ih14oc64kh3ph1", {"direct_planes_", "depthwise_", "depthwise_"}},
    };
    static const char *const passes[] = {"conv_fwd", "conv_bwd_data", "conv_bwd_weights"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct named_problem p;
        char error[ERROR_TEXT];
        assert_true(problem_parse_any(cases[i].problem, &p, error));
        for (int k = 0; k < 3; k++) {
            const struct entry *e = kernel_choose(NULL, ISA_AVX512, 2, passes[k], &p.problem,
                                                  (struct formats){NCHW, NCHW}, error);
            assert_non_null(e);
            assert_ptr_equal(strstr(e->name, cases[i].names[k]), e->name);
            assert_true(e->variant->parallel && e->variant->isa == ISA_AVX512);
        }
    }
}

/* The trainer */

/* "dense 10" on made-up images, and a trainer of it. */
enum { SMALL_IMAGE = 3 * 32 * 32 };
struct small {
    struct data data;
    struct net *net;
    struct trainer trainer;
};

/* `settings` says what is special about the trainer; network, data and optimizer are filled in. */
static void small_begin(struct small *s, const char *images, const struct trainer *settings)
{
    static struct net_text layers;
    struct data_source source;
    char error[ERROR_TEXT];
    assert_true(data_find(images, DATA_ANY, &source, error));
    assert_true(data_load(&source, 1, &s->data, error));
    assert_true(net_text_parse("dense 10", (struct shape){3, 32, 32}, &layers, error));
    struct net_options o = {.hints = {.threads = 1}, .isa = isa_detect()};
    train_sizes(&s->data, settings->batch, &o);
    s->net = net_create(&layers, &o, error);
    assert_non_null(s->net);
    s->trainer = *settings;
    s->trainer.net = s->net;
    s->trainer.data = &s->data;
    s->trainer.threads = 1;
    s->trainer.optimizer =
        (struct optimizer){.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

static void small_end(struct small *s)
{
    trainer_finish(&s->trainer);
    net_free(s->net);
    data_free(&s->data);
}

static void last_batch_of_an_epoch_is_kept(void **state)
{
    (void)state;
    struct small s;
    small_begin(&s, "synthetic:25:7", &(struct trainer){.batch = 10, .shuffle = true});
    struct trainer *t = &s.trainer;
    assert_true(trainer_start(t));
    static const int64_t expected[] = {10, 10, 5, 10};
    for (int i = 0; i < 4; i++) {
        int64_t images;
        trainer_step(t, &images);
        assert_int_equal(images, expected[i]);
        assert_int_equal(t->epoch, i < 3 ? 1 : 2);
        assert_true(trainer_epoch_done(t) == (i == 2));
    }
    assert_in_range(trainer_test(t).correct, 0, 7);
    small_end(&s);
}

/* So large a stack that no thread can have it: no address space holds it. */
static void refuse_threads(bool refuse)
{
    static pthread_attr_t before;
    pthread_attr_t huge;
    if (refuse)
        assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_getattr_default_np(&huge), 0);
    if (refuse)
        assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 62), 0);
    assert_int_equal(pthread_setattr_default_np(refuse ? &huge : &before), 0);
}

/* Batches that were prepared ahead are the ones that would have been made: over the ends of epochs, with a test between
 * and a leap to another place; and where no thread could be started to prepare them. */
static void prepared_batches_are_the_same(void **state)
{
    (void)state;
    enum { STEPS = 9, WAYS = 3 };
    static float seen[WAYS][STEPS][10 * SMALL_IMAGE];
    double loss[WAYS][STEPS];
    for (int way = 0; way < WAYS; way++) {
        struct small s;
        small_begin(&s, "synthetic:25:7",
                    &(struct trainer){.batch = 10,
                                      .shuffle = true,
                                      .centered = true,
                                      .augment = {.flip = true, .zoom = 0.2, .shift = 3},
                                      .ahead = way > 0,
                                      .ahead_cpu = -1});
        if (way == 2)
            refuse_threads(true);
        const bool good = trainer_start(&s.trainer);
        if (way == 2)
            refuse_threads(false);
        assert_true(good);
        assert_true((s.trainer.helper != NULL) == (way == 1));
        for (int i = 0; i < STEPS; i++) {
            int64_t images;
            if (i == 5)
                trainer_test(&s.trainer);
            if (i == 7)
                trainer_seek(&s.trainer, 2, 10);
            loss[way][i] = trainer_step(&s.trainer, &images).loss;
            memcpy(seen[way][i], net_input(s.net), (size_t)(images * SMALL_IMAGE) * sizeof(float));
        }
        small_end(&s);
    }
    for (int way = 1; way < WAYS; way++) {
        assert_memory_equal(seen[0], seen[way], sizeof seen[0]);
        assert_memory_equal(loss[0], loss[way], sizeof loss[0]);
    }
    assert_memory_not_equal(seen[0][0], seen[0][3], sizeof seen[0][0]);
}

/* Evaluation and training take the mean of their own split away. */
static void centered_pixels_have_no_mean(void **state)
{
    (void)state;
    struct small s;
    small_begin(&s, "synthetic:20:10", &(struct trainer){.batch = 20, .centered = true});
    memset(s.data.test.pixels, 9, 10 * SMALL_IMAGE);
    assert_true(trainer_start(&s.trainer));
    int64_t images;
    trainer_step(&s.trainer, &images);
    const float *input = net_input(s.net);
    double sum = 0, square = 0;
    for (int i = 0; i < 20 * SMALL_IMAGE; i++) {
        sum += input[i];
        square += input[i] * input[i];
    }
    assert_near(sum / (20 * SMALL_IMAGE), 0, 1e-3);
    assert_true(square / (20 * SMALL_IMAGE) > 100);
    trainer_test(&s.trainer);
    for (int i = 0; i < 10 * SMALL_IMAGE; i++)
        assert_near(input[i], 0, 1e-5);
    small_end(&s);
}

static void presets_can_be_read(void **state)
{
    (void)state;
    static struct net_text layers;
    char error[ERROR_TEXT];
    for (const struct preset *p = presets; p->name; p++) {
        const struct data_shape *s = &data_shapes[p->data];
        if (!net_text_parse(p->text, (struct shape){s->channels, s->height, s->width}, &layers,
                            error))
            fail_msg("%s: %s", p->name, error);
        assert_int_equal(layers.layers[layers.count - 1].dst.c, s->classes);
        assert_true((p->epochs > 0) != (p->steps > 0) && p->optimizer.lr > 0 && p->batch > 0);
    }
}

int main(void)
{
    static char references[] = "ref";
    const struct CMUnitTest layer_tests[] = {
        cmocka_unit_test(relu_keeps_positive_and_nan),
        cmocka_unit_test(maxpool_first_largest_wins),
        cmocka_unit_test(maxpool_overlapping_windows_add),
        cmocka_unit_test(maxpool_propagates_nan),
        cmocka_unit_test(avgpool_lanes_agree),
        cmocka_unit_test(maxpool_lanes_agree),
        cmocka_unit_test(maxpool_rectifies),
        cmocka_unit_test(curves_are_accurate),
        cmocka_unit_test(bn_pool_is_what_it_replaces),
        cmocka_unit_test(frozen_lanes_agree),
        cmocka_unit_test(dropout_keeps_its_share),
        cmocka_unit_test(pixels_become_units),
        cmocka_unit_test(adam_two_steps_by_hand),
        cmocka_unit_test(moments_end_at_zero),
        cmocka_unit_test(optimizers_by_their_formulas),
        cmocka_unit_test(column_sums_any_width),
        cmocka_unit_test(layers_do_not_depend_on_threads),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_of_known_logits),
        cmocka_unit_test(losses_by_their_formulas),
        cmocka_unit_test(schedules_by_their_recurrences),
        cmocka_unit_test(running_statistics_by_hand),
        cmocka_unit_test_prestate(gradients_match_finite_differences, references),
        cmocka_unit_test_prestate(gradients_match_finite_differences, NULL),
        cmocka_unit_test(gradients_through_curves),
        cmocka_unit_test(gradients_through_means),
        cmocka_unit_test(gradients_through_other_bn),
        cmocka_unit_test(bn_of_vectors),
        cmocka_unit_test(conv1d_then_bn),
        cmocka_unit_test(gradients_along_signals),
        cmocka_unit_test(running_statistics_by_convention),
        cmocka_unit_test(dropout_is_for_training_alone),
        cmocka_unit_test(running_statistics_of_a_network),
        cmocka_unit_test(initial_weights_fill_their_range),
        cmocka_unit_test(other_initial_weights),
        cmocka_unit_test(centered_pixels_have_no_mean),
        cmocka_unit_test(presets_can_be_read),
        cmocka_unit_test(fused_and_unfused_agree),
        cmocka_unit_test(plans_fuse_as_hands_do),
        cmocka_unit_test(layouts_agree),
        cmocka_unit_test(text_errors_point_at_the_word),
        cmocka_unit_test(text_shapes),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(impossible_networks_are_refused),
        cmocka_unit_test(default_kernels_follow_the_shape),
        cmocka_unit_test(kernel_choice_order),
        cmocka_unit_test(last_batch_of_an_epoch_is_kept),
        cmocka_unit_test(prepared_batches_are_the_same),
    };
    int failed = 0;
    for (enum isa isa = ISA_BASE; isa <= isa_detect(); isa++) {
        if (instance == layers_for(isa))
            continue;
        instance = layers_for(isa);
        failed += cmocka_run_group_tests_name(isa_names[isa], layer_tests, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
