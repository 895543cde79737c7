/* Verifies and times rows.
 *
 * Rows of one problem are timed as a group, in all layouts. The data is made once for each layout. The
 * repetitions of all rows are interleaved in random order: that is a round. Rounds are repeated for the
 * rows that vary too much, until they vary little or their budget is used up. The round with the least
 * variation counts. In plan peers, which asks for ratios, all rows take part in every round and all
 * rounds count, so that a slow moment of the machine affects all rows.
 * If a row is faster than its ceiling, the ceiling is measured again beside it, and the median counts.
 *
 * Warm: the same operands in every call. Cold: several sets of operands, used in turn, which together
 * have twice the size of the last-level cache; so a set has left the caches when its turn comes again. */
#ifndef BATCHMARK_BENCH_H
#define BATCHMARK_BENCH_H

#include "bench/bench_plan.h"

/* How far a run is. */
struct bench_progress {
    const char *phase;   /* "verify", "time" */
    int done, total;     /* rows */
    const char *name;    /* of the row or problem just done */
    double seconds_left; /* estimate for this phase */
};
typedef void bench_progress_fn(const struct bench_progress *p, void *user);

/* Verifies every row in supervised children; sets state and verdict. Call before this process enters
 * OpenMP. If none of the requested rows can be timed, the other rows are not verified. False: `error`
 * says why nothing could be run. */
bool bench_verify(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                  bench_progress_fn *progress, void *user, char error[ERROR_TEXT]);

/* Does `is` hold for any requested row? */
bool bench_asked(const struct bench_rows *rows, bool (*is)(const struct bench_row *row));
/* Will the row be timed, once it is verified? */
bool bench_will_time(const struct bench_row *row);

/* Times the verified rows, and peers whatever their verdict, and computes the counters. */
void bench_time(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                bench_progress_fn *progress, void *user);

#endif
