/* Batch normalization: expected values and limits.
 *
 * Forward, the statistics are compared with the reference. The limit of an output follows from the
 * deviation of the variant's statistics, which have been checked before:
 *   |y - y_ref| <= |gamma| rstd dmean + |gamma (x - mean) rstd| drstd + rounding
 * So a small error of the mean on data far from zero is allowed once, and no other error is. */
#include "ref.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The error of y with exact statistics, in units of u: root and quotient (6 with the products), x scale +
 * shift instead of (x - mean) scale (2 each for x and mean), the final addition (2). */
static double y_rounding(double x, double mean, double scale, double beta, double y)
{
    return U * (fabs(scale) * (6 * fabs(x - mean) + 2 * (fabs(x) + fabs(mean))) + 2 * fabs(beta) +
                2 * fabs(y)) +
           0x1p-147 * (1 + fabs(scale));
}

static double of_channel(const float *vector, int64_t c, double missing)
{
    return vector ? vector[c] : missing;
}

static bool power_of_two(int64_t n)
{
    return (n & (n - 1)) == 0;
}

/* Sums whose rounding errors have a common sign.
 *
 * A float32 sum is a multiple of its rounding step q. Adding t to it loses exactly the distance of t to the
 * nearest multiple of q, whatever the sum is. So the data alone determine the rounding errors. For random
 * data these residues have no common sign, and the errors are a random walk. Residues have a common sign
 * for equal values, for few different values, and for values closer together than q. Then the errors add
 * up, and only the worst-case limit holds.
 *
 * The steps examined are that of the whole sum and finer ones, because sums by lane, image or thread are
 * smaller. Steps finer than 2 / sqrt(n) of the first cannot lose more than a random walk. */
enum { STEPS = 13 };

/* Do the rounding errors of the sum over channel c of (x - centre)^power have a common sign? `size`: the
 * approximate size of the sum; `walk`: the limit of its random walk. */
static bool rounds_alike(const struct bn *p, const float *src, int64_t c, double centre, int power,
                         double size, double walk)
{
    const int64_t hw = p->ih * p->iw;
    double round[STEPS], lost[STEPS] = {0};
    int exponent;
    frexp(size, &exponent);
    /* Adding and taking away 1.5 2^52 q rounds to a multiple of q. The first step is one above that of `size`. */
    for (int j = 0; j < STEPS; j++)
        round[j] = ldexp(1.5, 52 + exponent - 23 - j);
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            double t = (double)src[(n * p->ic + c) * hw + i] - centre;
            t = power == 2 ? t * t : t;
            for (int j = 0; j < STEPS; j++)
                lost[j] += ((t + round[j]) - round[j]) - t;
        }
    }
    bool alike = false;
    for (int j = 0; j < STEPS; j++)
        alike |= fabs(lost[j]) > walk / 2;
    return alike;
}

/* Which sums of a channel round alike: of x, of the squares about the variant's own mean, and of the plain squares. */
struct alike {
    bool values, squares, plain_squares;
};

static struct alike alike_of(const struct outcome *r, const struct bn_ref_stats *s, int64_t c)
{
    const struct bn *p = &r->problem.bn;
    const enum algebra algebra = r->variant->algebra;
    const double n = (double)s->n, std = sqrt(s->variance), got = r->t[MEAN][c];
    const double square = s->variance + (got - s->mean) * (got - s->mean),
                 plain = s->variance + s->mean * s->mean, walk = SIGMAS * U * sqrt(n);
    struct alike a = {0};
    /* So few values that the worst case is the smaller limit. */
    if (n <= SIGMAS * SIGMAS)
        return a;
    /* A running mean is no sum: what it rounds, it corrects with the values that follow. */
    if (algebra != WELFORD)
        a.values = rounds_alike(p, r->t[SRC], c, 0, 1, n * fabs(s->mean) + sqrt(n) * std,
                                walk * n * (fabs(s->mean) + std));
    a.squares = rounds_alike(p, r->t[SRC], c, got, 2, n * square, walk * n * square);
    if (algebra == ONE_PASS)
        a.plain_squares = rounds_alike(p, r->t[SRC], c, 0, 2, n * plain, walk * n * plain);
    return a;
}

/* Limit of the mean. Partial sums grow like k |mean| + sqrt(k) std, or like k std if the sum is taken about
 * a value of the data; each addition rounds at random. */
static double mean_limit(const struct bn_ref_stats *s, struct alike alike, enum algebra algebra,
                         enum bn_rule rule)
{
    double n = (double)s->n, std = sqrt(s->variance);
    double worst = (n + 1) * U * s->mean_abs;
    if (rule == BN_EXACT && algebra != WELFORD)
        return power_of_two(s->n) ? 0 : 2 * U * fabs(s->mean);
    double walk = SIGMAS * U * sqrt(n) * (fabs(s->mean) + std);
    /* The running mean rounds twice a step, on denormals by half the smallest one. */
    double denormal = algebra == WELFORD ? n * 0x1p-149 : 0;
    return U * fabs(s->mean) + (alike.values ? worst : fmin(worst, walk)) + 0x1p-147 + denormal;
}

/* Limit of the variance, given the error of the variant's mean.
 *
 * Welford's running mean is rounded at every step, by u |mean| / sqrt(3) in root mean square. Step k shrinks
 * an earlier error by 1 - 1/k. So after k steps the error is sqrt(k / 3) such roundings, and its mean
 * square over n steps is n / 6 of one. It enters the sum of squares as twice the sum of (x - mean) times
 * the error. So the variance is off by 2 std sqrt(1 / 18) u |mean|, which is less than half of
 * std u |mean|, for any n. */
static double variance_limit(const struct bn_ref_stats *s, struct alike alike, double dmean,
                             enum algebra algebra, enum bn_rule rule)
{
    double n = (double)s->n, square = dmean * dmean, walk = SIGMAS * sqrt(n);
    double steps = (alike.squares ? n : fmin(n, walk)) + 4;
    if (rule == BN_EXACT && algebra != WELFORD && power_of_two(s->n))
        return 0;
    double limit = steps * U * (s->variance + square) + square;
    if (algebra == WELFORD)
        limit += SIGMAS * sqrt(s->variance) * (dmean / sqrt(n) + 0.5 * U * fabs(s->mean));
    if (algebra == ONE_PASS && rule != BN_STRICT)
        limit +=
            (3 * (alike.plain_squares ? n : walk) + 4) * U * (s->mean * s->mean + s->variance) +
            (alike.values ? 2 * fabs(s->mean) * dmean : 0);
    return limit + 0x1p-147;
}

/* A value after batch normalization, before the ReLU, and how far the variant's may be off. */
struct normal {
    double y, limit;
};

/* Of src[at]. `stats`: the truth, where the variant took mean and variance itself; NULL: they are given. */
static struct normal normal_at(const struct outcome *r, const struct bn_ref_stats *stats,
                               enum bn_rule rule, int64_t at)
{
    const struct bn *p = &r->problem.bn;
    const int64_t c = at / (p->ih * p->iw) % p->ic;
    const double gamma = of_channel(r->t[GAMMA], c, 1), beta = of_channel(r->t[BETA], c, 0),
                 value = r->t[SRC][at], eps = r->problem.eps;
    if (!stats) {
        const double mean = r->t[MEAN][c], variance = r->t[VARIANCE][c];
        const double y = bn_ref_apply(value, mean, variance, eps, gamma, beta),
                     scale = gamma / sqrt(variance + eps);
        return (struct normal){y, rule == BN_EXACT ? 0 : y_rounding(value, mean, scale, beta, y)};
    }
    const struct bn_ref_stats *s = &stats[c];
    const double rstd = 1 / sqrt(s->variance + eps),
                 got_rstd = 1 / sqrt(fmax(r->t[VARIANCE][c], 0) + eps),
                 dmean = fabs(r->t[MEAN][c] - s->mean) + U * fabs(s->mean),
                 scale = gamma * fmax(rstd, got_rstd),
                 y = bn_ref_apply(value, s->mean, s->variance, eps, gamma, beta);
    return (struct normal){y, fabs(scale) * dmean +
                                  fabs(gamma * (value - s->mean)) * fabs(got_rstd - rstd) +
                                  y_rounding(value, s->mean, scale, beta, y)};
}

/* The largest of a window, or the 0 of the ReLU. A maximum is off by no more than any of its values. *decided: no other
 * value is as large within the limits. Equal values of src stay equal, and then the first counts. */
static struct normal window_at(const struct outcome *r, const struct bn_ref_stats *stats,
                               enum bn_rule rule, int64_t at, bool *decided)
{
    const struct bn *p = &r->problem.bn;
    const int64_t corner = bn_pool_ref_corner(p, at);
    struct normal all[5] = {0};
    int64_t from[4];
    int best = 4;
    double limit = 0;
    for (int k = 0; k < 4; k++) {
        from[k] = corner + k / 2 * p->iw + k % 2;
        all[k] = normal_at(r, stats, rule, from[k]);
        limit = fmax(limit, all[k].limit);
        best = all[k].y > all[best].y ? k : best;
    }
    *decided = true;
    for (int k = 0; k < 5; k++) {
        const bool equal =
            k == best || (k < 4 && best < 4 && r->t[SRC][from[k]] == r->t[SRC][from[best]]);
        const double room = all[best].limit + all[k].limit;
        *decided &= equal || room == 0 || all[best].y - all[k].y > room;
    }
    return (struct normal){all[best].y, limit};
}

static void expect_y(struct expectation *x, const struct outcome *r,
                     const struct bn_ref_stats *stats, enum bn_rule rule)
{
    struct expected *y = expect_output(x, r, DST);
#pragma omp parallel for schedule(static) if (y->count > 1 << 16)
    for (int64_t i = 0; i < y->count; i++) {
        bool decided;
        const int64_t at = expected_at(y, i);
        const struct normal here =
            r->op->pools ? window_at(r, stats, rule, at, &decided) : normal_at(r, stats, rule, at);
        y->value[i] = r->op->relu && here.y < 0 ? 0 : here.y;
        y->limit[i] = here.limit;
    }
}

/* mean, variance and y of training. */
static struct expectation forward_train(const struct outcome *r, enum bn_rule rule)
{
    const struct bn *p = &r->problem.bn;
    struct expectation x = {0};
    int64_t hw = p->ih * p->iw;
    struct outcome all = *r;
    all.max_coordinates = 0; /* channels are few: none is left out */
    struct expected *mean = expect_output(&x, &all, MEAN),
                    *variance = expect_output(&x, &all, VARIANCE);
    struct bn_ref_stats *stats = malloc((size_t)p->ic * sizeof *stats);
    if (!stats)
        abort();
#pragma omp parallel for schedule(dynamic, 1) if (p->mb * p->ic * hw > 1 << 16)
    for (int64_t c = 0; c < p->ic; c++) {
        stats[c] = bn_ref_stats(p, r->t[SRC], c);
        double dmean = fabs(r->t[MEAN][c] - stats[c].mean) + U * fabs(stats[c].mean);
        struct alike alike = alike_of(r, &stats[c], c);
        mean->value[c] = stats[c].mean;
        mean->limit[c] = mean_limit(&stats[c], alike, r->variant->algebra, rule);
        variance->value[c] = stats[c].variance;
        variance->limit[c] = variance_limit(&stats[c], alike, dmean, r->variant->algebra, rule);
    }
    expect_y(&x, r, stats, rule);
    free(stats);
    return x;
}

static struct expectation forward_infer(const struct outcome *r, enum bn_rule rule)
{
    struct expectation x = {0};
    expect_y(&x, r, NULL, rule);
    return x;
}

/* One channel of the backward pass: the sums, their limits, and what points near a ReLU's threshold may add
 * to them. */
struct channel {
    struct bn_ref_grad g;
    double mean, variance, gamma, beta, rstd;
    double dgamma_limit, dbeta_limit;
};

/* May the variant and the reference differ on the sign of y? Yes, if |y| is below its rounding error. */
static bool undecided(const struct channel *ch, double x)
{
    double scale = ch->gamma * ch->rstd, y = scale * (x - ch->mean) + ch->beta;
    return fabs(y) <= y_rounding(x, ch->mean, scale, ch->beta, y);
}

static struct channel channel_of(const struct outcome *r, const float *open, enum bn_rule rule,
                                 int64_t c)
{
    const bool relu = r->op->relu && !open;
    const struct bn *p = &r->problem.bn;
    int64_t hw = p->ih * p->iw;
    struct channel ch = {.mean = r->t[MEAN][c],
                         .variance = r->t[VARIANCE][c],
                         .gamma = of_channel(r->t[GAMMA], c, 1),
                         .beta = relu ? of_channel(r->t[BETA], c, 0) : 0};
    ch.rstd = 1 / sqrt(ch.variance + r->problem.eps);
    ch.g = bn_ref_grad(p, r->problem.eps, r->t[SRC], r->t[DIFF_DST], ch.mean, ch.variance, ch.gamma,
                       ch.beta, relu, c);
    if (rule == BN_EXACT && ch.g.dgamma_abs / ch.rstd <= 0x1p24 && ch.g.dbeta_abs <= 0x1p24)
        return ch;
    double dy2 = 0, t2 = 0, far2 = 0, open_dbeta = 0, open_dgamma = 0;
    for (int64_t n = 0; n < p->mb; n++) {
        for (int64_t i = 0; i < hw; i++) {
            int64_t at = (n * p->ic + c) * hw + i;
            double x = r->t[SRC][at], dy = r->t[DIFF_DST][at], xhat = (x - ch.mean) * ch.rstd;
            if (open) {
                open_dbeta += (double)open[at];
                open_dgamma += (double)open[at] * fabs(xhat);
            } else if (relu && undecided(&ch, x)) {
                open_dbeta += fabs(dy);
                open_dgamma += fabs(dy * xhat);
            } else if (relu && ch.gamma * xhat + ch.beta <= 0) {
                continue;
            }
            dy2 += dy * dy;
            t2 += dy * xhat * dy * xhat;
            far2 += dy * dy * (x * x + ch.mean * ch.mean) * ch.rstd * ch.rstd;
        }
    }
    double n = (double)ch.g.n, walk = SIGMAS * U * (sqrt(n) + 4);
    bool beta_walks = sum_walks(ch.g.dbeta, dy2), gamma_walks = sum_walks(ch.g.dgamma, t2);
    double beta_worst = (n + 1) * U * ch.g.dbeta_abs, gamma_worst = (n + 7) * U * ch.g.dgamma_abs;
    ch.dbeta_limit =
        (beta_walks ? fmin(beta_worst, walk * sqrt(dy2)) : beta_worst) + open_dbeta + 0x1p-147;
    ch.dgamma_limit = (gamma_walks ? fmin(gamma_worst, walk * sqrt(t2)) : gamma_worst) +
                      4 * U * fabs(ch.g.dgamma) + open_dgamma +
                      /* Each product dy (x - mean) may fall among the denormals. */
                      (0x1p-147 + n * 0x1p-150) * (1 + ch.rstd);
    /* sum dy x - mean sum dy cancels where the mean is large. */
    if (r->variant->algebra == ONE_PASS && rule != BN_STRICT)
        ch.dgamma_limit += walk * sqrt(far2);
    return ch;
}

/* `open` (else NULL): windows whose maximum rounding decides; diff_dst is spread already. */
static struct expectation backward(const struct outcome *r, const float *open, enum bn_rule rule)
{
    const bool relu = r->op->relu && !open;
    const struct bn *p = &r->problem.bn;
    int64_t hw = p->ih * p->iw;
    struct expectation x = {0};
    struct outcome all = *r;
    all.max_coordinates = 0;
    struct expected *dgamma = expect_output(&x, &all, DIFF_GAMMA),
                    *dbeta = expect_output(&x, &all, DIFF_BETA);
    struct channel *channels = malloc((size_t)p->ic * sizeof *channels);
    if (!channels)
        abort();
#pragma omp parallel for schedule(dynamic, 1) if (p->mb * p->ic * hw > 1 << 16)
    for (int64_t c = 0; c < p->ic; c++) {
        channels[c] = channel_of(r, open, rule, c);
        dgamma->value[c] = channels[c].g.dgamma;
        dgamma->limit[c] = channels[c].dgamma_limit;
        dbeta->value[c] = channels[c].g.dbeta;
        dbeta->limit[c] = channels[c].dbeta_limit;
    }
    struct expected *dx = expect_output(&x, r, DIFF_SRC);
#pragma omp parallel for schedule(static) if (dx->count > 1 << 16)
    for (int64_t i = 0; i < dx->count; i++) {
        int64_t at = expected_at(dx, i);
        const struct channel *ch = &channels[at / hw % p->ic];
        double value = r->t[SRC][at], dy = r->t[DIFF_DST][at], n = (double)ch->g.n;
        double xhat = (value - ch->mean) * ch->rstd;
        if (relu && !(ch->gamma * xhat + ch->beta > 0))
            dy = 0;
        dx->value[i] = bn_ref_dx(value, dy, ch->mean, ch->variance, r->problem.eps, ch->gamma,
                                 ch->g.dgamma, ch->g.dbeta, ch->g.n);
        /* dx = a dy + b (x - mean) + c or a dy + b x + c': b x and its mean may cancel, as in y. */
        double a = fabs(ch->gamma * ch->rstd), db = fabs(ch->g.dbeta) / n,
               dg = fabs(ch->g.dgamma) / n;
        dx->limit[i] = a * ((ch->dbeta_limit + fabs(xhat) * ch->dgamma_limit) / n +
                            8 * U * (fabs(dy) + db + fabs(xhat) * dg) +
                            4 * U * ch->rstd * dg * (fabs(value) + fabs(ch->mean))) +
                       0x1p-147 * (1 + a);
        if ((relu && rule != BN_EXACT && undecided(ch, value)) || (open && open[at] > 0))
            dx->limit[i] = -1;
    }
    free(channels);
    return x;
}

float *spread_gradient(const struct outcome *r)
{
    const struct bn *p = &r->problem.bn;
    struct args a = {.problem = &r->problem};
    memcpy(a.t, r->t, sizeof a.t);
    float *spread = must(malloc((size_t)(p->mb * p->ic * p->ih * p->iw) * sizeof *spread));
    bn_pool_ref_spread(&a, spread);
    return spread;
}

/* For each value of src how large a gradient it may get or not, because rounding decides which value of its window is the
 * largest; 0 where that is decided. */
static float *open_windows(const struct outcome *r, enum bn_rule rule)
{
    const struct bn *p = &r->problem.bn;
    float *open = must(calloc((size_t)(p->mb * p->ic * p->ih * p->iw), sizeof *open));
    for (int64_t at = 0; at < p->mb * p->ic * (p->ih / 2) * (p->iw / 2); at++) {
        bool decided;
        window_at(r, NULL, rule, at, &decided);
        for (int k = 0; k < 4 && !decided; k++)
            open[bn_pool_ref_corner(p, at) + k / 2 * p->iw + k % 2] = fabsf(r->t[DIFF_DST][at]);
    }
    return open;
}

struct expectation expect_bn(const struct outcome *r, enum bn_rule rule)
{
    const struct op *op = r->op;
    if (op->pass == FORWARD)
        return (op->statistics ? forward_train : forward_infer)(r, rule);
    if (!op->pools)
        return backward(r, NULL, rule);
    struct outcome spread = *r;
    spread.t[DIFF_DST] = spread_gradient(r);
    float *open = open_windows(r, rule);
    struct expectation x = backward(&spread, open, rule);
    free(spread.t[DIFF_DST]);
    free(open);
    return x;
}
