/* A small network with every kind of layer, and what its tests do with a network. */
#ifndef BATCHMARK_TESTS_SMALL_NET_H
#define BATCHMARK_TESTS_SMALL_NET_H

#include "net/net.h"
#include "numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char small_text[] =
    "conv 4 3x3 same stride 2; bn; relu; maxpool 2; conv 5 2x3 nobias; bn eps 1e-3; relu; "
    "conv 6 2x2; relu; maxpool 2 stride 1; dense 7; bn; relu; dense 5; relu; dense 4";
static const struct shape small_input = {3, 25, 20};
enum { SMALL_BATCH = 5 };

static inline struct net *make_planned_net(const char *text, struct shape input, int64_t batch,
                                           const char *kernels, enum fuse fuse,
                                           const struct net_plan *plan)
{
    static struct net_text layers;
    char error[ERROR_TEXT] = "";
    if (!net_text_parse(text, input, &layers, error))
        fail_msg("%s", error);
    struct net_options o = {.batch = batch,
                            .eval_batch = batch,
                            .classes = 4,
                            .seed = 7,
                            .hints = {.threads = 2, .l1 = 32768, .l2 = 1 << 20, .llc = 1 << 25},
                            .kernels = kernels,
                            .plan = plan,
                            .isa = isa_detect(),
                            .fuse = fuse};
    struct net *n = net_create(&layers, &o, error);
    if (!n)
        fail_msg("%s", error);
    return n;
}

static inline struct net *make_net(const char *text, struct shape input, int64_t batch,
                                   const char *kernels, enum fuse fuse)
{
    return make_planned_net(text, input, batch, kernels, fuse, NULL);
}

/* Mean and biased variance of channel c of x[mb][channels][hw]. */
static inline void ref_statistics(int64_t mb, int64_t channels, int64_t hw, const double *x,
                                  int64_t c, double *mean, double *variance)
{
    const int64_t count = mb * hw;
    *mean = *variance = 0;
    for (int64_t i = 0; i < count; i++)
        *mean += x[(i / hw * channels + c) * hw + i % hw] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = x[(i / hw * channels + c) * hw + i % hw] - *mean;
        *variance += d * d / (double)count;
    }
}

static inline int64_t elements(const struct net_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dims[i];
    return n;
}

#endif
