/* How many threads the OpenMP runtime and the system allow a process here. */
#ifndef BATCHMARK_TEAM_H
#define BATCHMARK_TEAM_H

#include "core/error.h"

#define TEAM_TEXT 192

/* The largest possible team of up to `want` threads. The OpenMP runtime may grant fewer
 * (OMP_THREAD_LIMIT). Limits on processes (ulimit -u, a pids cgroup) may leave no room for them; the
 * runtime would then end the process. If the result is less than `want`, `why` says the reason in one
 * sentence. The attempt runs in a child, so that the caller can still fork.
 * From then on, parallel regions that name no number of threads use no more than that either, and the
 * runtime no longer adapts team sizes to the load. */
int team_most(int want, char why[TEAM_TEXT]);

/* The largest team that team_most has found possible. Without a call of team_most it is three, which
 * verification needs and team_most always tries. */
int team_known(void);

/* Reads a list such as "1,2,max" into `sizes`, ascending and each once; max stands for `most`. Returns how many there are;
 * 0: `error` says what is wrong. Whether such teams can be had is the caller's to ask. */
#define MAX_TEAM_SIZES 32
int team_sizes(const char *text, int most, int sizes[MAX_TEAM_SIZES], char error[ERROR_TEXT]);

#endif
