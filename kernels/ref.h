/* The float64 references, with which every variant is compared. They are written to be obviously right,
 * never optimised, and compiled with -ffp-contract=off. Tensors are plain nchw and oihw, float32 in,
 * float64 out.
 *
 * Convolutions and products are evaluated point by point, so that a large problem can be checked on
 * sampled coordinates. Each value comes with the two sums from which its error limit is computed. */
#ifndef BATCHMARK_REF_H
#define BATCHMARK_REF_H

#include "kernel.h"

/* One output: the sum of its n products (bias counted as one), the sum of their absolute values and of
 * their squares. */
struct ref_sum {
    double value, abs, sq;
    int64_t n;
};

/* dst[n][oc][oh][ow]; bias[oc] may be NULL. */
struct ref_sum conv_fwd_ref_at(const struct conv *p, const float *src, const float *weights,
                               const float *bias, int64_t n, int64_t oc, int64_t oh, int64_t ow);
/* All values of dst[n][oc][.][.] at once: the same additions in the same order, in less time. */
void conv_fwd_ref_plane(const struct conv *p, const float *src, const float *weights,
                        const float *bias, int64_t n, int64_t oc, double *plane);
/* diff_src[n][ic][ih][iw] */
struct ref_sum conv_bwd_data_ref_at(const struct conv *p, const float *diff_dst,
                                    const float *weights, int64_t n, int64_t ic, int64_t ih,
                                    int64_t iw);
/* diff_weights[oc][ic][kh][kw], ic counted within the group */
struct ref_sum conv_bwd_weights_ref_at(const struct conv *p, const float *src,
                                       const float *diff_dst, int64_t oc, int64_t ic, int64_t kh,
                                       int64_t kw);
/* diff_bias[oc] */
struct ref_sum conv_bwd_bias_ref_at(const struct conv *p, const float *diff_dst, int64_t oc);
/* dst[i][j] of C = A B (+ bias[j]); a and b stored as the layout (GEMM_NN, GEMM_NT, GEMM_TN) says. */
struct ref_sum gemm_ref_at(const struct gemm *p, enum layout layout, const float *a, const float *b,
                           const float *bias, int64_t i, int64_t j);

/* Statistics of one channel over n = mb * ih * iw values. */
struct bn_ref_stats {
    double mean, variance; /* biased */
    double mean_abs;       /* mean |x| */
    double max_abs;        /* max |x| */
    int64_t n;
};
struct bn_ref_stats bn_ref_stats(const struct bn *p, const float *src, int64_t c);

/* y = gamma (x - mean) / sqrt(variance + eps) + beta for one value. */
double bn_ref_apply(double x, double mean, double variance, double eps, double gamma, double beta);

/* Sums of the backward pass over one channel, given mean and variance:
 * dbeta = sum dy, dgamma = sum dy xhat with xhat = (x - mean) / sqrt(variance + eps);
 * the _abs fields are the same sums over absolute values. With relu, dy counts only where
 * gamma xhat + beta > 0 (the gradient through max(0, y)). */
struct bn_ref_grad {
    double dgamma, dbeta, dgamma_abs, dbeta_abs;
    int64_t n;
};
struct bn_ref_grad bn_ref_grad(const struct bn *p, double eps, const float *src,
                               const float *diff_dst, double mean, double variance, double gamma,
                               double beta, bool relu, int64_t c);

/* dx = gamma rstd (dy - dbeta / n - xhat dgamma / n) for one value; dy already masked where there is a relu. */
double bn_ref_dx(double x, double dy, double mean, double variance, double eps, double gamma,
                 double dgamma, double dbeta, int64_t n);

/* Of a maximum over windows of 2x2: the plain index in src of the first value of the window of output `at`; the largest
 * of the window's values of max(0, gamma (x - mean) / sqrt(variance + eps) + beta) and its place row by row, BN_POOL_NONE
 * where all are 0 (a NaN beats all); diff_dst spread over a tensor like src, to the maxima, with 0 elsewhere. */
enum { BN_POOL_NONE = 4 };
int64_t bn_pool_ref_corner(const struct bn *p, int64_t at);
struct bn_pool_ref_max {
    double y;
    int place;
};
struct bn_pool_ref_max bn_pool_ref_max(const struct args *a, int64_t at, double mean,
                                       double variance);
void bn_pool_ref_spread(const struct args *a, float *spread);

#endif
