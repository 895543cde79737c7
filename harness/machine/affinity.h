/* The CPUs that this process was allowed to use when it started, before any library changed that. */
#ifndef BATCHMARK_AFFINITY_H
#define BATCHMARK_AFFINITY_H

#include <sched.h>
#include <stdbool.h>

/* The affinity mask of the process before any library started. Needs _GNU_SOURCE. With OMP_PROC_BIND or
 * OMP_PLACES, the OpenMP runtime narrows the first thread's mask to one core before main begins; then
 * sched_getaffinity no longer tells the mask of the process. False: the kernel did not tell. */
bool affinity_at_start(cpu_set_t *set);

#endif
