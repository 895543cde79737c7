/* Times rows group by group. */
#include "bench/bench.h"
#include "core/clock.h"
#include "core/stat.h"
#include "machine/calm.h"
#include "problem/crash.h"
#include "problem/operands.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Repetitions of a round. Nine against nine of another run are enough for significance among hundreds of
 * rows (scripts/results/comparison.py), and one interruption cannot change their median. Slow rows get
 * fewer. */
#define REPETITIONS 9
#define REPETITIONS_SLOW 3

/* A repetition repeats the call for at least this many seconds: far longer than the clock's resolution and
 * a timer interrupt. */
#define REPETITION_QUICK 0.0045
#define REPETITION_FULL 0.05

#define REPETITION_LEAST 0.002

/* Share of the time that may be spent waiting for the cores to run at their speed. */
#define WAITS 0.33
/* Times that rows are timed again of which no round was calm. */
#define SECOND_CHANCES 2

/* Times that a ceiling is measured again beside a row that beat it; their median counts. */
#define CEILING_AGAIN 3

/* A row whose one call takes longer is slow. */
#define SLOW_CALL 0.04

/* Above this size, one call replaces everything that the row before left in the caches, and another call to
 * warm them up would cost seconds. */
#define WARM_UP_CALL 0.25

/* Operand sets for cold caches: twice the last-level cache, but at most this share of the memory. */
#define COLD_CACHES 2
#define COLD_MEMORY 0.3
#define MAX_SETS 4096

/* Share of the memory that the operands of one problem may take in all layouts. */
#define GROUP_MEMORY 0.5

/* What a row needs while its group is timed. */
struct runner {
    struct bench_row *row;
    const struct machine *machine;
    const struct variant *variant;
    struct args *args; /* one per operand set */
    int sets, next;
    double call;      /* seconds, roughly */
    double drawn_out; /* share of each call that is waited after it: bench_options.slowdown */
    double spent;
    bool warm_up, ready;
    struct calm *calm;
    bool slowed; /* the cores were, before this repetition */
};

static void run_once(void *context)
{
    struct runner *r = context;
    if (r->drawn_out > 0) {
        double start = now();
        r->variant->run(&r->args[r->next]);
        double end = now();
        end += r->drawn_out * (end - start);
        while (now() < end)
            ;
    } else {
        r->variant->run(&r->args[r->next]);
    }
    r->next = r->next + 1 == r->sets ? 0 : r->next + 1;
}

static bool begin(void *context)
{
    struct runner *r = context;
    if (!machine_pin_team(r->machine, r->row->threads, r->row->why, sizeof r->row->why))
        return false;
    r->slowed = !calm_wait(r->calm, r->row->threads);
    crash_during = r->row->name;
    /* The row before had other data or another variant's scratch in the caches. */
    if (r->warm_up && r->sets == 1)
        run_once(r);
    return true;
}

static bool end(void *context)
{
    struct runner *r = context;
    return !r->slowed && calm_now(r->calm, r->row->threads);
}

/* The pinned team touches the pages of a buffer, each thread a contiguous share, as kernels split work. */
static void first_touch(struct buffer *b, int threads)
{
    if (!b->data || !b->bytes)
        return;
#pragma omp parallel num_threads(threads)
    {
        size_t n = (size_t)omp_get_num_threads(), i = (size_t)omp_get_thread_num();
        size_t first = b->bytes / n * i, last = i + 1 == n ? b->bytes : b->bytes / n * (i + 1);
        memset(b->data + first, 0, last - first);
    }
}

/* How many operand sets a group needs; 0: more than there may be. */
static int set_count(const struct machine *m, const struct bench_row *row)
{
    if (!row->cold)
        return 1;
    double bytes = row_footprint(row);
    double sets = ceil(COLD_CACHES * (double)m->llc / bytes) + 1;
    double most = fmin(MAX_SETS, fmax(2, COLD_MEMORY * (double)m->memory / bytes));
    return sets <= most ? (int)sets : 0;
}

static size_t scratch_bytes(const struct machine *m, const struct bench_row *row)
{
    const struct variant *v = row->entry->variant;
    struct hints h = machine_hints(m, row->threads);
    return v->scratch_size ? v->scratch_size(&row->problem, row->formats, &h) : 0;
}

/* The operands of those rows of a group that take the same layouts. */
struct layout_sets {
    struct formats formats;
    struct operands *items; /* one, or as many as cold caches need */
    int count;
};

static bool same_formats(struct formats a, struct formats b)
{
    return a.src == b.src && a.dst == b.dst;
}

/* Makes them: set 0 with the largest scratch of the rows, which all rows and sets share. On failure none is left. */
static bool make_sets(const struct machine *m, const struct bench_row *rows, int count,
                      uint64_t seed, struct layout_sets *s, char error[ERROR_TEXT])
{
    static const struct variant no_scratch = {0};
    const struct bench_row *largest = NULL;
    int threads = 1;
    for (int i = 0; i < count; i++) {
        if (!same_formats(rows[i].formats, s->formats))
            continue;
        if (!largest || scratch_bytes(m, &rows[i]) > scratch_bytes(m, largest))
            largest = &rows[i];
        threads = rows[i].threads > threads ? rows[i].threads : threads;
    }
    int total = set_count(m, largest);
    if (!total) {
        snprintf(error, ERROR_TEXT,
                 "too many sets of such small operands would be needed to find the caches cold, or "
                 "more memory than there is; time it warm");
        return false;
    }
    snprintf(error, ERROR_TEXT, "no memory for %d operand sets", total);
    s->items = calloc((size_t)total, sizeof *s->items);
    if (!s->items || !machine_pin_team(m, threads, error, ERROR_TEXT))
        return false;
    for (; s->count < total; s->count++) {
        struct operands *o = &s->items[s->count];
        if (!operands_make(o, largest->op, s->count ? &no_scratch : largest->entry->variant,
                           &largest->problem, largest->formats, machine_hints(m, largest->threads),
                           0, error)) {
            while (s->count > 0)
                operands_free(&s->items[--s->count]);
            return false;
        }
        for (int i = 0; i < o->count; i++)
            first_touch(&o->buffers[i], threads);
        if (s->count == 0)
            first_touch(&o->scratch, threads);
        operands_fill(o, largest->op, seed + (uint64_t)s->count, FILL_RANDOM);
    }
    return true;
}

static void free_sets(struct layout_sets *s)
{
    for (int i = 0; i < s->count; i++)
        operands_free(&s->items[i]);
    free(s->items);
}

static bool runner_open(struct runner *r, struct bench_row *row, const struct machine *m,
                        const struct layout_sets *sets)
{
    *r = (struct runner){.row = row,
                         .machine = m,
                         .variant = row->entry->variant,
                         .sets = sets->count,
                         .warm_up = true};
    r->args = calloc((size_t)sets->count, sizeof *r->args);
    for (int s = 0; r->args && s < sets->count; s++) {
        r->args[s] = sets->items[s].args;
        r->args[s].scratch = sets->items[0].args.scratch;
        r->args[s].hints = machine_hints(m, row->threads);
        r->args[s].handle = r->variant->prepare ? r->variant->prepare(&r->args[s]) : NULL;
    }
    return r->args != NULL;
}

static void runner_close(struct runner *r)
{
    for (int s = 0; r->args && s < r->sets; s++)
        if (r->variant->release && r->args[s].handle)
            r->variant->release(r->args[s].handle);
    free(r->args);
    r->args = NULL;
}

/* Seconds of one call: the second of two, because the first includes page faults and loading code; or the
 * first, if it is slow. */
static bool calibrate(struct runner *r)
{
    if (!machine_pin_team(r->machine, r->row->threads, r->row->why, sizeof r->row->why))
        return false;
    crash_during = r->row->name;
    for (int k = 0; k < 3; k++) {
        double start = now();
        run_once(r);
        r->call = now() - start;
        r->spent += r->call;
        if (r->call > SLOW_CALL)
            break;
    }
    r->warm_up = r->call < WARM_UP_CALL;
    return true;
}

/* Rows that were timed before keep what they have. */
static void give_up(struct bench_row *rows, int count, const char *why)
{
    for (int i = 0; i < count; i++) {
        if (rows[i].state == ROW_TIMED)
            continue;
        rows[i].state = ROW_GIVEN_UP;
        snprintf(rows[i].why, sizeof rows[i].why, "%s", why);
    }
}

/* Plan peers: is any row still unsteady, and none over its budget? */
static bool another_round(const struct runner *runners, int count, double budget)
{
    bool unsteady = false;
    for (int i = 0; i < count; i++) {
        const struct runner *r = &runners[i];
        if (!r->ready || r->row->state == ROW_GIVEN_UP)
            continue;
        double round = r->row->rounds ? r->spent / r->row->rounds : 0;
        if (r->spent + round > budget)
            return false;
        unsteady |= !r->row->calm || r->row->cv >= CV_GOOD;
    }
    return unsteady;
}

/* Times one group. `budget` is what each of its rows may use. */
static void time_group(const struct bench_options *o, const struct machine *m, struct calm *calm,
                       struct bench_row *rows, int count, double budget)
{
    char error[ERROR_TEXT];
    int layouts = 0, open = 0;
    snprintf(error, sizeof error, "no memory for %d rows", count);
    struct layout_sets *sets = calloc((size_t)count, sizeof *sets);
    struct runner *runners = calloc((size_t)count, sizeof *runners);
    struct gbench_case *cases = calloc((size_t)count, sizeof *cases);
    struct gbench_sample *samples = calloc((size_t)count * REPETITIONS, sizeof *samples);
    struct runner **of = calloc((size_t)count, sizeof(struct runner *)); /* case -> runner */
    bool made = sets && runners && cases && samples && of;
    for (; made && open < count; open++) {
        int at = 0;
        while (at < layouts && !same_formats(sets[at].formats, rows[open].formats))
            at++;
        if (at == layouts) {
            sets[layouts++].formats = rows[open].formats;
            made = make_sets(m, rows, count, o->seed, &sets[at], error);
        }
        made = made && runner_open(&runners[open], &rows[open], m, &sets[at]);
        if (!made)
            break;
        runners[open].drawn_out = o->slowdown / 100;
        runners[open].calm = calm;
    }
    give_up(rows + open, count - open, error);

    for (int i = 0; i < open; i++) {
        runners[i].ready = calibrate(&runners[i]);
        if (!runners[i].ready && rows[i].state != ROW_TIMED)
            rows[i].state = ROW_GIVEN_UP;
    }
    /* A run with a limit would rather measure all of its rows shortly than half of them well. */
    double repetition = o->plan == PLAN_FULL ? REPETITION_FULL : REPETITION_QUICK;
    /* Rows that are there to be divided by one another are measured equally often. */
    bool in_turn = o->plan == PLAN_PEERS || o->plan == PLAN_SCALING;
    repetition = fmax(REPETITION_LEAST, fmin(repetition, budget / (REPETITIONS + 1)));
    for (int round = 0;; round++) {
        int todo = 0;
        bool again = round == 0 || (in_turn && another_round(runners, open, budget));
        for (int i = 0; i < open; i++) {
            struct runner *r = &runners[i];
            if (!r->ready || rows[i].state == ROW_GIVEN_UP)
                continue;
            int repetitions = r->call > SLOW_CALL ? REPETITIONS_SLOW : REPETITIONS;
            double iterations = fmax(1, ceil(repetition / fmax(r->call, 1e-9)));
            double cost = repetitions * (iterations + r->warm_up) * r->call;
            bool good = rows[i].calm && rows[i].cv < CV_GOOD;
            if (in_turn ? !again : round > 0 && (good || r->spent + cost > budget))
                continue;
            r->spent += cost;
            of[todo] = r;
            cases[todo] = (struct gbench_case){
                .name = rows[i].name,
                .begin = begin,
                .run = run_once,
                .end = end,
                .context = r,
                .iterations = (int64_t)iterations,
                .repetitions = repetitions,
                .samples = samples + (size_t)todo * REPETITIONS,
            };
            todo++;
        }
        if (!todo)
            break;
        gbench_run(cases, todo);
        for (int k = 0; k < todo; k++) {
            if (cases[k].sample_count > 0)
                (in_turn ? row_add_round : row_take_round)(of[k]->row, cases[k].samples,
                                                           cases[k].sample_count);
            else if (of[k]->row->state != ROW_TIMED)
                of[k]->row->state = ROW_GIVEN_UP;
        }
    }

    for (int i = 0; i < open; i++)
        runner_close(&runners[i]);
    for (int s = 0; s < layouts; s++)
        free_sets(&sets[s]);
    free(sets);
    free(runners);
    free(cases);
    free(samples);
    free(of);
}

/* Which rows one pass over the plan times. */
enum pass { PASS_ALL, PASS_DISTURBED, PASS_CEILINGS };

static bool in_pass(const struct bench_row *row, enum pass pass)
{
    if (pass == PASS_ALL)
        return bench_will_time(row);
    return row->state == ROW_TIMED && (pass == PASS_CEILINGS ? row_is_ceiling(row) : !row->calm);
}

static int count_pass(const struct bench_rows *rows, enum pass pass)
{
    int n = 0;
    for (int i = 0; i < rows->count; i++)
        n += in_pass(&rows->items[i], pass);
    return n;
}

struct timing {
    const struct bench_options *options;
    const struct machine *machine;
    struct calm *calm;
    bench_progress_fn *progress;
    void *user;
    double start, end;
    int done, total;
    bool began; /* with what is no ceiling */
};

/* Does memory hold the operands of all layouts of the group that begins here? If not, one layout is timed
 * after the other. */
static bool fits_memory(const struct machine *m, const struct bench_rows *rows, int first)
{
    double bytes = 0;
    for (int i = first; i < rows->count && rows_share(&rows->items[first], &rows->items[i]); i++) {
        const struct bench_row *row = &rows->items[i];
        if (i == first || !same_formats(row->formats, rows->items[i - 1].formats))
            bytes += set_count(m, row) * row_footprint(row);
    }
    return bytes <= GROUP_MEMORY * (double)m->memory;
}

/* Rows that are timed together: from first up to end, not included. */
struct group {
    int first, end, turn;
};

/* A group of more rows is a ladder, of fewer what was fastest in the trial. */
#define FEW_ROWS 4

static bool is_ladder(const struct group *g)
{
    return g->end - g->first > FEW_ROWS;
}

static int by_turn(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    return a->turn != b->turn ? (a->turn < b->turn ? -1 : 1)
                              : (a->first > b->first) - (a->first < b->first);
}

/* The groups in the order of timing; their number goes into *count. First the ceilings, then the fastest
 * variants, then the ladders: the first of every operation, the second of every operation, and so on. So a
 * machine that is too slow for the limit still times every operation. NULL: out of memory. */
static struct group *take_turns(const struct machine *m, const struct bench_rows *rows, int *count)
{
    struct group *groups = calloc((size_t)rows->count + 1, sizeof *groups);
    const struct bench_row *items = rows->items;
    int n = 0;
    for (int i = 0; groups && i < rows->count; n++) {
        const bool apart = !fits_memory(m, rows, i);
        int end = i;
        while (end < rows->count && rows_share(&items[i], &items[end]) &&
               !(apart && !same_formats(items[i].formats, items[end].formats)))
            end++;
        groups[n] = (struct group){i, end, row_is_ceiling(&items[i]) ? -1 : 0};
        if (is_ladder(&groups[n]) && groups[n].turn == 0) {
            groups[n].turn = 1;
            for (int k = 0; k < n; k++)
                groups[n].turn += items[groups[k].first].op == items[i].op && is_ladder(&groups[k]);
        }
        i = end;
    }
    if (groups)
        qsort(groups, (size_t)n, sizeof *groups, by_turn);
    *count = n;
    return groups;
}

/* The best that the ceilings of a row reach now, measured anew; 0 where they cannot be. */
static double ceiling_now(const struct timing *t, const struct bench_rows *rows,
                          const struct bench_row *row, enum ceiling kind)
{
    double best = 0;
    for (int i = 0; i < rows->count; i++) {
        if (!row_held_to(row, &rows->items[i], kind))
            continue;
        const struct bench_row *old = &rows->items[i];
        struct bench_row again;
        row_init(&again, old->entry, &old->problem, old->formats, old->cold, old->threads);
        again.state = ROW_VERIFIED;
        /* One round. */
        time_group(t->options, t->machine, t->calm, &again, 1, 0);
        if (again.state == ROW_TIMED)
            best = fmax(best, row_reaches(&again, kind, again.best));
        row_free(&again);
    }
    return best;
}

/* Measures a ceiling again if rows just timed have beaten it, while the state of the machine is the same.
 * Rows of one group with the same ceiling share the measurement. */
static void ceilings_beside(const struct timing *t, struct bench_rows *rows, const int *at, int n)
{
    for (int k = 0; k < n; k++) {
        struct bench_row *row = &rows->items[at[k]];
        for (enum ceiling kind = CEILING_PEAK; kind < CEILINGS; kind++) {
            row->beside[kind] = NAN;
            if (row_is_ceiling(row) || !row_beats(row, kind, rows->items, rows->count))
                continue;
            for (int j = 0; j < k && isnan(row->beside[kind]); j++) {
                const struct bench_row *other = &rows->items[at[j]];
                if (other->threads == row->threads && same_formats(other->formats, row->formats) &&
                    other->entry->variant->isa == row->entry->variant->isa)
                    row->beside[kind] = other->beside[kind];
            }
            double seen[CEILING_AGAIN];
            int count = 0;
            while (isnan(row->beside[kind]) && count < CEILING_AGAIN && now() < t->end)
                seen[count++] = ceiling_now(t, rows, row, kind);
            if (count)
                row->beside[kind] = stat_median(seen, count);
        }
    }
}

static void time_pass(struct timing *t, struct bench_rows *rows, enum pass pass)
{
    struct bench_row *group = calloc((size_t)rows->count + 1, sizeof *group);
    int *at = calloc((size_t)rows->count + 1, sizeof *at);
    int groups;
    struct group *order = take_turns(t->machine, rows, &groups);
    for (int g = 0; group && at && order && g < groups; g++) {
        int n = 0;
        for (int i = order[g].first; i < order[g].end; i++) {
            if (in_pass(&rows->items[i], pass)) {
                at[n] = i;
                group[n++] = rows->items[i];
            }
        }
        if (!n)
            continue;
        const bool ceilings = row_is_ceiling(&group[0]);
        /* However long the ceilings took, as with many threads, a third of the limit is for what they are measured for. */
        if (pass == PASS_ALL && !ceilings && !t->began) {
            t->began = true;
            t->end = fmax(t->end, now() + t->options->limit / 3);
        }
        double share = fmax(0, t->end - now()) / fmax(1, t->total - t->done);
        if (now() < t->end || ceilings)
            time_group(t->options, t->machine, t->calm, group, n, fmin(t->options->budget, share));
        else if (pass == PASS_ALL)
            give_up(group, n, "the time of --limit was spent before its turn came");
        for (int k = 0; k < n; k++)
            rows->items[at[k]] = group[k];
        ceilings_beside(t, rows, at, n);
        t->done += n;
        if (t->progress)
            t->progress(
                &(struct bench_progress){"time", t->done, t->total,
                                         rows->items[order[g].first].name,
                                         (now() - t->start) / t->done * (t->total - t->done)},
                t->user);
    }
    free(order);
    free(group);
    free(at);
}

void bench_time(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
                bench_progress_fn *progress, void *user)
{
    int most = 1;
    for (int i = 0; i < rows->count; i++)
        most = rows->items[i].threads > most ? rows->items[i].threads : most;
    struct calm *calm = calm_open(m, most, WAITS);
    double start = now();
    struct timing t = {.options = o,
                       .machine = m,
                       .calm = calm,
                       .progress = progress,
                       .user = user,
                       .start = start,
                       .end = o->limit > 0 ? start + o->limit : INFINITY,
                       .total = count_pass(rows, PASS_ALL)};
    for (int i = 0; i < rows->count; i++)
        t.total += row_is_ceiling(&rows->items[i]) && in_pass(&rows->items[i], PASS_ALL);
    time_pass(&t, rows, PASS_ALL);
    /* What the machine disturbed throughout, it may not disturb now. */
    for (int i = 0; i < SECOND_CHANCES; i++) {
        t.total += count_pass(rows, PASS_DISTURBED);
        time_pass(&t, rows, PASS_DISTURBED);
    }
    /* The ceilings once more: the first pass may have fallen into a slow spell of the machine. */
    time_pass(&t, rows, PASS_CEILINGS);
    rows_count(rows->items, rows->count);
    calm_close(calm);
}
