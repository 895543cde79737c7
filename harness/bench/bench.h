/* Verifies and times rows.
 *
 * Rows of one problem are timed as a group, whatever their layouts: the data is made once for each layout, repetitions
 * of all rows are interleaved in random order, and whole rounds are repeated for the rows that vary too much, until
 * they are quiet or their budget is spent. The quietest round counts. Where ratios are what is asked for (plan peers),
 * all rows take part in every round and all rounds count, so that a slow spell of the machine falls on all of them.
 * Where a row is faster than the ceiling it is held to, that is measured again beside it, and the median counts.
 *
 * Warm: the same operands every call. Cold: enough sets of operands that their inputs and outputs
 * together are twice the last-level cache, used in turn, so that a set has left the caches when its
 * turn comes again. */
#ifndef BATCHMARK_BENCH_H
#define BATCHMARK_BENCH_H

#include "bench/bench_plan.h"

/* Where a run is. */
struct bench_progress {
    const char *phase;   /* "verify", "time" */
    int done, total;     /* rows */
    const char *name;    /* of the row or problem just done */
    double seconds_left; /* estimate for this phase */
};
typedef void bench_progress_fn(const struct bench_progress *p, void *user);

/* Verifies every row in supervised children; sets state and verdict. Call before this process
 * enters OpenMP. Where none of the rows asked for can be timed, the others stay as they are. False: `error` says why nothing
 * could be run. */
bool bench_verify(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                  bench_progress_fn *progress, void *user, char error[ERROR_TEXT]);

/* Is this so of any row that was asked for? */
bool bench_asked(const struct bench_rows *rows, bool (*is)(const struct bench_row *row));
/* Will the row be timed, once it is verified? */
bool bench_will_time(const struct bench_row *row);

/* Times the verified rows (and peers whatever their verdict) and computes the counters. */
void bench_time(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                bench_progress_fn *progress, void *user);

#endif
