/* A network's tensors in safetensors files: weights, gradients, and checkpoints from which a run resumes
 * bit-identically.
 *
 * A checkpoint holds
 *   - weights and running statistics under PyTorch's names ("0.weight", "1.running_mean");
 *   - the optimizer's state of each weight as "optimizer.<PyTorch's name of the state>.0.weight": exp_avg
 *     and exp_avg_sq of Adam, momentum_buffer of SGD, square_avg of RMSprop;
 *   - as JSON in the metadata, everything else the run needs; the caller provides it. */
#ifndef BATCHMARK_CHECKPOINT_H
#define BATCHMARK_CHECKPOINT_H

#include "core/safetensors.h"
#include "net/net.h"

#include <jansson.h>

/* Sets the network's weights from a file, which may be a PyTorch state_dict. Each weight and bias must be
 * there with its shape. Missing running statistics keep their initial values. A negative variance is an
 * error. num_batches_tracked and optimizer state are ignored; any other tensor is an error. False:
 * `error` says what is wrong, and the network is unchanged. */
bool weights_load(struct net *n, const char *path, char error[ERROR_TEXT]);
/* Writes weights and running statistics, with the network's text as metadata. */
bool weights_save(struct net *n, const char *path, const char *text, char error[ERROR_TEXT]);
/* Writes the gradients of the last step under the names of the weights. */
bool gradients_save(struct net *n, const char *path, char error[ERROR_TEXT]);
/* Writes how each relu and maxpool decided in the last step over mb images: tensors LAYER.keep and
 * LAYER.chosen with the values of net_decisions, for the layers that net_decisions knows. */
bool decisions_save(const struct net *n, const struct net_text *text, int64_t mb, const char *path,
                    char error[ERROR_TEXT]);

/* A checkpoint in memory; free with checkpoint_free. */
struct checkpoint {
    struct safetensors file;
    json_t *run; /* the object that checkpoint_write was given */
};

/* Reads a file and its JSON. False: `error` says what is wrong, and there is nothing to free. */
bool checkpoint_read(const char *path, struct checkpoint *out, char error[ERROR_TEXT]);
void checkpoint_free(struct checkpoint *c);
/* Sets weights, running statistics and optimizer state; all must be there. False: the network is
 * unchanged, and `error` says why. */
bool checkpoint_restore(struct net *n, const struct optimizer *o, const struct checkpoint *c,
                        const char *path, char error[ERROR_TEXT]);
/* Writes a checkpoint, whole or not at all. */
bool checkpoint_write(struct net *n, const struct optimizer *o, const char *path, const char *text,
                      const json_t *run, char error[ERROR_TEXT]);

#endif
