/* Softmax, and softmax cross-entropy, with their gradients, a row at a time in float64: a batch has few logits, so
 * accuracy is free.
 *
 *   loss = log sum_j exp(z_j - max) - (z_label - max);  diff_j = (softmax_j - [j = label]) / mb */
#include "layers.h"

#include <math.h>

struct outcome softmax_loss(int64_t mb, int64_t classes, const float *logits, const uint8_t *labels,
                            float *diff)
{
    struct outcome out = {0};
    for (int64_t i = 0; i < mb; i++) {
        const float *z = logits + i * classes;
        int64_t label = labels[i], top = 0;
        for (int64_t j = 1; j < classes; j++)
            top = z[j] > z[top] ? j : top;
        double largest = z[top], sum = 0, of_label = z[label];
        for (int64_t j = 0; j < classes; j++)
            sum += exp(z[j] - largest);
        out.loss += log(sum) - (of_label - largest);
        out.correct += top == label;
        if (!diff)
            continue;
        for (int64_t j = 0; j < classes; j++) {
            double p = exp(z[j] - largest) / sum;
            diff[i * classes + j] = (float)((p - (j == label)) / (double)mb);
        }
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
