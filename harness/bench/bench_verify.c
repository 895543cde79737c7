/* Verifies rows in child processes, each case once for all rows that it vouches for. */
#include "bench/bench.h"
#include "core/clock.h"
#include "verify/supervisor.h"

#include <stdio.h>
#include <stdlib.h>

/* Footprint up to which copies and triads are verified: beyond it a comparison only costs time. */
#define CEILING_BYTES (4.0 * 1024 * 1024)

/* The fewest outputs a quick run compares of a large problem. */
#define QUICK_COORDINATES 1024

struct verify_watch {
    struct bench_rows *rows;
    const int *row_of; /* case -> row */
    int total, done;
    double start;
    bench_progress_fn *progress;
    void *user;
};

static void case_verified(int index, const struct verdict *v, void *user)
{
    struct verify_watch *w = user;
    (void)v;
    w->done++;
    double each = (now() - w->start) / w->done;
    if (w->progress)
        w->progress(&(struct bench_progress){"verify", w->done, w->total,
                                             w->rows->items[w->row_of[index]].name,
                                             each * (w->total - w->done)},
                    w->user);
}

/* A verdict holds for other rows, too: for any cache state; for any number of threads, if the variant's bits
 * do not depend on it (the largest number is verified). Copies and triads do the same at any size, so the
 * verdict of one of up to CEILING_BYTES holds for larger ones. */
static bool covers(const struct bench_row *verified, const struct bench_row *row)
{
    if (row_is_ceiling(row) && row->op->kind == PROBLEM_BN)
        return verified->entry == row->entry && verified->threads == row->threads &&
               (verified == row || row_footprint(verified) <= CEILING_BYTES);
    return verified->entry == row->entry && problem_equal(&verified->problem, &row->problem) &&
           verified->formats.src == row->formats.src && verified->formats.dst == row->formats.dst &&
           (verified->threads == row->threads ||
            (verified->entry->variant->thread_invariant && verified->threads > row->threads));
}

static void judge(struct bench_row *row, const struct verdict *v)
{
    row->verdict = *v;
    switch (v->kind) {
    case VERDICT_PASS: row->state = ROW_VERIFIED; break;
    case VERDICT_UNSUPPORTED:
    case VERDICT_INAPPLICABLE: row->state = ROW_LEFT_OUT; break;
    default: row->state = ROW_FAILED;
    }
}

/* Outputs compared. A quick run has minutes for hundreds of cases, so it samples large problems more thinly
 * than `batchmark verify` does. Borders are always included. */
static int64_t sample_size(const struct bench_options *o, const struct bench_row *r)
{
    int64_t usual = verify_sample_size(r->op, &r->problem);
    return o->plan == PLAN_FULL || usual == 0 ? usual : max_i64(QUICK_COORDINATES, usual / 8);
}

static struct verify_case case_of_row(const struct bench_options *o, const struct machine *m,
                                      const struct bench_row *r)
{
    return (struct verify_case){
        .entry = r->entry,
        .problem = r->problem,
        .formats = r->formats,
        .seed = o->seed,
        .hints = machine_hints(m, r->threads),
        .gates = GATE_EXACT | GATE_BOUND,
        .max_coordinates = sample_size(o, r),
    };
}

/* Peers are timed whatever their verdict, which stands beside the figure. */
bool bench_will_time(const struct bench_row *row)
{
    return row->state == ROW_VERIFIED || (row->state == ROW_FAILED && row->entry->variant->peer);
}

bool bench_asked(const struct bench_rows *rows, bool (*is)(const struct bench_row *row))
{
    for (int i = 0; i < rows->count; i++)
        if (rows->items[i].asked && is(&rows->items[i]))
            return true;
    return false;
}

/* The row whose verification holds for this one: itself, or the one with most threads; of copies and triads the
 * largest that is verified. */
static int voucher(const struct bench_rows *rows, int at)
{
    const struct bench_row *items = rows->items, *r = &items[at];
    int best = at;
    if (row_is_ceiling(r) && r->op->kind == PROBLEM_BN) {
        for (int k = rows->count; k-- > 0;)
            if (covers(&items[k], r) && row_footprint(&items[k]) <= CEILING_BYTES &&
                (row_footprint(&items[best]) > CEILING_BYTES ||
                 row_footprint(&items[k]) >= row_footprint(&items[best])))
                best = k;
        return best;
    }
    for (int k = 0; k < rows->count; k++)
        if (covers(&items[k], r) && items[k].threads > items[best].threads)
            best = k;
    for (int k = 0; k < best; k++)
        if (covers(&items[k], &items[best]) && items[k].threads == items[best].threads)
            return k;
    return best;
}

bool bench_verify(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                  bench_progress_fn *progress, void *user, char error[ERROR_TEXT])
{
    int n = rows->count, count = 0;
    struct verify_case *cases = calloc((size_t)n + 1, sizeof *cases);
    struct verdict *verdicts = calloc((size_t)n + 1, sizeof *verdicts);
    int *row_of = calloc((size_t)n + 1, sizeof *row_of),
        *case_of = calloc((size_t)n + 1, sizeof *case_of);
    bool *asked = calloc((size_t)n + 1, sizeof *asked); /* by the case's row */
    bool good = cases && verdicts && row_of && case_of && asked;
    if (!good)
        snprintf(error, ERROR_TEXT, "no memory for %d rows; time fewer at once", n);
    for (int i = 0; good && i < n; i++)
        case_of[i] = voucher(rows, i);
    for (int i = 0; good && i < n; i++)
        asked[case_of[i]] |= rows->items[i].asked;
    /* First what was asked for: where nothing of it is left to time, nobody needs the ceilings. */
    for (int wanted = 1, done = 0; good && wanted >= 0; wanted--, done = count) {
        for (int i = 0; i < n; i++)
            if (case_of[i] == i && asked[i] == wanted) {
                row_of[count] = i;
                cases[count++] = case_of_row(o, m, &rows->items[i]);
            }
        struct verify_watch watch = {rows, row_of + done, count - done, 0, now(), progress, user};
        good =
            supervise(cases + done, count - done, verdicts + done, 0, case_verified, &watch, error);
        for (int c = done; good && c < count; c++)
            for (int i = 0; i < n; i++)
                if (case_of[i] == row_of[c])
                    judge(&rows->items[i], &verdicts[c]);
        if (wanted && count && !bench_asked(rows, bench_will_time))
            break;
    }
    free(asked);
    free(cases);
    free(verdicts);
    free(row_of);
    free(case_of);
    return good;
}
