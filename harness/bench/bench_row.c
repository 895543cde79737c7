/* Names, statistics and counters of rows. */
#include "bench/bench_row.h"
#include "core/stat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A warm copy below this is the cost of a call; above, tensors no longer fit small machines. */
#define SMALLEST_STEP (2 * 13) /* 8 KiB */
#define LARGEST_STEP (2 * 30)  /* 1 GiB */

void row_init(struct bench_row *row, const struct entry *e, const struct problem *p,
              struct formats f, bool cold, int threads)
{
    char problem[PROBLEM_TEXT], formats[FORMATS_TEXT];
    *row = (struct bench_row){.entry = e,
                              .op = op_find(e->op),
                              .problem = *p,
                              .formats = f,
                              .cold = cold,
                              .threads = threads};
    row->counters = (struct counters){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    row->beside[CEILING_PEAK] = row->beside[CEILING_COPY] = NAN;
    snprintf(row->name, sizeof row->name, "%s/%s/%s/%s/%s/t%d", e->op, e->name,
             problem_print(p, problem), formats_print(f, formats), cold ? "cold" : "warm", threads);
}

void row_free(struct bench_row *row)
{
    free(row->samples);
    row->samples = NULL;
}

double row_footprint(const struct bench_row *row)
{
    struct tensor_spec specs[ROLE_COUNT];
    int n = row->op->tensors(&row->problem, row->formats, specs);
    double bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += (double)sizeof(float) * (double)tensor_physical(&specs[i]);
    return bytes;
}

/* Operations and compulsory bytes of one call. *actual: the variant's own count of operations, if any. */
static struct cost row_cost(const struct bench_row *row, double *actual)
{
    struct cost cost = row->op->cost(&row->problem);
    const struct variant *v = row->entry->variant;
    *actual = v->flops ? v->flops(&row->problem, row->formats) : cost.flops_nominal;
    /* peak_fma: what it does is what it is for. */
    if (row->op->kind == PROBLEM_ITERATIONS)
        cost.flops = cost.flops_nominal = *actual;
    return cost;
}

bool row_unstable(const struct bench_row *row)
{
    return row->cv > CV_UNSTABLE || !row->calm;
}

/* Moves the samples that count to the front; returns their number. Disturbed samples do not count if at
 * least three samples and half of all are undisturbed. Otherwise all count, and *calm is false. */
static int samples_that_count(struct gbench_sample *samples, int count, bool *calm)
{
    int undisturbed = 0, kept = 0;
    for (int i = 0; i < count; i++)
        undisturbed += !samples[i].disturbed;
    *calm = undisturbed >= min_i64(count, 3) && 2 * undisturbed >= count;
    if (!*calm)
        return count;
    for (int i = 0; i < count; i++)
        if (!samples[i].disturbed)
            samples[kept++] = samples[i];
    return kept;
}

/* A round, added to the samples the row has or, where it is better, taken in their place. */
static void new_round(struct bench_row *row, const struct gbench_sample *samples, int count,
                      bool add)
{
    const int room = row->sample_count + count;
    struct gbench_sample *all = calloc((size_t)room + 1, sizeof *all);
    double *seconds = calloc((size_t)room + 1, sizeof *seconds);
    if (count < 1 || !all || !seconds) {
        free(all);
        free(seconds);
        return;
    }
    bool first = row->rounds++ == 0, calm;
    memcpy(all, samples, (size_t)count * sizeof *all);
    int n = samples_that_count(all, count, &calm);
    row->disturbed += count - n;
    if (add && !first && calm == row->calm) {
        memmove(all + row->sample_count, all, (size_t)n * sizeof *all);
        memcpy(all, row->samples, (size_t)row->sample_count * sizeof *all);
        n += row->sample_count;
    }
    for (int i = 0; i < n; i++)
        seconds[i] = all[i].seconds / (double)all[i].iterations;
    double cv = stat_cv(seconds, n), min = stat_min(seconds, n);
    row->best = first ? min : fmin(row->best, min);
    if (first || (calm && !row->calm) || (calm == row->calm && (add || cv < row->cv))) {
        free(row->samples);
        row->samples = all;
        all = NULL;
        row->sample_count = n;
        row->calm = calm;
        row->cv = cv;
        row->median = stat_median(seconds, n);
        row->min = min;
        row->state = ROW_TIMED;
    }
    free(all);
    free(seconds);
}

void row_take_round(struct bench_row *row, const struct gbench_sample *samples, int count)
{
    new_round(row, samples, count, false);
}

void row_add_round(struct bench_row *row, const struct gbench_sample *samples, int count)
{
    new_round(row, samples, count, true);
}

/* Footprints */

int footprint_step(double bytes)
{
    double step = bytes > 1 ? round(2 * log2(bytes)) : 0;
    return (int)fmin(fmax(step, SMALLEST_STEP), LARGEST_STEP);
}

double footprint_bytes(int step)
{
    return exp2(step / 2.0);
}

struct problem footprint_problem(int step)
{
    /* Two arrays, in whole cache lines. */
    int64_t floats = (int64_t)(footprint_bytes(step) / (2 * 64)) * 16;
    return (struct problem){
        .kind = PROBLEM_BN, .eps = DEFAULT_EPS, .bn = {.mb = 1, .ic = 1, .ih = 1, .iw = floats}};
}

/* Counters */

bool row_held_to(const struct bench_row *row, const struct bench_row *ceiling, enum ceiling kind)
{
    if (ceiling->state != ROW_TIMED)
        return false;
    if (kind == CEILING_COPY)
        return ceiling->op->ceiling && ceiling->op->moves && ceiling->cold == row->cold &&
               ceiling->threads <= row->threads &&
               footprint_step(row_footprint(ceiling)) == footprint_step(row_footprint(row));
    /* A library's choice of instructions is unknown: its ceiling is the highest peak in float32. */
    enum isa isa = ceiling->entry->variant->isa, least = row->entry->variant->isa,
             most = row->entry->variant->peer ? ISA_AVX512 : least;
    return ceiling->op->kind == PROBLEM_ITERATIONS && ceiling->threads == row->threads &&
           isa >= least && isa <= most;
}

double row_reaches(const struct bench_row *row, enum ceiling kind, double seconds)
{
    double actual;
    struct cost cost = row_cost(row, &actual);
    /* How many operations a library's Winograd does is not known. */
    if (row->entry->variant->peer && row->entry->variant->algebra == WINOGRAD_F4)
        actual = NAN;
    return (kind == CEILING_COPY ? cost.bytes : actual) * 1e-9 / seconds;
}

/* The highest ceiling of a row among the rows; NAN where none was measured. */
static double ceiling_of(const struct bench_row *row, enum ceiling kind,
                         const struct bench_row *rows, int count)
{
    double best = NAN;
    for (int i = 0; i < count; i++)
        if (row_held_to(row, &rows[i], kind))
            best = fmax(best, row_reaches(&rows[i], kind, rows[i].best));
    return best;
}

/* The share of its ceiling in percent; of that measured beside it where it beats the other. NAN: none. */
static double share_of(const struct bench_row *row, enum ceiling kind, const struct bench_row *rows,
                       int count)
{
    double reached = row_reaches(row, kind, row->median);
    double share = reached > 0 ? 100 * reached / ceiling_of(row, kind, rows, count) : NAN;
    return share > 100 && row->beside[kind] > 0 ? 100 * reached / row->beside[kind] : share;
}

bool row_beats(const struct bench_row *row, enum ceiling kind, const struct bench_row *rows,
               int count)
{
    return row->state == ROW_TIMED && share_of(row, kind, rows, count) > 100;
}

/* Seconds of the op's naive variant on one thread; layouts may differ, the problem may not. */
static double naive_seconds(const struct bench_row *rows, int count, const struct bench_row *row)
{
    for (int i = 0; i < count; i++)
        if (rows[i].state == ROW_TIMED && rows[i].op == row->op && rows[i].cold == row->cold &&
            rows[i].threads == 1 && !strcmp(rows[i].entry->name, "naive") &&
            problem_equal(&rows[i].problem, &row->problem))
            return rows[i].median;
    return NAN;
}

void rows_count(struct bench_row *rows, int count)
{
    for (int i = 0; i < count; i++) {
        struct bench_row *r = &rows[i];
        if (r->state != ROW_TIMED)
            continue;
        double actual, giga = 1e-9 / r->median;
        struct cost cost = row_cost(r, &actual);
        r->counters = (struct counters){
            .gflops = cost.flops * giga,
            .gflops_nominal = cost.flops_nominal * giga,
            .gflops_actual = row_reaches(r, CEILING_PEAK, r->median),
            .gbps = cost.bytes * giga,
            .pct_peak = share_of(r, CEILING_PEAK, rows, count),
            .pct_copy = share_of(r, CEILING_COPY, rows, count),
            .speedup_naive = naive_seconds(rows, count, r) / r->median,
        };
        /* More than all there is says that the ceiling was measured too low. */
        double *shares[] = {&r->counters.pct_peak, &r->counters.pct_copy};
        r->over = 0;
        for (int k = 0; k < CEILINGS; k++) {
            if (*shares[k] > 100) {
                r->over = fmax(r->over, *shares[k]);
                *shares[k] = NAN;
            }
        }
    }
}
