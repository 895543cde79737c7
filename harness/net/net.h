/* A network made of operations of the registry: buffers, kernels chosen, forward, backward, update.
 *
 * Activations are plain nchw unless a plan gives a tensor another layout; where the layouts of neighbours differ, a
 * reorder goes in between. Everything is planned and allocated when the network is made; a step allocates nothing.
 * The same seed, thread count, kernels and plan give the same bits. */
#ifndef BATCHMARK_NET_H
#define BATCHMARK_NET_H

#include "net/net_text.h"

/* Decisions taken elsewhere (net_plan.h): the layout a layer works in, the variants it uses in a training pass, and whether
 * a bn is one with the relu and the maxpool after it. A conv whose variant forward is one of conv_stats gathers the
 * statistics of the bn after it. A variant NULL, or one that cannot do the problem of a shorter batch: the order of
 * kernel_choice.h in that layout. */
struct net_plan {
    int count;
    struct {
        enum layout layout;
        bool pools;
        const struct entry *kernels[PHASES];
    } layers[MAX_LAYERS];
};

/* bn; relu as one operation: where variants exist, never, always; always, and the statistics of a bn are gathered by the
 * conv before it as it writes its results. A maxpool of 2x2 after them in nchw joins them, unless never. Where it is left
 * open, a plan decides; without one statistics are gathered by convs whose variant does that too, and choices that name
 * operations of bn are kept. Where it is not, a plan's variant gives way to that of the same name in the operation asked
 * for, if there is one. */
enum fuse { FUSE_AUTO, FUSE_OFF, FUSE_ON, FUSE_STATS };

/* Weights at first. PYTORCH: its default for conv and dense, weights and biases uniform in +-1 / sqrt(fan in). GLOROT:
 * uniform in +-sqrt(6 / (fan in + fan out)), as Keras has it; HE: normal, of variance 2 / fan in; biases 0 in both. */
enum init { INIT_PYTORCH, INIT_GLOROT, INIT_HE };

struct net_options {
    int64_t batch,
        tail; /* images of a training step, and of the last one of an epoch; tail may be 0, both for inference */
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

/* Makes a network; gamma is 1 and beta 0 whatever the initialisation. NULL: `error` says why. Free with net_free. */
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
/* What decides which values a dropout drops in the last call of net_gradients: seed, number of the call, layer. */
uint64_t net_dropout_key(const struct net *n, int layer);
/* The optimizer's step on those gradients. */
void net_update(struct net *n, const struct optimizer *optimizer);
/* Forward only (eval_batch or eval_tail images), BN by its running statistics. */
struct outcome net_evaluate(struct net *n, int64_t mb, const uint8_t *labels);

/* Passes on the images in net_input that leave no trace but in activations and gradients: BN by the statistics of the
 * batch, running statistics untouched. net_evaluate_batch: forward only, nothing dropped; net_gradients_again: what the
 * last call of net_gradients dropped. mb: batch or tail. */
struct outcome net_evaluate_batch(struct net *n, int64_t mb, const uint8_t *labels);
struct outcome net_gradients_again(struct net *n, int64_t mb, const uint8_t *labels);

/* What a layer gave in the last pass, in its layout; lost where it is fused with a neighbour, or where that works in
 * place. */
const float *net_output(const struct net *n, int layer);

/* How the relu or maxpool `layer` decided in the last call of net_gradients, over mb images: of a relu 1 where a value passed
 * and 0 where not, [mb][C][H][W] of its output; of a maxpool the place in its window that was taken, row by row, or -1 where a
 * relu before it let nothing pass. False: another layer, or a relu that the maxpool after it decided for. */
bool net_decisions(const struct net *n, int layer, int64_t mb, float *out);

/* net_evaluate without the loss: the logits[mb][classes of the last layer] of the images in net_input. They are the network's,
 * until its next call; mb as for net_evaluate. */
const float *net_forward(struct net *n, int64_t mb);

/* Weights and running statistics in the order of the layers. A running statistic has no gradient: NULL. */
int net_tensor_count(const struct net *n);
struct net_tensor *net_tensor(struct net *n, int i);
const float *net_gradient(const struct net *n, int i);
/* The optimizer's memory of a weight: m (0) or v (1) of layers.h; NULL where there is no gradient. */
float *net_memory(const struct net *n, int i, int which);
/* Calls of net_gradients so far, which decide what a dropout drops; to be set where a run goes on. */
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
