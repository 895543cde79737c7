/* Does a team have its cores for itself, and do they share a cache?
 *
 * On a shared machine they often do not. The virtual CPUs may run on one core for some seconds, or on
 * two cores without a common cache, or another user may run on a core's second thread. Calls then take
 * up to half as long again, and the median of a few repetitions depends on when they were made.
 *
 * So a probe is timed before and after each repetition. It is always the same: a small matrix product in
 * each thread's own L2, then some cache lines that each thread writes and the next one reads. While the
 * probe is slow, the harness waits; a repetition beside a slow probe does not count. The probe does not
 * know the measured figure, so discarding repetitions favours no kernel. It does not detect that memory
 * or the last-level cache is busy. */
#ifndef BATCHMARK_CALM_H
#define BATCHMARK_CALM_H

#include "machine/machine.h"

struct calm;

/* For teams of up to `most` threads. At most the share `waits` (0 to 1) of the time from now on is spent
 * waiting. NULL: no memory, or this build has no kernel for the probe; the functions below then call
 * every moment calm. Free with calm_close(). */
struct calm *calm_open(const struct machine *m, int most, double waits);
void calm_close(struct calm *c);

/* Probes now; machine_pin_team() must have pinned the team. Calm means: nearly as fast as the fastest
 * probe so far. */
bool calm_now(struct calm *c, int threads);

/* Waits until it is calm. False: it is not calm, and the time for waiting is used up. */
bool calm_wait(struct calm *c, int threads);

/* Seconds waited so far. */
double calm_waited(const struct calm *c);

#endif
