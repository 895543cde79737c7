/* Order, median, minimum, variation. */
#include "core/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stat_sort(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
}

double stat_median(const double *values, int n)
{
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        return NAN;
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    stat_sort(sorted, n);
    double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);
    return median;
}

double stat_min(const double *values, int n)
{
    double least = values[0];
    for (int i = 1; i < n; i++)
        least = fmin(least, values[i]);
    return least;
}

double stat_cv(const double *values, int n)
{
    double mean = 0, squares = 0;
    if (n < 2)
        return 0;
    for (int i = 0; i < n; i++)
        mean += values[i] / n;
    for (int i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return mean > 0 ? sqrt(squares / (n - 1)) / mean : 0;
}
