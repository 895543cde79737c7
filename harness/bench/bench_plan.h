/* Which rows a run times.
 *
 * If the user names problems, every variant that matches is timed on each of them. Otherwise by plan:
 *   quick    the whole ladder on the set `ladder`, each variant in its first layout on the largest team;
 *            the fastest batch normalization at sizes from L1 to beyond the last-level cache; the fastest
 *            variants on the rest of `seeds`
 *   full     the whole ladder on all of `seeds`
 *   peers    the peers of rung 9x and our fastest variants, on a set (`seeds`) or a problem
 *   scaling  our fastest variants on teams of every size asked for, on a set (`seeds`) or a problem
 * A short trial, which is not reported, finds the fastest variants. Every plan includes the ceilings that
 * the counters need: the FMA peak of each ISA and thread count, and copies at each footprint and cache
 * state. */
#ifndef BATCHMARK_BENCH_PLAN_H
#define BATCHMARK_BENCH_PLAN_H

#include "bench/bench_row.h"
#include "machine/machine.h"
#include "machine/team.h"

struct bench_options {
    const char *pattern;         /* registry_match's, NULL = all */
    const char *set;             /* name of a set or path of a file; NULL */
    const char *problem;         /* one problem string; NULL */
    int threads[MAX_TEAM_SIZES]; /* ascending, no duplicates */
    int thread_counts;
    bool warm, cold;
    enum isa cap;
    enum plan { PLAN_QUICK, PLAN_FULL, PLAN_PEERS, PLAN_SCALING } plan;
    double budget;   /* seconds of timing for a row; at least one round is always done */
    double limit;    /* seconds the whole run should take, 0 = none: budgets shrink to fit */
    uint64_t seed;   /* of the data */
    double slowdown; /* percent by which every call is prolonged, to test comparisons; 0 = none */
};

struct bench_rows {
    struct bench_row *items; /* owned */
    int count, room;
};
void rows_free(struct bench_rows *rows);
/* Adds a row unless one of that name is there. False: out of memory. */
bool rows_add(struct bench_rows *rows, const struct entry *e, const struct problem *p,
              struct formats f, bool cold, int threads);

extern const char *const plan_names[]; /* by enum plan, then NULL */

/* Reads "1,2,max" into options->threads. False: `error` says what is wrong. */
bool threads_parse(const char *text, const struct machine *m, struct bench_options *options,
                   char error[ERROR_TEXT]);

/* Chooses the rows. Ceilings come first; rows that share operands are neighbours. Forks for the trial:
 * call before this process enters OpenMP. False: `error` says what is wrong with the options. */
bool plan_rows(const struct bench_options *options, const struct machine *m,
               struct bench_rows *rows, char error[ERROR_TEXT]);

/* Only the ceilings: the FMA peaks, and copy and triad at half the size of each cache and twice the last
 * one. */
void plan_ceilings(const struct bench_options *options, const struct machine *m,
                   struct bench_rows *rows);

/* Are two rows timed together: same op, problem, cache state? */
bool rows_share(const struct bench_row *a, const struct bench_row *b);

/* Does this row measure the machine, not a kernel? */
bool row_is_ceiling(const struct bench_row *row);

/* Measures the seconds of one call of each row by a few runs in a child process; INFINITY if it crashed
 * or `limit` seconds were over. The variant is not verified: use the figures to choose, not to publish. */
void trial(const struct machine *m, const struct bench_row *rows, int count, uint64_t seed,
           double limit, double *seconds);

#endif
