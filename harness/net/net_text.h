/* A network as a line of text.
 *
 *   conv 6 5x5; relu; maxpool 2; conv 16 5x5; relu; maxpool 2; dense 120; relu; dense 84; relu; dense 10
 *
 *   conv OUT KxK [same] [stride S] [nobias]    OUT filters; no padding unless `same` (then stride 1 keeps the size)
 *   conv1d OUT K [same] [stride S] [nobias]    the same on signals, which are images of height 1
 *   dense OUT [nobias]                         flattens an image first
 *   bn [CONVENTION] [OPTIONS]                  PyTorch's conventions unless another is named (below)
 *   relu   sigmoid   tanh   flatten
 *   softmax stray                              a softmax although the loss applies one: a published mistake
 *   dropout P                                  in training only; the values that stay are divided by 1 - P
 *   maxpool K [stride S]                       stride K unless given
 *   maxpool1d, avgpool1d K [stride S]          on signals
 *   avgpool K [stride S]   avgpool global      the mean of each window, or of the whole image
 *
 * The last layer gives the logits of a softmax cross-entropy.
 *
 * Conventions of bn, by who has them: eps; the weight of a batch's statistics in the running ones; the running variance.
 *   pytorch  1e-5  0.1   unbiased        keras   1e-3  0.01  unbiased, as its fused kernel keeps it
 *   onnx     1e-5  0.1   population      keras3  1e-3  0.01  population, as Keras 3 keeps it
 * Options of bn:
 *   eps E   momentum M      M weighs the new value, which is 1 - momentum of Keras and ONNX
 *   momentum cumulative     the plain mean over all batches since the run began (momentum=None of PyTorch)
 *   population              the running variance is that of the batch as it is, not times n / (n - 1)
 *   affine off              no gamma and beta
 *   running off             no running statistics: evaluation, too, takes those of its batch
 *   frozen                  training, too, takes the running statistics, and leaves them alone; gamma and beta learn */
#ifndef BATCHMARK_NET_TEXT_H
#define BATCHMARK_NET_TEXT_H

#include "net/layer.h"

enum { MAX_LAYERS = 256 };

struct net_text {
    struct layer layers[MAX_LAYERS];
    int count;
};

/* Reads `text` for images of shape `input`. A flatten is put in before a dense layer that follows an image, so that
 * layers are numbered as in PyTorch's nn.Sequential. False: `error` says which word is wrong, and what to write. */
bool net_text_parse(const char *text, struct shape input, struct net_text *out,
                    char error[ERROR_TEXT]);

/* Where batch normalization goes. KEEP and ON: where the network has it; OFF: nowhere; BEFORE, AFTER: there of the
 * activation (relu, sigmoid, tanh) it stands beside. A network without any gets one at each activation, but for KEEP and
 * OFF: before it, unless AFTER is asked for. */
enum bn_place { BN_ON, BN_OFF, BN_BEFORE, BN_AFTER, BN_KEEP };

/* Writes the network as text with its bn there, and without the biases of conv and dense layers right before a bn if
 * drop_bias. False: too long, or a bn on both sides of an activation leaves open which of them is meant. */
#define NET_TEXT (MAX_LAYERS * LAYER_TEXT)
bool net_text_place_bn(const struct net_text *n, enum bn_place place, bool drop_bias,
                       char text[NET_TEXT], char error[ERROR_TEXT]);

/* Layers whose bias the bn right behind them takes away again, as "0, 3"; "": none. */
#define LAYER_LIST_TEXT 256
char *net_text_idle_biases(const struct net_text *n, char text[LAYER_LIST_TEXT]);

#endif
