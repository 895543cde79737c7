/* Losses and softmax with their gradients, a row at a time in float64: a batch has few logits, so accuracy is free. With
 * K classes and smoothing s the target is t_j = (1 - s) [j = label] + s / K:
 *
 *   cross-entropy   loss = sum_j t_j (log sum_k exp(z_k - max) - (z_j - max));  diff_j = (softmax_j - t_j) / mb
 *   mean square     loss = sum_j (z_j - [j = label])^2 / K;                     diff_j = 2 (z_j - [j = label]) / (K mb) */
#include "layers.h"

#include <math.h>

/* Each gives the loss of a row, and writes the gradient of the batch's mean unless diff is NULL. */
static double cross_entropy(const struct loss *kind, int64_t mb, int64_t classes, const float *z,
                            int64_t label, int64_t top, float *diff)
{
    /* Of the first classes, which are most often all of them, the exponential is kept: it is what takes the time. */
    enum { KEPT = 128 };
    double kept[KEPT];
    const double even = kind->smoothing / (double)classes;
    double largest = z[top], sum = 0, all = 0, of_label = z[label];
    for (int64_t j = 0; j < classes; j++) {
        const double power = exp(z[j] - largest);
        if (j < KEPT)
            kept[j] = power;
        sum += power;
        all += z[j] - largest;
    }
    const double norm = log(sum);
    const double plain = norm - (of_label - largest);
    for (int64_t j = 0; diff && j < classes; j++) {
        double p = (j < KEPT ? kept[j] : exp(z[j] - largest)) / sum;
        double target = even + (j == label ? 1 - kind->smoothing : 0);
        diff[j] = (float)((p - target) / (double)mb);
    }
    return kind->smoothing > 0
               ? (1 - kind->smoothing) * plain + (kind->smoothing * norm - even * all)
               : plain;
}

static double mean_square(int64_t mb, int64_t classes, const float *z, int64_t label, float *diff)
{
    double sum = 0;
    for (int64_t j = 0; j < classes; j++) {
        const double off = (double)z[j] - (j == label);
        sum += off * off;
        if (diff)
            diff[j] = (float)(2 * off / ((double)classes * (double)mb));
    }
    return sum / (double)classes;
}

struct outcome loss_of(const struct loss *kind, int64_t mb, int64_t classes, const float *logits,
                       const uint8_t *labels, float *diff)
{
    struct outcome out = {0};
    for (int64_t i = 0; i < mb; i++) {
        const float *z = logits + i * classes;
        float *to = diff ? diff + i * classes : NULL;
        int64_t label = labels[i], top = 0;
        for (int64_t j = 1; j < classes; j++)
            top = z[j] > z[top] ? j : top;
        out.loss += kind->kind == LOSS_MEAN_SQUARE
                        ? mean_square(mb, classes, z, label, to)
                        : cross_entropy(kind, mb, classes, z, label, top, to);
        out.correct += top == label;
    }
    return out;
}

void softmax_fwd(int64_t mb, int64_t classes, float *x)
{
    for (float *z = x; z < x + mb * classes; z += classes) {
        double largest = z[0], sum = 0;
        for (int64_t j = 1; j < classes; j++)
            largest = z[j] > largest ? z[j] : largest;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(z[j] - largest);
        for (int64_t j = 0; j < classes; j++)
            z[j] = (float)(exp(z[j] - largest) / sum);
    }
}

void softmax_bwd(int64_t mb, int64_t classes, const float *y, float *dy)
{
    for (int64_t i = 0; i < mb; i++, y += classes, dy += classes) {
        double along = 0;
        for (int64_t j = 0; j < classes; j++)
            along += (double)dy[j] * y[j];
        for (int64_t j = 0; j < classes; j++)
            dy[j] = (float)(y[j] * (dy[j] - along));
    }
}
