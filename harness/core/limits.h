/* What the system and the control groups leave this process: CPUs and memory. */
#ifndef BATCHMARK_LIMITS_H
#define BATCHMARK_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits {
    double quota;    /* CPUs the control groups pay for; 0 = no limit */
    uint64_t memory; /* bytes; UINT64_MAX = no limit */
};

/* The least of all levels of the control groups of a process, v1 and v2. `root` is where the cgroup file systems are mounted,
 * `membership` the text of /proc/self/cgroup. */
struct limits limits_of_groups(const char *root, const char *membership);

/* The CPUs that the control groups of this process pay for; 0 = no limit. */
double cpu_quota(void);

/* Bytes this process may use: the least of what is installed, the control groups and ulimit -v allow. */
uint64_t memory_limit(void);

/* What of them this process does not use yet. */
uint64_t memory_room(void);

/* Is there room for so many bytes more? To be asked before anything large is allocated: the system grants more than it
 * has, and kills who uses it. False: `error` is one line that says what needs how much, and how much there is. */
bool memory_holds(double bytes, const char *what, char *error, size_t size);

#endif
