/* What a run writes about the machine and the software under it, beside its rows: system.json.
 *
 * Fields that cannot be read on a machine are absent. Nothing here names a person: the host is a hash, absolute paths
 * are cut down to their last part. */
#ifndef BATCHMARK_SYSTEM_H
#define BATCHMARK_SYSTEM_H

#include "machine/machine.h"

#include <jansson.h>

/* What changes while a run lasts. */
struct conditions {
    double load; /* load average of the last minute */
    double stolen,
        busy; /* seconds, over all CPUs since boot: taken by the hypervisor, and spent at all */
    double energy; /* joules of all packages since some start; NAN where unreadable */
};
void conditions_read(struct conditions *c);

/* Percent of the time CPUs were wanted between two readings that a hypervisor gave to others; 0 where unreadable. */
double conditions_steal(const struct conditions *before, const struct conditions *after);

/* The document: what `context` (of bench.json) says, and the rest. A new reference. */
json_t *system_document(const json_t *context, const struct machine *m,
                        const struct conditions *before, const struct conditions *after);

/* Adds to a machine's object what machine.h does not hold: microcode, flags, kernel, C library, pages. */
void system_describe(json_t *machine);

/* A copy of `text` without the folders of an absolute path, also behind '=': what a command line may say in public. */
void public_path(char *to, size_t size, const char *text);

#endif
