/* Reads the affinity mask before the constructors of shared libraries run. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "machine/affinity.h"

static cpu_set_t at_start;
static bool known;

/* The sanitizers' runtimes have not started yet either. */
__attribute__((no_sanitize("address", "undefined", "thread"))) static void read_mask(void)
{
    known = !sched_getaffinity(0, sizeof at_start, &at_start);
}

/* The dynamic linker runs these before anything of a shared library. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = read_mask;

bool affinity_at_start(cpu_set_t *set)
{
    *set = at_start;
    return known;
}
