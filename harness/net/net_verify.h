/* Holds every variant a network picked to the float64 reference, on the problems it was picked for. */
#ifndef BATCHMARK_NET_VERIFY_H
#define BATCHMARK_NET_VERIFY_H

#include "net/net.h"

/* Do two calls run the same variant on the same problem? */
bool same_kernel(const struct call *a, const struct call *b);

/* Checks sampled outputs of each by hygiene, exact and bound gates; *checked counts them. False: `message` (not cut off to
 * ERROR_TEXT: it holds a command to paste) says which failed and how. */
#define NET_VERIFY_TEXT 2048
bool net_verify(const struct net *n, uint64_t seed, int *checked, char message[NET_VERIFY_TEXT]);

#endif
