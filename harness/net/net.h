/* A network made of operations of the registry: its buffers, the chosen kernels, forward, backward, update.
 *
 * Activations are plain nchw unless a plan gives a tensor another layout. If the layouts of neighbours differ,
 * a reorder is inserted. Everything is planned and allocated when the network is made; a step allocates
 * nothing. The same seed, thread count, kernels and plan give the same bits. */
#ifndef BATCHMARK_NET_H
#define BATCHMARK_NET_H

#include "net/net_text.h"

/* Decisions from measured times (net_plan.h): the layout of each layer, its variants in a training pass, and
 * whether a bn is fused with the relu and the maxpool after it. A conv whose forward variant belongs to
 * conv_stats computes the statistics of the bn after it. If a variant is NULL, or cannot do the problem of a
 * smaller batch, kernel_choice.h chooses one in that layout. */
struct net_plan {
    int count;
    struct {
        enum layout layout;
        bool pools;
        const struct entry *kernels[PHASES];
    } layers[MAX_LAYERS];
};

/* What a bn is fused with: the relu after it; in nchw also a 2x2 maxpool after that; and its statistics, which
 * the conv before it computes while it writes its results.
 *
 *   mode   plan  relu                   2x2 maxpool after it        statistics
 *   AUTO   yes   if variants exist      the plan decides            the plan decides
 *   AUTO   no    if variants exist      if the output has a width   if the variant that the conv would use
 *                                       of 8 or more                anyway computes them
 *   OFF    any   no                     no                          no
 *   ON     any   always                 always                      no
 *   STATS  any   always                 always                      always
 *
 * With AUTO and no plan, a choice in net_options.kernels that names operations of bn keeps them apart from the
 * maxpool and from the conv.
 * With OFF, ON and STATS, a plan's variant for another operation is replaced by the variant of the same name in
 * the required operation, if there is one. */
enum fuse { FUSE_AUTO, FUSE_OFF, FUSE_ON, FUSE_STATS };

/* Initial weights. PYTORCH: its default for conv and dense, weights and biases uniform in +-1 / sqrt(fan in).
 * GLOROT: uniform in +-sqrt(6 / (fan in + fan out)), as in Keras. HE: normal, with variance 2 / fan in. The
 * last two set biases to 0. */
enum init { INIT_PYTORCH, INIT_GLOROT, INIT_HE };

struct net_options {
    int64_t batch,
        tail; /* images of a training step, and of the last step of an epoch. 0: no such step */
    int64_t eval_batch, eval_tail; /* the same for evaluation */
    int classes;                   /* labels are below this */
    uint64_t seed;                 /* of the initial weights */
    enum init init;
    struct loss loss;  /* zero: cross-entropy */
    double init_scale; /* of the initial weights, not the biases; 0: 1 */
    struct hints hints;
    const char *kernels;         /* kernel_choice.h; NULL: the default order */
    const struct net_plan *plan; /* NULL: nchw throughout; copied */
    enum isa isa;                /* cap */
    enum fuse fuse;
    double memory; /* bytes it may use; 0 = no limit */
};

/* A weight, bias or running statistic, by PyTorch's name for it in an nn.Sequential: "0.weight",
 * "1.running_mean", ... `data` belongs to the network. */
struct net_tensor {
    char name[32];
    int ndim;
    int64_t dims[4];
    float *data;
};

/* Where the time of training went, in seconds. */
struct net_seconds {
    double conv, bn, dense, other; /* layers; other: activations and pooling */
    double reorder;                /* between layouts */
    double loss, update;
};

struct net;

/* Makes a network. Gamma is 1 and beta 0 in every initialisation. Free with net_free. NULL: `error` says why. */
struct net *net_create(const struct net_text *text, const struct net_options *options,
                       char error[ERROR_TEXT]);
void net_free(struct net *n);

/* The instance of the layers it uses. */
const struct layers *net_layers(const struct net *n);

/* Where the caller puts the images of the next call: x[mb][C][H][W]. */
float *net_input(struct net *n);

/* Forward and backward over mb images (batch or tail); running statistics are updated. The loss in the outcome is
 * the sum over the batch, the gradients are those of the mean. */
struct outcome net_gradients(struct net *n, int64_t mb, const uint8_t *labels);
/* The key of a dropout layer in the last call of net_gradients; it depends on seed, number of the call, and
 * layer, and decides which values are dropped. */
uint64_t net_dropout_key(const struct net *n, int layer);
/* The optimizer's step on those gradients. */
void net_update(struct net *n, const struct optimizer *optimizer);
/* Forward only (eval_batch or eval_tail images), BN by its running statistics. */
struct outcome net_evaluate(struct net *n, int64_t mb, const uint8_t *labels);

/* Passes over the images in net_input that change only activations and gradients. BN normalizes by the
 * statistics of the batch; running statistics stay. net_evaluate_batch: forward only, without dropout.
 * net_gradients_again: forward and backward, with the dropout of the last call of net_gradients. mb: batch or
 * tail. */
struct outcome net_evaluate_batch(struct net *n, int64_t mb, const uint8_t *labels);
struct outcome net_gradients_again(struct net *n, int64_t mb, const uint8_t *labels);

/* The output of a layer in the last pass, in its layout. It is not available if the layer is fused with a
 * neighbour, or if the next layer works in place. */
const float *net_output(const struct net *n, int layer);

/* The decisions of the relu or maxpool `layer` in the last call of net_gradients, [mb][C][H][W] of its output.
 * Relu: 1 where a value passed, else 0. Maxpool: the place of the maximum in its window, counted row by row, or
 * -1 where a fused relu passed nothing. False: another kind of layer, or a relu that is fused with the maxpool
 * after it. */
bool net_decisions(const struct net *n, int layer, int64_t mb, float *out);

/* net_evaluate without the loss: returns logits[mb][classes] of the images in net_input. The network owns them;
 * they are valid until its next call. mb as for net_evaluate. */
const float *net_forward(struct net *n, int64_t mb);

/* Weights and running statistics in the order of the layers. A running statistic has no gradient: NULL. */
int net_tensor_count(const struct net *n);
struct net_tensor *net_tensor(struct net *n, int i);
const float *net_gradient(const struct net *n, int i);
/* The optimizer's state of a weight: m (0) or v (1) of layers.h; NULL if it has no gradient. */
float *net_memory(const struct net *n, int i, int which);
/* The number of calls of net_gradients so far. It decides what a dropout drops, so a resumed run must set it. */
int64_t net_steps(const struct net *n);
void net_set_steps(struct net *n, int64_t steps);

/* Can the conv gather the statistics of a bn; does a relu follow a bn that could do it; and a maxpool that can be one
 * with them, all in nchw? */
bool net_can_gather(const struct net_text *text, int conv);
bool net_can_rectify(const struct net_text *text, int bn);
bool net_can_pool(const struct net_text *text, int bn);

/* The call of a layer that works in `layout` on what comes in `before`, at a batch size; reorders only where the two
 * differ. The first layers pass no gradient down. */
struct net_op net_op(const struct net_text *text, int layer, enum phase phase, int64_t mb,
                     bool training, struct joined joined, enum layout before, enum layout layout);
/* The calls of all passes, for reports and verification. */
int net_call_count(const struct net *n);
const struct call *net_call(const struct net *n, int i);
/* Is the layer a bn that does the relu and the maxpool after it in training, without a call? */
bool net_pools(const struct net *n, int layer);

int64_t net_parameters(const struct net *n);
/* Bytes the network allocated: all it ever will. Of a layer: its weights with gradients and the optimizer's memory, and
 * what it gives; the rest are gradients of activations, which share three buffers, the input and scratch. */
double net_bytes(const struct net *n);
double net_layer_bytes(const struct net *n, int layer);
/* The seconds spent in net_gradients and net_update so far. */
struct net_seconds net_seconds(const struct net *n);
double net_layer_seconds(const struct net *n, int layer, bool backward);

#endif
