/* The CPUs that this process was started on, whatever libraries have done since. */
#ifndef BATCHMARK_AFFINITY_H
#define BATCHMARK_AFFINITY_H

#include <sched.h>
#include <stdbool.h>

/* The affinity mask of the process as it was before any library started. Needs _GNU_SOURCE. An OpenMP runtime that is
 * told to bind threads (OMP_PROC_BIND, OMP_PLACES) narrows the first thread's mask to one core before main begins, so
 * sched_getaffinity says nothing about the process any more. False: the kernel would not tell. */
bool affinity_at_start(cpu_set_t *set);

#endif
