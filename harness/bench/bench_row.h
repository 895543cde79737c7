/* One row of a benchmark: what is timed, its repetitions, and its counters.
 *
 * Counters (NAN = absent):
 *   gflops          useful floating-point operations (those that touch real pixels) over time
 *   gflops_nominal  the same with padding counted
 *   gflops_actual   multiplications and additions the variant really does
 *   gbps            compulsory bytes, each operand once, in 1e9 bytes a second
 *   pct_peak        gflops_actual over the measured FMA peak of the variant's ISA and the row's threads
 *   pct_copy        gbps over the copy bandwidth measured at the same footprint and cache state
 *                   (a row that beats its ceiling has neither percentage; `over` tells by how much)
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

/* Coefficients of variation of a round: below the first, nothing disturbed it; above the second, its
 * median means little. */
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

/* What a row is compared with: the FMA peak, and the bandwidth of a copy of its size. */
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

    bool asked; /* the user asked for it; false for the ceilings added beside such rows */
    enum row_state state;
    struct verdict verdict;
    char why[ERROR_TEXT];

    /* The round that varies least, in seconds a call. samples is owned. */
    struct gbench_sample *samples;
    int sample_count, rounds;
    int disturbed; /* repetitions left out: a probe beside them found the cores slowed (calm.h) */
    bool calm;     /* no sample is a disturbed one */
    double median, min, cv;
    double best; /* seconds of the fastest repetition of all rounds; used for ceilings */
    struct counters counters;
    double beside
        [CEILINGS]; /* its ceilings, measured again beside it because it beat them; else NAN */
    double over;    /* percent of the ceiling that it beat even then; 0: none */
};

/* Fills a row's fields from what identifies it. */
void row_init(struct bench_row *row, const struct entry *e, const struct problem *p,
              struct formats f, bool cold, int threads);
void row_free(struct bench_row *row);

/* Bytes of all operands as they lie in memory, optional ones included, without scratch. */
double row_footprint(const struct bench_row *row);

/* Is the row unreliable? It varies too much, or the cores were slowed in every round. */
bool row_unstable(const struct bench_row *row);

/* Replaces the row's samples by those of this round, if it is the first round, the first calm one, or one
 * that varies less than the present one. */
void row_take_round(struct bench_row *row, const struct gbench_sample *samples, int count);

/* Adds those samples of a round that count to the row's. */
void row_add_round(struct bench_row *row, const struct gbench_sample *samples, int count);

/* Copy bandwidth is measured at footprints half an octave apart. Gives the step nearest to `bytes`, and
 * the bytes of a step. */
int footprint_step(double bytes);
double footprint_bytes(int step);

/* The problem of a copy that moves the bytes of a step. */
struct problem footprint_problem(int step);

/* Is `ceiling` a ceiling of `row`? Peaks: of the same ISA and as many threads; of any ISA for a peer,
 * because its instructions are unknown. Copies: of the same size and cache state, on at most as many
 * threads, because one thread copies small arrays fastest. */
bool row_held_to(const struct bench_row *row, const struct bench_row *ceiling, enum ceiling kind);

/* What a row reaches if a call takes `seconds`, in 1e9 operations or bytes a second; NAN or 0 if it has no
 * such count. For ceilings use the best repetition: disturbance can only lower it. */
double row_reaches(const struct bench_row *row, enum ceiling kind, double seconds);

/* Does the row beat its ceilings of one kind among `rows`, or those measured again beside it? */
bool row_beats(const struct bench_row *row, enum ceiling kind, const struct bench_row *rows,
               int count);

/* Computes the counters of all timed rows, the relative ones from the peak_fma, copy and naive rows
 * among them. */
void rows_count(struct bench_row *rows, int count);

#endif
