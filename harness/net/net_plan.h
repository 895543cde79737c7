/* Chooses layouts, variants and fused operations for a network from measured times.
 *
 * Several operations share the layout of a tensor, and a fused operation replaces several layers. So the best
 * plan is not the fastest kernel of each layer. It is the shortest path through the layers. A node is a layout
 * that a layer can work in, together with its fusion. The cost of an edge is the time of the layer's calls in a
 * training step, and of the reorders between the two layouts.
 *
 * A plan is a JSON file beside the results. Its key is all that its times depend on: machine, binary, network,
 * image, batch, team and ISA cap. */
#ifndef BATCHMARK_NET_PLAN_H
#define BATCHMARK_NET_PLAN_H

#include "bench/bench.h"
#include "net/net.h"

#include <jansson.h>

/* The fastest way to do one call: seconds, INFINITY where there is none; entry NULL for pooling. */
struct plan_cost {
    double seconds;
    const struct entry *entry;
};

/* How a layer is fused with the layers after it.
 *   APART    not at all
 *   GATHERS  a conv computes the statistics of the bn
 *   POOLS    a bn does the relu and the maxpool, too; the relu between them is POOLS as well
 * JOINS is their number.
 * A bn always does the relu after it, if both have the same layout; so there is no decision for that. */
enum join { APART, GATHERS, POOLS, JOINS };
struct plan_node {
    enum layout layout;
    enum join join;
};
typedef struct plan_cost plan_cost_fn(void *user, int layer, enum phase phase,
                                      struct plan_node before, struct plan_node here);

/* Restricts the paths. */
struct plan_limits {
    enum layout only; /* the layout of all layers that can work in it; LAYOUT_NONE: any layout */
    bool apart;       /* no fusion, except that a bn does a relu */
};

/* Finds the shortest path. Returns the seconds of a step, INFINITY if there is no path. seconds[layer] gets the
 * share of each layer with its reorders; `seconds` may be NULL. */
double net_plan_solve(const struct net_text *text, struct plan_limits limits, plan_cost_fn *cost,
                      void *user, struct net_plan *plan, double *seconds);

/* What a plan is for. */
struct net_plan_key {
    const char *text; /* of the network */
    struct shape image;
    const char *name; /* preset, NULL: a network as text */
    int64_t batch;
    int threads;
    enum isa isa;
};

/* The times measured for a network. The fastest repetition of a call counts: the calls to be compared are timed
 * seconds apart, and other work of the machine can only add time. */
struct net_times {
    const struct net_text *text;
    int64_t batch;
    struct bench_rows rows;
    double
        *trial; /* seconds of each row in the trial; used if the limit left no time to measure it */
    struct {
        double fwd, bwd; /* seconds */
    } pools[MAX_LAYERS][LAYOUT_COUNT];
};
plan_cost_fn net_times_cost; /* user: struct net_times * */
void net_times_free(struct net_times *t);

/* Chooses the rows to measure: for every call that the network can make, in every layout, the variants that are
 * fastest in a short trial. Forks: call before this process enters OpenMP. False: `error` says what went
 * wrong. */
bool net_times_rows(struct net_times *t, const struct machine *m, const struct net_plan_key *key,
                    double limit, char error[ERROR_TEXT]);

/* Verifies the rows on a few images of each problem, as bench_verify does; those that fail are never timed. */
bool net_times_verify(struct net_times *t, const struct bench_options *o, const struct machine *m,
                      bench_progress_fn *progress, void *user, char error[ERROR_TEXT]);

/* Times the layers that are no operation of the registry and are slow enough: pooling. Enters OpenMP. */
bool net_times_pools(struct net_times *t, const struct net_plan_key *key, char error[ERROR_TEXT]);

/* Writes the decisions of a plan as a JSON array, which the caller owns (NULL: out of memory), and reads them.
 * False: they do not fit the network or this build, and *plan must not be used. */
json_t *net_plan_layers(const struct net_text *text, const struct net_plan *plan);
bool net_plan_read(const json_t *layers, const struct net_text *text, struct net_plan *plan);

/* results/<machine>/plans/<name, or hash of text and image>_mb<batch>_t<threads>_<isa>.json */
#define PLAN_PATH 512
void net_plan_path(const struct machine *m, const struct net_plan_key *key, char path[PLAN_PATH]);

/* Writes the file, whole or not at all, and makes its folder; `path` is one of net_plan_path's. */
bool net_plan_save(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_plan *plan, const struct net_times *times, double seconds,
                   double seconds_nchw, char error[ERROR_TEXT]);

/* Reads a plan and compares it with machine, binary and key. False: `error` says what differs and what to do. */
bool net_plan_load(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_text *text, struct net_plan *plan, char error[ERROR_TEXT]);

#endif
