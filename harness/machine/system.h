/* system.json: what a run writes about the machine and its software, beside its rows.
 *
 * A field that cannot be read on a machine is absent. Nothing here names a person: the host name is a
 * hash, and of absolute paths only the last part is kept. */
#ifndef BATCHMARK_SYSTEM_H
#define BATCHMARK_SYSTEM_H

#include "machine/machine.h"

#include <jansson.h>

/* What changes while a run lasts. */
struct conditions {
    double load;         /* load average of the last minute */
    double stolen, busy; /* seconds since boot, all CPUs: taken by the hypervisor; spent in all */
    double energy;       /* joules of all packages since some start; NAN where unreadable */
};
void conditions_read(struct conditions *c);

/* Between two readings: the percentage of the wanted CPU time that the hypervisor gave to others; 0 if
 * unreadable. */
double conditions_steal(const struct conditions *before, const struct conditions *after);

/* The whole document: the `context` of bench.json and the other fields. A new reference. */
json_t *system_document(const json_t *context, const struct machine *m,
                        const struct conditions *before, const struct conditions *after);

/* Adds to a machine's object what machine.h does not hold: microcode, flags, kernel, C library, pages. */
void system_describe(json_t *machine);

/* Sets a field, unless the text is NULL or empty, or the number not finite: what is unknown stays away. */
void json_set_text(json_t *object, const char *key, const char *value);
void json_set_number(json_t *object, const char *key, double value);

/* Copies `text` and removes the folders of absolute paths, also after '=', so that a command line can be
 * published. */
void public_path(char *to, size_t size, const char *text);

#endif
