/* Chooses layouts, variants and fused operations for a network from measured times.
 *
 * A layout belongs to a tensor that several operations share, and a fused operation to several layers, so the best plan is
 * not the fastest kernel of each layer: it is the shortest path through the layers, whose nodes are the layouts a layer can
 * work in and what it does for the layers after it, and whose edges cost the layer's calls of a training step and the
 * reorders between two layouts.
 *
 * A plan is kept as JSON beside the results, keyed by all its times depend on: machine, binary, network, image, batch, team and
 * ISA cap. */
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

/* What a layer does for those after it: nothing; a conv gathers the statistics of the bn; a bn does the relu and the
 * maxpool as well (as POOLS the relu between them counts too). That a bn does the relu alone is not decided here: it does,
 * where both are in one layout, and that they are. */
enum join { APART, GATHERS, POOLS, JOINS };
struct plan_node {
    enum layout layout;
    enum join join;
};
typedef struct plan_cost plan_cost_fn(void *user, int layer, enum phase phase,
                                      struct plan_node before, struct plan_node here);

/* What paths there are. */
struct plan_limits {
    enum layout only; /* no layer leaves it unless it can do nothing else; LAYOUT_NONE: any */
    bool apart;       /* no layer does another's work, but for a bn's relu */
};

/* The shortest path. Returns the seconds of a step, INFINITY where there is no path; seconds[layer] gets each layer's
 * share, reorders included, unless NULL. */
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

/* What was measured for a network. A call's fastest repetition counts: calls that are weighed against one another are timed
 * seconds apart, and what else a machine does between them only ever adds. */
struct net_times {
    const struct net_text *text;
    int64_t batch;
    struct bench_rows rows;
    double *
        trial; /* seconds by row, from the trial: what counts where the limit left no time to do better */
    struct {
        double fwd, bwd; /* seconds */
    } pools[MAX_LAYERS][LAYOUT_COUNT];
    struct {
        double fwd, gathered,
            bwd; /* of a bn with its relu and maxpool; gathered: fwd, of given statistics */
    } bn_pools[MAX_LAYERS];
};
plan_cost_fn net_times_cost; /* user: struct net_times * */
void net_times_free(struct net_times *t);

/* The rows to measure: for every call the network can make in any layout the variants that a short trial finds
 * fastest. Forks: call before this process enters OpenMP. False: `error` says what went wrong. */
bool net_times_rows(struct net_times *t, const struct machine *m, const struct net_plan_key *key,
                    double limit, char error[ERROR_TEXT]);

/* Verifies the rows on a few images of each problem, as bench_verify does; those that fail are never timed. */
bool net_times_verify(struct net_times *t, const struct bench_options *o, const struct machine *m,
                      bench_progress_fn *progress, void *user, char error[ERROR_TEXT]);

/* Times what is no operation of the registry: the pooling layers, and bn with relu and maxpool; enters OpenMP. */
bool net_times_pools(struct net_times *t, const struct net_plan_key *key, char error[ERROR_TEXT]);

/* The decisions alone as a JSON array, the caller's (NULL: out of memory), and back. False: they do not fit the
 * network or this build, and *plan is not to be used. */
json_t *net_plan_layers(const struct net_text *text, const struct net_plan *plan);
bool net_plan_read(const json_t *layers, const struct net_text *text, struct net_plan *plan);

/* results/<machine>/plans/<name, or hash of text and image>_mb<batch>_t<threads>_<isa>.json */
#define PLAN_PATH 512
void net_plan_path(const struct machine *m, const struct net_plan_key *key, char path[PLAN_PATH]);

/* Writes the file, whole or not at all, and makes its folder; `path` is one of net_plan_path's. */
bool net_plan_save(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_plan *plan, const struct net_times *times, double seconds,
                   double seconds_nchw, char error[ERROR_TEXT]);

/* Reads a plan and holds it against machine, binary and key. False: `error` says what differs and what to do. */
bool net_plan_load(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_text *text, struct net_plan *plan, char error[ERROR_TEXT]);

#endif
