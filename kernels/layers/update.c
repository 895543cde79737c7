/* What follows the gradients: bias sums, Adam, running statistics; and what precedes the pass: the
 * pixels. */
#include "layers.h"
#include "team.h"

#include <math.h>

void column_sums(int64_t rows, int64_t columns, const float *x, float *sums)
{
    /* A block of columns is as wide as a cache line, so each line of x is read once. */
    enum { BLOCK = 16 };
    for (int64_t first = 0; first < columns; first += BLOCK) {
        int64_t width = columns - first < BLOCK ? columns - first : BLOCK;
        double sum[BLOCK] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++)
                sum[j] += x[i * columns + first + j];
        for (int64_t j = 0; j < width; j++)
            sums[first + j] = (float)sum[j];
    }
}

/* The scalars of one Adam update, rounded once to the precision of the weights. */
struct adam_scalars {
    float take1, beta2, take2, rate, root, eps;
};

static void adam_range(struct adam_scalars s, float *restrict weights,
                       const float *restrict gradients, float *restrict m, float *restrict v,
                       struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        float g = gradients[i];
        m[i] += s.take1 * (g - m[i]);
        v[i] = s.beta2 * v[i] + s.take2 * g * g;
        weights[i] -= s.rate * (m[i] / (sqrtf(v[i]) / s.root + s.eps));
    }
}

void adam_update(const struct adam *a, int64_t n, float *weights, const float *gradients, float *m,
                 float *v, int threads)
{
    struct adam_scalars s = {
        .take1 = (float)(1 - a->beta1),
        .beta2 = (float)a->beta2,
        .take2 = (float)(1 - a->beta2),
        .rate = (float)(a->lr / (1 - pow(a->beta1, (double)a->step))),
        .root = (float)sqrt(1 - pow(a->beta2, (double)a->step)),
        .eps = (float)a->eps,
    };
    int team = team_for(n, threads);
    if (team < 2) {
        adam_range(s, weights, gradients, m, v, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    adam_range(s, weights, gradients, m, v, my_range(n, 16));
}

void bn_running_update(int64_t channels, int64_t n, double momentum, const float *mean,
                       const float *variance, float *running_mean, float *running_var)
{
    double unbiased = (double)n / (double)(n - 1);
    for (int64_t c = 0; c < channels; c++) {
        running_mean[c] = (float)((1 - momentum) * running_mean[c] + momentum * mean[c]);
        running_var[c] =
            (float)((1 - momentum) * running_var[c] + momentum * unbiased * variance[c]);
    }
}

void pixels_to_unit(int64_t n, const uint8_t *restrict src, float *restrict dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (float)src[i] / 255.0f;
}
