/* A network made of operations of the registry: buffers, kernels chosen, forward, backward, update.
 *
 * Activations are plain nchw. Everything is planned and allocated when the network is made; a step allocates
 * nothing. The same seed, thread count and kernels give the same bits. */
#ifndef BATCHMARK_NET_H
#define BATCHMARK_NET_H

#include "layers/layers.h"
#include "net_text.h"
#include "registry.h"

enum fuse {
    FUSE_AUTO,
    FUSE_OFF,
    FUSE_ON
}; /* bn; relu as one operation: where variants exist, never, always */

struct net_options {
    int64_t batch,
        tail; /* images of a training step, and of the last one of an epoch; tail may be 0 */
    int64_t eval_batch, eval_tail; /* the same for evaluation */
    int classes;                   /* labels are below this */
    uint64_t seed;                 /* of the initial weights */
    struct hints hints;
    const char *kernels; /* kernel_choice.h; NULL: the default order */
    enum isa isa;        /* cap */
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

/* One call of a registry variant. */
struct call {
    const struct entry *entry; /* NULL: the layer has no such call */
    struct problem problem;
    struct args args;
    int layer;
};

/* Where the time of training went, in seconds. */
struct net_seconds {
    double conv, bn, dense, other; /* layers; other: activations and pooling */
    double loss, update;
};

struct net;

/* Makes a network with PyTorch's default initialisation: weights and biases of conv and dense uniform in
 * +-1/sqrt(fan in), gamma 1, beta 0. NULL: `error` says why. Free with net_free. */
struct net *net_create(const struct net_text *text, const struct net_options *options,
                       char error[ERROR_TEXT]);
void net_free(struct net *n);

/* Where the caller puts the images of the next call: x[mb][C][H][W]. */
float *net_input(struct net *n);

/* Forward and backward over mb images (batch or tail); running statistics are updated. The loss in the outcome is
 * the sum over the batch, the gradients are those of the mean. */
struct outcome net_gradients(struct net *n, int64_t mb, const uint8_t *labels);
/* The optimizer's step on those gradients. */
void net_update(struct net *n, const struct adam *adam);
/* Forward only (eval_batch or eval_tail images), BN by its running statistics. */
struct outcome net_evaluate(struct net *n, int64_t mb, const uint8_t *labels);

/* Weights and running statistics in the order of the layers. A running statistic has no gradient: NULL. */
int net_tensor_count(const struct net *n);
struct net_tensor *net_tensor(struct net *n, int i);
const float *net_gradient(const struct net *n, int i);

/* The calls of all passes, for reports and verification. */
int net_call_count(const struct net *n);
const struct call *net_call(const struct net *n, int i);

int64_t net_parameters(const struct net *n);
/* Bytes the network allocated. */
double net_bytes(const struct net *n);
/* The seconds spent in net_gradients and net_update since the last call of net_seconds_reset. */
struct net_seconds net_seconds(const struct net *n);
double net_layer_seconds(const struct net *n, int layer, bool backward);
void net_seconds_reset(struct net *n);

#endif
