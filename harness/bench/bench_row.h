/* One row of a benchmark: what is timed, how often it was, and what the numbers mean.
 *
 * Counters (NAN = absent):
 *   gflops          useful floating-point operations (those that touch real pixels) over time
 *   gflops_nominal  the same with padding counted
 *   gflops_actual   multiplications and additions the variant really does
 *   gbps            compulsory bytes, each operand once, in 1e9 bytes a second
 *   pct_peak        gflops_actual over the measured FMA peak of the variant's ISA and the row's threads
 *   pct_copy        gbps over the copy bandwidth measured at the same footprint and cache state
 *                   (a row that beats its ceiling has no such share: `over` says so)
 *   speedup_naive   against 10_naive on one thread, same problem and cache state
 *   err_over_limit  the largest error the verification saw, over its limit */
#ifndef BATCHMARK_BENCH_ROW_H
#define BATCHMARK_BENCH_ROW_H

#include "bench/gbench.h"
#include "problem/op.h"
#include "problem/problem.h"
#include "problem/registry.h"
#include "verify/verify.h"

#define ROW_NAME 320

/* A round's repetitions vary by less than this when nothing disturbs them; above the second the
 * median is worth little. Fractions of the mean. */
#define CV_GOOD 0.02
#define CV_UNSTABLE 0.05

enum row_state {
    ROW_PLANNED,
    ROW_VERIFIED,
    ROW_LEFT_OUT, /* does not apply: verdict.message says why */
    ROW_FAILED,   /* failed verification: timed only where it is a peer's */
    ROW_TIMED,
    ROW_GIVEN_UP /* verified, but could not be timed: `why` */
};

/* What a row is held to: the FMA peak, and the bandwidth of a copy of its size. */
enum ceiling { CEILING_PEAK, CEILING_COPY, CEILINGS };

struct counters {
    double gflops, gflops_nominal, gflops_actual, gbps;
    double pct_peak, pct_copy, speedup_naive;
};

struct bench_row {
    const struct entry *entry;
    const struct op *op;
    struct problem problem;
    struct formats formats;
    bool cold;
    int threads;
    char name[ROW_NAME]; /* OP/VARIANT/PROBLEM/LAYOUT/CACHE/tN */

    bool asked; /* by the user; ceilings beside such rows are not */
    enum row_state state;
    struct verdict verdict;
    char why[ERROR_TEXT];

    /* The quietest round, in seconds a call. samples is owned. */
    struct gbench_sample *samples;
    int sample_count, rounds;
    int disturbed; /* repetitions left out: a probe beside them found the cores slowed (calm.h) */
    bool calm;     /* the samples are none of those */
    double median, min, cv;
    double best; /* seconds of the fastest repetition of all rounds: what ceilings are judged by */
    struct counters counters;
    double beside
        [CEILINGS]; /* its ceilings as measured again beside it, for it beat them; NAN where they were not */
    double
        over; /* percent of the one it beat all the same, which it has no share of; 0 where it beat none */
};

/* Fills a row's fields from what identifies it. */
void row_init(struct bench_row *row, const struct entry *e, const struct problem *p,
              struct formats f, bool cold, int threads);
void row_free(struct bench_row *row);

/* Bytes of all operands as they lie in memory, optional ones included, without scratch. */
double row_footprint(const struct bench_row *row);

/* Statistics over n > 0 values; median and cv do not change them. cv: sample standard deviation
 * over mean, 0 for one value. */
double stat_median(const double *values, int n);
double stat_min(const double *values, int n);
double stat_cv(const double *values, int n);

/* Not to be trusted: it varies, or the cores were slowed in every round. */
bool row_unstable(const struct bench_row *row);

/* Takes a round's samples over if it is the first, the first calm one, or a quieter one than the row has. */
void row_take_round(struct bench_row *row, const struct gbench_sample *samples, int count);

/* Adds a round's samples to those the row has: all that count in their round do. */
void row_add_round(struct bench_row *row, const struct gbench_sample *samples, int count);

/* Copy bandwidth is measured at footprints half an octave apart: the step nearest to `bytes`, and
 * the bytes of a step. */
int footprint_step(double bytes);
double footprint_bytes(int step);

/* The tensor whose copy moves the bytes of a step. */
struct problem footprint_problem(int step);

/* Is `ceiling` a row that `row` is held to? Peaks of its instructions (a library's are its secret: any) on as many threads;
 * copies of its size and cache state on at most as many, since small arrays are copied fastest by one. */
bool row_held_to(const struct bench_row *row, const struct bench_row *ceiling, enum ceiling kind);

/* What a row reaches of one kind, in 1e9 operations done or bytes a second, where a call takes `seconds`; NAN or 0 where it
 * has none. Ceilings are judged by their best repetition: disturbance only ever lowers them. */
double row_reaches(const struct bench_row *row, enum ceiling kind, double seconds);

/* Does it beat its ceilings of one kind among the rows, or those measured again beside it? */
bool row_beats(const struct bench_row *row, enum ceiling kind, const struct bench_row *rows,
               int count);

/* Computes the counters of all timed rows, the relative ones from the peak_fma, copy and naive rows
 * among them. */
void rows_count(struct bench_row *rows, int count);

#endif
