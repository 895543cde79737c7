/* A network as a line of text.
 *
 *   conv 6 5x5; relu; maxpool 2; conv 16 5x5; relu; maxpool 2; dense 120; relu; dense 84; relu; dense 10
 *
 *   conv OUT KxK [same] [stride S] [nobias]    OUT filters; no padding unless `same` (then stride 1 keeps the size)
 *   conv1d OUT K [same] [stride S] [nobias]    the same on signals, which are images of height 1
 *   dense OUT [nobias]                         flattens an image first
 *   bn [CONVENTION] [OPTIONS]                  PyTorch's conventions unless another is named (below)
 *   relu   sigmoid   tanh   flatten
 *   softmax stray                              a softmax before a loss that applies one: a published mistake
 *   dropout P                                  only in training; the values that stay are divided by 1 - P
 *   maxpool K [stride S]                       stride K unless given
 *   maxpool1d, avgpool1d K [stride S]          on signals
 *   avgpool K [stride S]   avgpool global      the mean of each window, or of the whole image
 *
 * The last layer gives the logits of a softmax cross-entropy.
 *
 * Conventions of bn: eps; weight of a batch's statistics in the running statistics; the running variance.
 *   pytorch  1e-5  0.1   unbiased        keras   1e-3  0.01  unbiased, as in Keras' fused kernel
 *   onnx     1e-5  0.1   population      keras3  1e-3  0.01  population, as in Keras 3
 * Options of bn:
 *   eps E   momentum M      M is the weight of the new value: 1 - momentum of Keras and ONNX
 *   momentum cumulative     the plain mean over all batches since the run began (momentum=None of PyTorch)
 *   population              the running variance is biased: not multiplied by n / (n - 1)
 *   affine off              no gamma and beta
 *   running off             no running statistics: evaluation uses the statistics of its batch
 *   frozen                  training uses the running statistics and does not change them; gamma and beta learn */
#ifndef BATCHMARK_NET_TEXT_H
#define BATCHMARK_NET_TEXT_H

#include "net/layer.h"

enum { MAX_LAYERS = 256 };

struct net_text {
    struct layer layers[MAX_LAYERS];
    int count;
};

/* Reads `text` for images of shape `input`. Inserts a flatten before a dense layer that follows an image, so that
 * layers are numbered as in PyTorch's nn.Sequential. False: `error` says which word is wrong, and what to write. */
bool net_text_parse(const char *text, struct shape input, struct net_text *out,
                    char error[ERROR_TEXT]);

/* Where batch normalization goes.
 *             network with bn                      network without bn
 *   ON        as it is                             before each activation (relu, sigmoid, tanh)
 *   OFF       removed                              none
 *   BEFORE    moved before the activation          before each activation
 *   AFTER     moved after the activation           after each activation
 *   KEEP      as it is                             none */
enum bn_place { BN_ON, BN_OFF, BN_BEFORE, BN_AFTER, BN_KEEP };

/* Writes the network as text with its bn at that place. With drop_bias, conv and dense layers directly before a
 * bn lose their bias. False: the text is too long, or an activation has a bn on both sides. */
#define NET_TEXT (MAX_LAYERS * LAYER_TEXT)
bool net_text_place_bn(const struct net_text *n, enum bn_place place, bool drop_bias,
                       char text[NET_TEXT], char error[ERROR_TEXT]);

/* The layers with a bias that the bn directly after them removes, as "0, 3"; "": none. */
#define LAYER_LIST_TEXT 256
char *net_text_idle_biases(const struct net_text *n, char text[LAYER_LIST_TEXT]);

#endif
