/* The inside of a network, for the files that build it (net_build.c), fuse its layers (net_fuse.c) and run it
 * (net_run.c). */
#ifndef BATCHMARK_NET_STATE_H
#define BATCHMARK_NET_STATE_H

#include "net/net.h"

/* A forward or a whole training pass at one batch size. */
struct pass {
    int64_t mb;
    bool training;
    struct layer_pass *layers;
};

enum { MAX_PASSES = 4 };
enum { TIME_FWD, TIME_BWD, TIME_REORDER, TIMES };

struct net {
    struct net_text text;
    struct net_options options;
    struct net_plan plan;
    bool has_plan;
    int first_trained; /* the first layer with weights: nothing below it needs a gradient */
    float *input;
    struct layer_state *state;
    struct pass passes[MAX_PASSES];
    int pass_count;
    /* All trained values in one array, so that the optimizer is one loop; each tensor begins at a cache line. */
    float *weights, *gradients, *m, *v;
    int64_t padded, parameters;
    int64_t *parts; /* where each tensor ends in them */
    int part_count;
    struct net_tensor *tensors;
    const float **tensor_gradients;
    int tensor_count;
    const struct layers *layers; /* for this CPU */
    void *scratch;
    size_t scratch_size;
    double (*layer_seconds)[TIMES];
    double loss_seconds, update_seconds;
    double *layer_bytes;    /* of memory.bytes, what belongs to one layer */
    struct layer_step step; /* its number: calls of net_gradients */
    struct memory memory;
};

/* Allocates, initialises and plans all that a network needs, by n->text, options and plan. */
bool net_build(struct net *n, char error[ERROR_TEXT]);

/* Call i of all passes, counting the places where a layer has none. */
struct call *net_call_place(const struct net *n, int i);
int net_call_places(const struct net *n);

/* Does layer i work in another layout than what it is given? */
bool net_reordered(const struct net *n, int i);

/* Decides how layer i is fused with its neighbours in a pass. The layers before it must be decided already. */
void net_join(const struct net *n, const struct pass *p, int i);
/* Is layer i part of a bn that pools? */
bool net_pooled(const struct net *n, int i);

#endif
