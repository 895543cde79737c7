/* Statistics of repeated measurements: order, median, variation. */
#ifndef BATCHMARK_STAT_H
#define BATCHMARK_STAT_H

/* Sorts the values, the smallest first. */
void stat_sort(double *values, int n);

/* Statistics over n > 0 values; median and cv do not change them. cv: sample standard deviation
 * over mean, 0 for one value. */
double stat_median(const double *values, int n);
double stat_min(const double *values, int n);
double stat_cv(const double *values, int n);

#endif
