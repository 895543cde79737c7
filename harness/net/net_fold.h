/* Folds batch normalization away for inference. With running statistics it is a scale and a shift of each
 * channel; the layer before or after it can do that with changed weights. */
#ifndef BATCHMARK_NET_FOLD_H
#define BATCHMARK_NET_FOLD_H

#include "net/net.h"

/* Where each layer of a network goes. */
struct net_fold {
    int into[MAX_LAYERS];  /* of a bn: the conv or dense into which it is folded; else -1 */
    int place[MAX_LAYERS]; /* of a layer that stays: its number in the folded network; else -1 */
    int folded, left;      /* the number of bn folded, and of those that cannot be folded */
};

/* Plans the folding and writes the folded network as text. A bn is folded into the conv or dense directly before
 * it, else into the dense, or the conv without padding, directly after it. False: the text is too long. */
bool net_fold_plan(const struct net_text *n, struct net_fold *out, char text[NET_TEXT]);

/* Computes the weights of the folded network `to` from those of `from`, in float64. `to` must be made from the
 * text that net_fold_plan wrote for `text` and `fold`. The caller keeps both networks. */
void net_fold_weights(const struct net_text *text, const struct net_fold *fold, struct net *from,
                      struct net *to);

#endif
