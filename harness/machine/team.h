/* How many threads a process can have here, asked of the OpenMP runtime and of the system. */
#ifndef BATCHMARK_TEAM_H
#define BATCHMARK_TEAM_H

#include <stdbool.h>

#define TEAM_TEXT 192

/* The largest team of up to `want` threads that can be had: the OpenMP runtime may grant fewer (OMP_THREAD_LIMIT), and the
 * limits on processes (ulimit -u, a pids cgroup) may leave no room for them, upon which the runtime ends the process.
 * Where it is less than `want`, `why` says so in one sentence. Tries in a child, so that the caller stays free to fork.
 * Regions that name no number of threads use no more either, from then on, and a runtime that would size teams by the
 * load no longer does. */
int team_most(int want, char why[TEAM_TEXT]);

/* The largest team that team_most has found room for. It looks for three at least, which verification wants, and they
 * are taken for granted where it was never asked. */
int team_known(void);

#endif
