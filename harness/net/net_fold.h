/* Batch normalization folded away for inference: by its running statistics it is a scale and a shift of each channel, which
 * the layer before it can do with other weights, or the one after it. */
#ifndef BATCHMARK_NET_FOLD_H
#define BATCHMARK_NET_FOLD_H

#include "net/net.h"

/* Where each layer of a network goes. */
struct net_fold {
    int into[MAX_LAYERS];  /* of a bn: the conv or dense that takes it in; else -1 */
    int place[MAX_LAYERS]; /* of a layer that stays: its number in the folded network; else -1 */
    int folded, left;      /* bn folded, and those that no layer beside them can take in */
};

/* What can be folded, and the folded network as text. A bn goes into the conv or dense right before it, else into the dense,
 * or the conv without padding, right after it. False: too long. */
bool net_fold_plan(const struct net_text *n, struct net_fold *out, char text[NET_TEXT]);

/* Sets the weights of the folded network from those of the one it came from, in float64. `to` was made of the text that
 * net_fold_plan wrote for `text` and `fold`; both stay the caller's. */
void net_fold_weights(const struct net_text *text, const struct net_fold *fold, struct net *from,
                      struct net *to);

#endif
