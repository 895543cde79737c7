/* Runs a network: forward, backward, update. */
#include "core/clock.h"
#include "core/rng.h"
#include "net/net_state.h"

#include <stdlib.h>

/* Adds the time since *then to *seconds, if the pass counts; *then becomes now. */
static void count_time(const struct net *n, double *seconds, double *then)
{
    const double t = now();
    if (n->step.counts)
        *seconds += t - *then;
    *then = t;
}

/* A call that a layer may not have. */
static void run_call(const struct call *c)
{
    if (!c->entry)
        return;
    crash_during = c->name;
    c->entry->variant->run(&c->args);
    crash_during = NULL;
}

static void run_reorder(const struct net *n, const struct call *c)
{
    double then = now();
    run_call(c);
    if (c->entry)
        count_time(n, &n->layer_seconds[c->layer][TIME_REORDER], &then);
}

uint64_t net_dropout_key(const struct net *n, int layer)
{
    enum { USE_DROPOUT = 17 }; /* of the random stream */
    return rng_stream(rng_stream(n->options.seed, USE_DROPOUT, (uint64_t)n->step.number),
                      USE_DROPOUT, (uint64_t)layer);
}

static void layer_forward(struct net *n, const struct layer_pass *p)
{
    const struct layer_type *type = layer_type(p->l);
    run_reorder(n, &p->calls[REORDER_FWD]);
    run_call(&p->calls[FWD]);
    if (type->forward && !p->done)
        type->forward(p);
}

static void layer_backward(struct net *n, const struct layer_pass *p)
{
    const struct layer_type *type = layer_type(p->l);
    run_call(&p->calls[BWD_WEIGHTS]);
    run_call(&p->calls[BWD_DATA]);
    if (type->backward && !p->done)
        type->backward(p);
    run_reorder(n, &p->calls[REORDER_BWD]);
}

static const struct pass *find_pass(const struct net *n, int64_t mb, bool training)
{
    for (int i = 0; i < n->pass_count; i++)
        if (n->passes[i].mb == mb && n->passes[i].training == training)
            return &n->passes[i];
    abort(); /* the caller's mistake: no pass was planned for so many images */
}

/* Returns what the last layer gives. */
static const float *forward(struct net *n, const struct pass *p, bool counts, bool drops)
{
    n->step.counts = counts;
    n->step.drops = drops;
    double then = now();
    for (int i = 0; i < n->text.count; i++) {
        n->step.key = net_dropout_key(n, i);
        layer_forward(n, &p->layers[i]);
        count_time(n, &n->layer_seconds[i][TIME_FWD], &then);
    }
    return n->state[n->text.count - 1].dst;
}

static struct outcome loss(const struct net *n, int64_t mb, const uint8_t *labels, float *gradient)
{
    const int last = n->text.count - 1;
    return loss_of(&n->options.loss, mb, n->text.layers[last].dst.c, n->state[last].dst, labels,
                   gradient);
}

static struct outcome gradients(struct net *n, int64_t mb, const uint8_t *labels, bool counts)
{
    const struct pass *p = find_pass(n, mb, true);
    forward(n, p, counts, true);
    double then = now();
    struct outcome out = loss(n, mb, labels, n->state[n->text.count - 1].diff_dst);
    count_time(n, &n->loss_seconds, &then);
    for (int i = n->text.count - 1; i >= n->first_trained; i--) {
        n->step.key = net_dropout_key(n, i);
        layer_backward(n, &p->layers[i]);
        count_time(n, &n->layer_seconds[i][TIME_BWD], &then);
    }
    return out;
}

struct outcome net_gradients(struct net *n, int64_t mb, const uint8_t *labels)
{
    n->step.number++;
    return gradients(n, mb, labels, true);
}

struct outcome net_gradients_again(struct net *n, int64_t mb, const uint8_t *labels)
{
    return gradients(n, mb, labels, false);
}

struct outcome net_evaluate_batch(struct net *n, int64_t mb, const uint8_t *labels)
{
    forward(n, find_pass(n, mb, true), false, false);
    return loss(n, mb, labels, NULL);
}

const float *net_forward(struct net *n, int64_t mb)
{
    return forward(n, find_pass(n, mb, false), false, false);
}

struct outcome net_evaluate(struct net *n, int64_t mb, const uint8_t *labels)
{
    net_forward(n, mb);
    return loss(n, mb, labels, NULL);
}

void net_update(struct net *n, const struct optimizer *optimizer)
{
    double then = now();
    if (!n->part_count)
        return;
    n->layers->update(optimizer, n->part_count, n->parts, n->weights, n->gradients, n->m, n->v,
                      n->options.hints.threads);
    n->update_seconds += now() - then;
}
