/* How many CPUs and how much memory the system and the control groups (cgroups) allow this process. */
#ifndef BATCHMARK_LIMITS_H
#define BATCHMARK_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits {
    double quota;    /* CPU time per wall time that the control groups allow; 0 = no limit */
    uint64_t memory; /* bytes; UINT64_MAX = no limit */
};

/* The lowest limit of all nested control groups of a process, v1 and v2. `root` is where the cgroup
 * file systems are mounted, `membership` is the text of /proc/self/cgroup. */
struct limits limits_of_groups(const char *root, const char *membership);

/* The quota of this process, in CPUs; 0 = no limit. */
double cpu_quota(void);

/* Bytes this process may use: the lowest of installed memory, control groups and ulimit -v. */
uint64_t memory_limit(void);

/* The part of memory_limit() that this process does not use yet, in bytes. */
uint64_t memory_room(void);

/* Can `bytes` more be allocated? Call this before a large allocation: the system grants more memory
 * than it has, and kills the process that uses it. False: `error` is one line that says what needs how
 * much, and how much there is. */
bool memory_holds(double bytes, const char *what, char *error, size_t size);

#endif
