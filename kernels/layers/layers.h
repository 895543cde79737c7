/* The layers of a network that need no ladder of variants: activations, pooling, loss, optimizer.
 *
 * Functions on large tensors are written once over vec.h (layers.tmpl.h) and compiled for each instruction
 * set; layers_for gives the table of one set. They allocate nothing. `threads` is the largest team a
 * function may use; it uses fewer threads if the work is too small to be worth waking a team. The bits
 * never depend on it. Tensors are float32; labels are bytes. */
#ifndef BATCHMARK_LAYERS_H
#define BATCHMARK_LAYERS_H

#include "kernel.h"

/* Max pooling over kh x kw windows, stride s, no padding: oh = (ih - kh) / s + 1. Tensors are
 * x[planes][h][w][lanes]: nchw has planes = N C and lanes = 1, nhwc N and C, nchw16c N ceil(C/16)
 * and 16. */
struct maxpool {
    int64_t planes, lanes, ih, iw, oh, ow, kh, kw, s;
    bool
        relu; /* also y = max(y, 0): the relu before it, on the results only. kh, kw < MAXPOOL_MAX_K */
};
/* `chosen` holds for each result its place in the window, counted row by row, in a byte. With a relu it is
 * MAXPOOL_NONE where nothing passes. */
enum { MAXPOOL_MAX_K = 16, MAXPOOL_NONE = 255 };

/* Mean over kh x kw windows, stride s, no padding; tensors as above. */
struct avgpool {
    int64_t planes, lanes, ih, iw, oh, ow, kh, kw, s;
};

/* Activations that saturate. */
enum curve { CURVE_SIGMOID, CURVE_TANH };

/* The gradient through a batch normalization with given statistics, which do not depend on x:
 * dx = gamma rstd dy, and the sums of dy and of dy xhat. Lanes as in maxpool: 1, all channels, or 16, of
 * which the last ones may be padding. */
struct bn_frozen {
    int64_t images, channels, lanes, pixels;
    double eps;
};
struct bn_frozen_tensors {
    const float *src, *gamma, *mean, *variance, *diff_dst;
    float *diff_src, *diff_gamma, *diff_beta;
};

/* Optimizers as PyTorch defines them. m and v are the state of a weight, zero at first.
 *   ADAM     moments m and v, their bias corrected; eps is added to the square root
 *   SGD      m = beta1 m + g; w -= lr m, with nesterov lr (g + beta1 m). beta1 0: plain descent
 *   RMSPROP  v = beta2 v + (1 - beta2) g^2; w -= lr g / (sqrt(v) + eps)
 * First, decay times w is added to the gradient. */
enum optimizer_kind { OPTIMIZER_ADAM, OPTIMIZER_SGD, OPTIMIZER_RMSPROP, OPTIMIZER_KINDS };
struct optimizer {
    enum optimizer_kind kind;
    double lr, beta1, beta2, eps, decay;
    bool nesterov;
    int64_t step; /* number of this update, from 1 */
};

struct layers {
    enum isa isa; /* of the compiler flags of its file */

    /* y = max(x, 0) in place; NaN stays NaN. */
    void (*relu_fwd)(float *x, int64_t n, int threads);
    /* Its gradient in place: dy stays where the output y was positive, else it becomes 0. */
    void (*relu_bwd)(const float *y, float *dy, int64_t n, int threads);

    /* y = sigmoid or tanh of x in place, to 4e-7 of the value; the gradient through it in place, from the output y. */
    void (*curve_fwd)(enum curve curve, float *x, int64_t n, int threads);
    void (*curve_bwd)(enum curve curve, const float *y, float *dy, int64_t n, int threads);

    /* Each of n < 2^32 values becomes 0 with probability p, else x / (1 - p). The choice depends only on the
     * key and the index, so the same call computes the gradient. 0 <= p < 1; dst may be src. */
    void (*dropout)(const float *src, float *dst, int64_t n, double p, uint64_t key, int threads);

    /* The first largest value of each window wins; a NaN beats all others. Its place goes into
     * chosen[planes][oh][ow][lanes]. */
    void (*maxpool_fwd)(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                        int threads);
    /* Each gradient goes to the chosen value. Gradients of overlapping windows add up. Writes all of
     * diff_src. */
    void (*maxpool_bwd)(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                        float *diff_src, int threads);

    /* Sums in the order of the pixels of a window. Backward writes all of diff_src. */
    void (*avgpool_fwd)(const struct avgpool *p, const float *src, float *dst, int threads);
    void (*avgpool_bwd)(const struct avgpool *p, const float *diff_dst, float *diff_src,
                        int threads);

    void (*bn_frozen_bwd)(const struct bn_frozen *p, const struct bn_frozen_tensors *t,
                          int threads);

    /* ends[parts] says where each tensor in these arrays ends. Each tensor is split over the team by itself,
     * as the products that made its gradient split it by rows: so a core finds what it wrote in its caches. */
    void (*update)(const struct optimizer *o, int parts, const int64_t *ends, float *weights,
                   const float *gradients, float *m, float *v, int threads);

    /* sums[columns] = column sums of x[rows][columns], accumulated in float64: the bias gradient of a dense layer. */
    void (*column_sums)(int64_t rows, int64_t columns, const float *x, float *sums);

    /* dst = (src - shift) / scale */
    void (*pixels)(int64_t n, const uint8_t *src, float shift, float scale, float *dst);
};

/* The instance for an ISA level. */
const struct layers *layers_for(enum isa isa);

/* The result of a batch. */
struct outcome {
    double loss; /* summed over the images */
    int64_t
        correct; /* images whose largest logit is the label's (the first one where several tie) */
};

/* Losses as PyTorch defines them: cross-entropy of the softmax, with label smoothing 0 <= s < 1; or the mean
 * squared distance to 1 for the label and to 0 for the other classes. */
enum loss_kind { LOSS_CROSS_ENTROPY, LOSS_MEAN_SQUARE };
struct loss {
    enum loss_kind kind;
    double smoothing;
};

/* The loss of logits[mb][classes], in float64. diff[mb][classes], the gradient of the mean over the batch, is written
 * unless NULL; it may be the logits themselves. Labels must be below `classes`. */
struct outcome loss_of(const struct loss *kind, int64_t mb, int64_t classes, const float *logits,
                       const uint8_t *labels, float *diff);

/* y = softmax of each row of x[mb][classes] in place, in float64, and the gradient through it in place. */
void softmax_fwd(int64_t mb, int64_t classes, float *x);
void softmax_bwd(int64_t mb, int64_t classes, const float *y, float *dy);

/* Updates running statistics; `momentum` is the weight of the new value. `variance` is the biased variance of
 * `n` values. The running variance is unbiased (times n / (n - 1), n > 1), or biased with `population`. */
void bn_running_update(int64_t channels, int64_t n, double momentum, bool population,
                       const float *mean, const float *variance, float *running_mean,
                       float *running_var);

#endif
