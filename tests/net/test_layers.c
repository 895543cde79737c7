/* The layers beside the operations, in every instance this CPU runs, against values worked out by hand. */
#include "layers/layers.h"
#include "numbers.h"
#include "problem/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct layers *instance; /* of the layers: the one under test */

/* A pooling over k x k pixels, s apart. */
static struct maxpool window(int64_t planes, int64_t lanes, int64_t ih, int64_t iw, int64_t k,
                             int64_t s)
{
    return (struct maxpool){.planes = planes,
                            .lanes = lanes,
                            .ih = ih,
                            .iw = iw,
                            .kh = k,
                            .kw = k,
                            .s = s,
                            .oh = (ih - k) / s + 1,
                            .ow = (iw - k) / s + 1};
}

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
    struct maxpool p = window(1, 1, 3, 5, 2, 2);
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
    struct maxpool p = window(1, 1, 3, 3, 2, 1);
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
    struct maxpool p = window(1, 1, 2, 2, 2, 2);
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
        window(PLANES, 1, IH, IW, 2, 2),
        window(PLANES, 1, IH, IW, 3, 2),
        window(PLANES, LANES, IH, 2, 2, 2),
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
    struct maxpool p = window(3 * 77, 1, 33, 31, 2, 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relu_keeps_positive_and_nan),
        cmocka_unit_test(maxpool_first_largest_wins),
        cmocka_unit_test(maxpool_overlapping_windows_add),
        cmocka_unit_test(maxpool_lanes_agree),
        cmocka_unit_test(avgpool_lanes_agree),
        cmocka_unit_test(maxpool_propagates_nan),
        cmocka_unit_test(maxpool_rectifies),
        cmocka_unit_test(curves_are_accurate),
        cmocka_unit_test(dropout_keeps_its_share),
        cmocka_unit_test(pixels_become_units),
        cmocka_unit_test(frozen_lanes_agree),
        cmocka_unit_test(column_sums_any_width),
        cmocka_unit_test(layers_do_not_depend_on_threads),
    };
    int failed = 0;
    for (enum isa isa = ISA_BASE; isa <= isa_detect(); isa++) {
        if (instance == layers_for(isa))
            continue;
        instance = layers_for(isa);
        failed += cmocka_run_group_tests_name(isa_names[isa], tests, NULL, NULL);
    }
    return failed;
}
