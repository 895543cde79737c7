/* Running statistics of batch normalization. */
#include "layers.h"

void bn_running_update(int64_t channels, int64_t n, double momentum, bool population,
                       const float *mean, const float *variance, float *running_mean,
                       float *running_var)
{
    double unbiased = population ? 1 : (double)n / (double)(n - 1);
    for (int64_t c = 0; c < channels; c++) {
        running_mean[c] = (float)((1 - momentum) * running_mean[c] + momentum * mean[c]);
        running_var[c] =
            (float)((1 - momentum) * running_var[c] + momentum * unbiased * variance[c]);
    }
}
