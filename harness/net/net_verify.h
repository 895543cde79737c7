/* Compares every variant that a network chose with the float64 reference, on the problems it was chosen for. */
#ifndef BATCHMARK_NET_VERIFY_H
#define BATCHMARK_NET_VERIFY_H

#include "net/net.h"

/* Do two calls run the same variant on the same problem? */
bool same_kernel(const struct call *a, const struct call *b);

/* Runs the hygiene, exact and bound gates on sampled outputs of each variant; *checked counts the variants. False:
 * `message` says which failed and how. It holds a command to paste, so it is longer than ERROR_TEXT. */
#define NET_VERIFY_TEXT 2048
bool net_verify(const struct net *n, uint64_t seed, int *checked, char message[NET_VERIFY_TEXT]);

#endif
