/* Has a team its cores to itself, and are they side by side?
 *
 * On a shared machine not always: a virtual machine's CPUs may sit on one core for a while, or on two that have no cache in
 * common, or a neighbour on a core's other thread. Calls then take half as long again, for seconds, and the median of a
 * few repetitions says when they were made rather than what was measured. So a probe is timed beside them, always the same: a
 * small product of matrices in each thread's own L2, then some lines that each thread writes and the next one reads. What a
 * probe finds slowed is waited out or not counted. It knows nothing of the figure that is measured, so leaving
 * repetitions out by it favours nobody. It sees neither a busy memory nor a busy last-level cache. */
#ifndef BATCHMARK_CALM_H
#define BATCHMARK_CALM_H

#include "machine/machine.h"

struct calm;

/* For teams of up to `most` threads; at most the share `waits` of the time since is spent waiting. NULL: no memory, or this
 * build has no kernel to probe with; the functions below then find every moment calm. Freed by calm_close(). */
struct calm *calm_open(const struct machine *m, int most, double waits);
void calm_close(struct calm *c);

/* Probes now, with a team that machine_pin_team() has pinned. Calm: nearly as fast as the fastest probe so far. */
bool calm_now(struct calm *c, int threads);

/* Waits until it is calm; false: it is not, and the time for waiting is spent. */
bool calm_wait(struct calm *c, int threads);

/* Seconds waited so far. */
double calm_waited(const struct calm *c);

#endif
