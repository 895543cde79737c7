/* Looks into a network between two training steps: the values in its layers, and the loss near its
 * weights. Looking does not change the training: the following bits are those of a run without it. */
#ifndef BATCHMARK_PROBE_H
#define BATCHMARK_PROBE_H

#include "train/train.h"

/* The output of a layer in the last step, over all images and units, and the norms of its weights and of
 * their gradient; NaN where it has none. `saturated` is the share of values where the activation passes
 * almost no gradient: below 0.05 or above 0.95 for a sigmoid, beyond 0.95 for a tanh, 0 for a relu. */
struct layer_statistics {
    double mean, deviation, saturated;
    double weight_norm, gradient_norm;
};

/* Call it after net_gradients over mb images. The network must store the output of every layer: FUSE_OFF
 * and no plan. */
struct layer_statistics probe_layer(struct net *n, const struct net_text *text, int layer,
                                    int64_t mb);

/* Where a run diverged: the first place that holds inf or NaN; -1: none does.
 *   weight     the first tensor of weights or biases in the order of a backward pass. Without `thorough`,
 *              only tensors of one dimension: their gradients are sums over everything that goes back
 *              through a layer
 *   statistic  the first running statistic
 *   layer      the first layer with such an output after net_gradients over mb images; `plan` is the one
 *              the network was made with */
int probe_wild_weight(struct net *n, bool thorough);
int probe_wild_statistic(struct net *n);
int probe_wild_layer(struct net *n, const struct net_text *text, const struct net_plan *plan,
                     int64_t mb);

/* The loss along an optimizer's step, on the batch of that step. */
enum { PROBE_SCALES = 5 };
extern const double probe_scales[PROBE_SCALES]; /* multiples of the step; 1 is the step itself */
struct direction {
    double loss;     /* before the step, mean over the images */
    double norm;     /* of the step */
    double gradient; /* norm before the step */
    double losses[PROBE_SCALES];
    double changes[PROBE_SCALES]; /* |gradient there - gradient before| / |gradient before| */
};

/* One step as trainer_step takes it, and the loss along it. False: out of memory, and no step was
 * taken. */
bool probe_step(struct trainer *t, int64_t *images, struct outcome *out, struct direction *along);

/* Test sets that differ from the training set: brightness adds a share of the range of pixel values,
 * contrast multiplies the distance from mid-grey. Results are clipped to the range. */
enum shift { SHIFT_BRIGHTNESS, SHIFT_CONTRAST };
extern const char *const shift_names[];
void shift_map(enum shift kind, double amount, uint8_t map[256]);

#endif
