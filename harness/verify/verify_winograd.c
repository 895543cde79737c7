/* Error limits of Winograd convolutions F(2x2,3x3) and F(4x4,3x3), from the magnitudes of the intermediate
 * values.
 *
 * One tile computes Y = A' ((G g G') * (B' d B)) A. Replacing every matrix and operand by its
 * absolute values bounds each intermediate, and with it each rounding; replacing them by their
 * squares gives the variance of a random walk. */
#include "ref.h"
#include "verify/verify_parts.h"

#include <math.h>

enum { MAX_ALPHA = 6, R = 3 };

/* Lavin and Gray 2015, points 0, 1, -1 (2, -2) and infinity. bt[alpha][alpha], g[alpha][3],
 * at[m][alpha]. */
struct transform {
    int m, alpha;
    double bt[MAX_ALPHA][MAX_ALPHA], g[MAX_ALPHA][R], at[4][MAX_ALPHA];
};

static const struct transform f2 = {
    .m = 2,
    .alpha = 4,
    .bt = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
    .g = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
    .at = {{1, 1, 1, 0}, {0, 1, -1, -1}},
};

static const struct transform f4 = {
    .m = 4,
    .alpha = 6,
    .bt = {{4, 0, -5, 0, 1, 0},
           {0, -4, -4, 1, 1, 0},
           {0, 4, -4, -1, 1, 0},
           {0, -2, -1, 2, 1, 0},
           {0, 2, -1, -2, 1, 0},
           {0, 4, 0, -5, 0, 1}},
    .g = {{1. / 4, 0, 0},
          {-1. / 6, -1. / 6, -1. / 6},
          {-1. / 6, 1. / 6, -1. / 6},
          {1. / 24, 1. / 12, 1. / 6},
          {1. / 24, -1. / 12, 1. / 6},
          {0, 0, 1}},
    .at = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}},
};

/* Additions and multiplications in the three transforms of one value, rounded up. They are added to those
 * of the sum over channels. */
enum { TRANSFORM_ROUNDINGS = 30 };

bool winograd_applies(const struct problem *p)
{
    const struct conv *c = &p->conv;
    return p->kind == PROBLEM_CONV && c->kh == R && c->kw == R && c->sh == 1 && c->sw == 1 &&
           c->dh == 0 && c->dw == 0;
}

int64_t winograd_tiles(const struct conv *c, int m)
{
    return c->mb * div_up(c->oh, m) * div_up(c->ow, m);
}

/* Magnitude or square. */
static double size(double x, bool square)
{
    return square ? x * x : fabs(x);
}

/* One channel: the sum of what output (i, j) of the tile takes from the alpha x alpha products. It is
 * separable: first rows, then columns, on magnitudes. */
static double tile_size(const struct transform *f, double d[MAX_ALPHA][MAX_ALPHA], double g[R][R],
                        int i, int j, bool square)
{
    double sum = 0;
    for (int y = 0; y < f->alpha; y++) {
        double dy[MAX_ALPHA], gy[R];
        if (f->at[i][y] == 0)
            continue;
        for (int x = 0; x < f->alpha; x++) {
            dy[x] = 0;
            for (int k = 0; k < f->alpha; k++)
                dy[x] += size(f->bt[y][k], square) * size(d[k][x], square);
        }
        for (int x = 0; x < R; x++) {
            gy[x] = 0;
            for (int k = 0; k < R; k++)
                gy[x] += size(f->g[y][k], square) * size(g[k][x], square);
        }
        for (int x = 0; x < f->alpha; x++) {
            double v = 0, u = 0;
            for (int k = 0; k < f->alpha; k++)
                v += size(f->bt[x][k], square) * dy[k];
            for (int k = 0; k < R; k++)
                u += size(f->g[x][k], square) * gy[k];
            sum += size(f->at[i][y], square) * size(f->at[j][x], square) * u * v;
        }
    }
    return sum;
}

struct ref_sum winograd_sum_at(const struct outcome *r, const float *image, const float *weights,
                               int m, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const struct conv *p = &r->problem.conv;
    const struct transform *f = m == 2 ? &f2 : &f4;
    bool backward = r->op->pass == BACKWARD_DATA;
    int64_t icg = p->ic / p->g, ocg = p->oc / p->g;
    int64_t own = backward ? icg : ocg, others = backward ? ocg : icg, group = c / own;
    int64_t height = backward ? p->oh : p->ih, width = backward ? p->ow : p->iw;
    /* The rotated kernel meets the padding of the opposite border. */
    int64_t top = h / m * m - (backward ? R - 1 - p->ph : p->ph);
    int64_t left = w / m * m - (backward ? R - 1 - p->pw : p->pw);
    struct ref_sum s = {.n = others + TRANSFORM_ROUNDINGS};
    for (int64_t k = 0; k < others; k++) {
        double d[MAX_ALPHA][MAX_ALPHA] = {{0}}, g[R][R];
        int64_t channel = group * others + k;
        for (int y = 0; y < f->alpha; y++)
            for (int x = 0; x < f->alpha; x++)
                if (top + y >= 0 && top + y < height && left + x >= 0 && left + x < width)
                    d[y][x] = image[((n * p->g * others + channel) * height + top + y) * width +
                                    left + x];
        const float *kernel = weights + (backward ? channel * icg + c % icg : c * icg + k) * R * R;
        for (int y = 0; y < R; y++)
            for (int x = 0; x < R; x++)
                g[y][x] = backward ? kernel[(R - 1 - y) * R + R - 1 - x] : kernel[y * R + x];
        s.abs += tile_size(f, d, g, (int)(h % m), (int)(w % m), false);
        s.sq += tile_size(f, d, g, (int)(h % m), (int)(w % m), true);
    }
    return s;
}

/* out = a in a' on magnitudes or squares; a has `rows` rows of `columns`, which is also the size of `in`. */
static void transform_size(const double *a, int stride, int rows, int columns,
                           double in[MAX_ALPHA][MAX_ALPHA], bool square,
                           double out[MAX_ALPHA][MAX_ALPHA])
{
    double half[MAX_ALPHA][MAX_ALPHA];
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
            half[y][x] = 0;
            for (int k = 0; k < columns; k++)
                half[y][x] += size(a[y * stride + k], square) * size(in[k][x], square);
        }
    }
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < rows; x++) {
            out[y][x] = 0;
            for (int k = 0; k < columns; k++)
                out[y][x] += size(a[x * stride + k], square) * half[y][k];
        }
    }
}

/* The tile of a plane whose first value is at (top, left); zero outside. */
static void take_tile(const float *plane, int64_t height, int64_t width, int64_t top, int64_t left,
                      int alpha, double out[MAX_ALPHA][MAX_ALPHA])
{
    for (int y = 0; y < alpha; y++)
        for (int x = 0; x < alpha; x++)
            out[y][x] = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width
                            ? (double)plane[(top + y) * width + left + x]
                            : 0;
}

struct ref_sum winograd_weights_sum_at(const struct outcome *r, const float *src,
                                       const float *diff_dst, int m, int64_t oc, int64_t ic,
                                       int64_t i, int64_t j)
{
    const struct conv *p = &r->problem.conv;
    const struct transform *f = m == 2 ? &f2 : &f4;
    int64_t channel = oc / (p->oc / p->g) * (p->ic / p->g) + ic;
    double a[MAX_ALPHA][4] = {{0}};
    for (int y = 0; y < f->m; y++)
        for (int x = 0; x < f->alpha; x++)
            a[x][y] = f->at[y][x];
    struct ref_sum s = {.n = winograd_tiles(p, m) + TRANSFORM_ROUNDINGS};
    for (int64_t n = 0; n < p->mb; n++) {
        const float *image = src + (n * p->ic + channel) * p->ih * p->iw,
                    *gradient = diff_dst + (n * p->oc + oc) * p->oh * p->ow;
        for (int64_t top = 0; top < p->oh; top += m) {
            for (int64_t left = 0; left < p->ow; left += m) {
                double d[MAX_ALPHA][MAX_ALPHA], dy[MAX_ALPHA][MAX_ALPHA], u[MAX_ALPHA][MAX_ALPHA],
                    v[MAX_ALPHA][MAX_ALPHA];
                take_tile(image, p->ih, p->iw, top - p->ph, left - p->pw, f->alpha, d);
                take_tile(gradient, p->oh, p->ow, top, left, f->m, dy);
                for (int square = 0; square < 2; square++) {
                    double sum = 0;
                    transform_size(&f->bt[0][0], MAX_ALPHA, f->alpha, f->alpha, d, square, v);
                    transform_size(&a[0][0], 4, f->alpha, f->m, dy, square, u);
                    for (int y = 0; y < f->alpha; y++)
                        for (int x = 0; x < f->alpha; x++)
                            sum += size(f->g[y][i], square) * size(f->g[x][j], square) * u[y][x] *
                                   v[y][x];
                    *(square ? &s.sq : &s.abs) += sum;
                }
            }
        }
    }
    return s;
}
