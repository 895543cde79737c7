/* Looks into a network between two steps of its training: what its layers hold, and how the loss lies around its weights.
 * Nothing of the training changes by being looked at: the bits that follow are those of a run that was not. */
#ifndef BATCHMARK_PROBE_H
#define BATCHMARK_PROBE_H

#include "train/train.h"

/* What a layer gave in the last step, over all images and units, and the norms of its weights and of their gradient. NaN
 * where it has none. Saturated: the share of values where the activation hardly passes a gradient: below 0.05 or above
 * 0.95 of a sigmoid, beyond 0.95 of a tanh, 0 of a relu. */
struct layer_statistics {
    double mean, deviation, saturated;
    double weight_norm, gradient_norm;
};

/* Call it after net_gradients over mb images. The network must store every layer apart: FUSE_OFF and no plan. */
struct layer_statistics probe_layer(struct net *n, const struct net_text *text, int layer,
                                    int64_t mb);

/* Where a run left the numbers: of what holds inf or NaN, the first weights or biases in the order of a backward pass, not
 * `thorough` of those of one dimension, whose gradients are sums over everything that goes back through a layer; the
 * first running statistic; and the first layer whose output does, after net_gradients over mb images, `plan` as the network
 * was made with. -1: none does. */
int probe_wild_weight(struct net *n, bool thorough);
int probe_wild_statistic(struct net *n);
int probe_wild_layer(struct net *n, const struct net_text *text, const struct net_plan *plan,
                     int64_t mb);

/* The loss along the step an optimizer takes, on the batch that gave the step. */
enum { PROBE_SCALES = 5 };
extern const double probe_scales[PROBE_SCALES]; /* of the step that was taken, which is 1 */
struct direction {
    double loss;     /* before the step, mean over the images */
    double norm;     /* of the step */
    double gradient; /* norm before the step */
    double losses[PROBE_SCALES];
    double changes[PROBE_SCALES]; /* |gradient there - gradient before| / |gradient before| */
};

/* One step as trainer_step takes it, and what lies along it. False: out of memory, and no step was taken. */
bool probe_step(struct trainer *t, int64_t *images, struct outcome *out, struct direction *along);

/* Test sets that are not like the training set: brightness adds a share of the range of pixels, contrast multiplies the
 * distance from mid-grey; what leaves the range is clipped. */
enum shift { SHIFT_BRIGHTNESS, SHIFT_CONTRAST };
extern const char *const shift_names[];
void shift_map(enum shift kind, double amount, uint8_t map[256]);

#endif
