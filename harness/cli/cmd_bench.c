/* batchmark bench: verifies variants, then times them. */
#include "bench/bench.h"
#include "bench/results.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "machine/system.h"
#include "problem/crash.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the rows say */

static void print_number(double value, const char *format, int width)
{
    if (isfinite(value))
        printf(format, width, value);
    else
        printf("%*s", width, "-");
}

static void print_table(const struct bench_rows *rows)
{
    printf("%-78s %11s %9s %8s %6s %8s %6s %8s %6s\n", "row", "median us", "cv %", "GFLOP/s",
           "%peak", "GB/s", "%copy", "x naive", "err");
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->state != ROW_TIMED)
            continue;
        printf("%-78s %11.2f %9.1f", r->name, 1e6 * r->median, 100 * r->cv);
        print_number(r->counters.gflops, " %*.2f", 8);
        print_number(r->counters.pct_peak, " %*.1f", 6);
        print_number(r->counters.gbps, " %*.2f", 8);
        print_number(r->counters.pct_copy, " %*.1f", 6);
        print_number(r->counters.speedup_naive, " %*.2f", 8);
        printf(" %6.3f%s\n", r->verdict.err_over_limit, row_unstable(r) ? "  unstable" : "");
    }
}

#define MAX_NOTES 64

struct notes {
    char text[MAX_NOTES][ROW_NAME + 256];
    const char *lines[MAX_NOTES];
    int count;
};

__attribute__((format(printf, 2, 3))) static void note(struct notes *n, const char *format, ...)
{
    va_list list;
    if (n->count == MAX_NOTES)
        return;
    va_start(list, format);
    vsnprintf(n->text[n->count], sizeof n->text[0], format, list);
    va_end(list);
    n->lines[n->count] = n->text[n->count];
    n->count++;
}

/* Percent of stolen time above which a run is disturbed more than its repetitions show. */
#define STEAL_MOST 2

static void find_notes(const struct bench_rows *rows, struct notes *n)
{
    int unstable = 0, slowed = 0, given_up = 0, timed = 0, disturbed = 0, counted = 0, over = 0;
    const struct bench_row *worst = NULL, *most = NULL, *not_timed = NULL;
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->state == ROW_GIVEN_UP && given_up++ == 0)
            not_timed = r;
        if (r->state != ROW_TIMED)
            continue;
        timed++;
        slowed += !r->calm;
        disturbed += r->disturbed;
        counted += r->sample_count;
        if (r->cv > CV_UNSTABLE) {
            unstable++;
            worst = worst && worst->cv > r->cv ? worst : r;
        }
        if (r->over > 0 && !row_is_ceiling(r)) {
            over++;
            most = most && most->over > r->over ? most : r;
        }
    }
    if (given_up)
        note(n, "%d rows were not timed (the first: %s: %s)", given_up, not_timed->name,
             not_timed->why);
    if (over)
        note(
            n,
            "%d of %d rows were faster than their ceiling though it was measured again beside them, "
            "and have no share of it (worst: %s, %.0f %%)",
            over, timed, most->name, most->over);
    if (unstable)
        note(n,
             "%d of %d rows vary by more than %.0f %% and are marked unstable (worst: %s, %.0f "
             "%%); stop other "
             "programs, fix the clock, or raise --budget",
             unstable, timed, 100 * CV_UNSTABLE, worst->name, 100 * worst->cv);
    if (slowed)
        note(n,
             "%d of %d rows never had their cores to themselves and are marked unstable: probes "
             "beside "
             "them ran slower than before; stop other programs, or measure again later",
             slowed, timed);
    if (disturbed)
        note(n, "%d repetitions during which the cores were slowed were left out, %d counted",
             disturbed, counted);
}

/* Reports failed rows, each with what repeats it; returns how many of ours there are. */
static int print_failures(const struct bench_rows *rows, uint64_t seed)
{
    int failed = 0;
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->verdict.kind != VERDICT_FAIL && r->verdict.kind != VERDICT_MISTRUSTED)
            continue;
        failed += !r->entry->variant->peer;
        const struct verify_case c = {.entry = r->entry,
                                      .problem = r->problem,
                                      .formats = r->formats,
                                      .seed = seed,
                                      .hints = {.threads = r->threads}};
        char command[COMMAND_TEXT];
        printf("%s %s: %s; seed %llu; repeat: %s\n",
               r->verdict.kind == VERDICT_FAIL ? "FAILED" : "MISTRUSTED", r->name,
               r->verdict.message, (unsigned long long)seed, verify_command(&c, command));
    }
    return failed;
}

/* So many reasons are told. */
#define REASONS_SHOWN 3

/* Says why rows do not apply, rows of one reason together. */
static void print_left_out(const struct bench_rows *rows)
{
    int reasons = 0, more = 0;
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        int same = 0, earlier = 0;
        for (int k = 0; r->state == ROW_LEFT_OUT && k < rows->count; k++)
            if (rows->items[k].state == ROW_LEFT_OUT &&
                !strcmp(rows->items[k].verdict.message, r->verdict.message)) {
                same++;
                earlier += k < i;
            }
        if (!same || earlier)
            continue;
        if (reasons++ < REASONS_SHOWN)
            printf("left out %d, such as %s: %s\n", same, r->name, r->verdict.message);
        else
            more += same;
    }
    if (more)
        printf("left out %d for other reasons\n", more);
}

static bool is_timed(const struct bench_row *row)
{
    return row->state == ROW_TIMED;
}

/* Nothing done is not success. Of the rows asked for, says what became of the first. */
static int nothing_timed(const struct bench_rows *rows)
{
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->asked)
            return check_failed("bench: nothing was timed: %s: %.300s", r->name,
                                r->state == ROW_GIVEN_UP ? r->why : r->verdict.message);
    }
    return check_failed("bench: nothing was timed");
}

static int count_state(const struct bench_rows *rows, enum row_state state)
{
    int n = 0;
    for (int i = 0; i < rows->count; i++)
        n += rows->items[i].state == state;
    return n;
}

/* Options */

/* The most seconds of an option. */
#define MOST_SECONDS 1e6

struct request {
    struct bench_options options;
    int64_t seed;
    int plan;
    const char *threads, *out;
    bool list_only;
};

static bool read_set(const char *text, void *request)
{
    struct request *q = request;
    const bool first = !q->options.set;
    if (!first)
        wrong_use("bench: one of --set and --file, once");
    q->options.set = text;
    return first;
}

static bool read_cache(const char *text, void *request)
{
    struct bench_options *o = &((struct request *)request)->options;
    const bool both = !strcmp(text, "warm,cold") || !strcmp(text, "cold,warm");
    o->warm = both || !strcmp(text, "warm");
    o->cold = both || !strcmp(text, "cold");
    if (!o->warm && !o->cold)
        wrong_use("bench: --cache '%.40s': say warm, cold or warm,cold", text);
    return o->warm || o->cold;
}

#define REQUEST struct request
static const struct option_row options[] = {
    OWN("set", "S", read_set,
        "time all problems of a set: smoke, tails, ladder, seeds, resnet50, vgg, shapes"),
    OWN("file", "F", read_set, "time all problems of a file, one problem a line"),
    TEXT("problem", "P", options.problem,
         "one problem: mb80ic60ih32oc60kh3ph1, mb80ic60ih32, 64x784:784x256, iter1000"),
    WORD("plan", plan, plan_names,
         "what to time (default quick). quick: the whole ladder on the set ladder, and the "
         "fastest variants on seeds. full: the ladder on all of seeds. peers: the other libraries "
         "found here beside our fastest variants, on seeds or on what is named. scaling: our "
         "fastest variants on one thread and on more, on the same problems"),
    TEXT("threads", "L", threads,
         "team sizes, one thread a core (default 1,max; plan peers takes the largest alone, "
         "default max)"),
    OWN("cache", "L", read_cache, "warm, cold or warm,cold (default warm)"),
    ISA(options.cap),
    REAL("budget", "SECONDS", options.budget, ABOVE_0, MOST_SECONDS,
         "time for a row that does not settle below 2 % variation (default 3 with plan full, "
         "else 0.3)"),
    REAL(
        "limit", "SECONDS", options.limit, ABOVE_0, MOST_SECONDS,
        "time for the whole run: budgets shrink to fit, and rows that are left over are not timed. At "
        "least a third of the time goes to rows other than the ceilings (default 205 with plan "
        "quick where no set or problem is named, else none)"),
    TEXT("out", "DIR", out, "write the results here; no link 'latest' is set"),
    WHOLE("seed", "K", seed, 0, INT64_MAX, "seed of the data (default 1)"),
    FLAG("list-rows", list_only, "print the rows and stop (also --dry-run)"),
    FLAG("dry-run", list_only, NULL),
    /* For make selftest-bench, which must find it again. */
    REAL("plant-slowdown", "PERCENT", options.slowdown, ABOVE_0, MOST_SECONDS, NULL),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark bench [PATTERN] [OPTIONS]\n\n"
        "Verifies the variants, times those that pass, and writes bench.json and topology.xml into\n"
        "results/<machine>/<date>_<commit>/. Stopped (control-C, SIGTERM) it leaves nothing there.\n"
        "Rows are named OP/VARIANT/PROBLEM/LAYOUT/CACHE/tN. PATTERN: comma-separated globs over\n"
        "OP/VARIANT, or over either alone ('conv_*', '*_omp'); a glob after ! excludes\n"
        "('conv_*,!*winograd*').\n"};

/* Reads the command line. Returns -1 to go on, else the exit status. */
static int read_request(int argc, char **argv, struct request *q)
{
    struct bench_options *o = &q->options;
    *q = (struct request){.options = {.warm = true, .cap = isa_detect()}, .seed = 1};
    int status = read_options(argc, argv, &line, q);
    if (status >= 0)
        return status;
    if (!read_pattern(argc, argv, &o->pattern))
        return EXIT_WRONG_USE;
    if (o->set && o->problem)
        return wrong_use("bench: --problem or a set, not both");
    o->plan = (enum plan)q->plan;
    o->seed = (uint64_t)q->seed;
    if (!q->threads)
        q->threads = o->plan == PLAN_PEERS ? "max" : "1,max";
    if (o->budget == 0)
        o->budget = o->plan == PLAN_FULL ? 3 : 0.3;
    if (o->limit == 0 && o->plan == PLAN_QUICK && !o->set && !o->problem)
        o->limit = 205;
    return -1;
}

/* Interrupts */

enum { SIGNALLED = 128 }; /* and the number of the signal: the exit status of what it ended */

static struct results results;
static pid_t owner;
static volatile sig_atomic_t writing, pending;

/* Cleans up and ends the process, on control-C, on the end of the terminal and on a cluster's SIGTERM. If
 * results are just being written, they are completed first. */
static void stop(int number)
{
    static const char said[] = "\nbatchmark: bench: stopped; nothing is kept\n";
    /* In a child the folder is its parent's business. */
    if (getpid() != owner)
        _exit(SIGNALLED + number);
    pending = number;
    if (writing)
        return;
    results_abandon(&results);
    ssize_t length = write(STDERR_FILENO, said, sizeof said - 1);
    (void)length; /* nobody may be there to read it */
    _exit(SIGNALLED + number);
}

static void watch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    owner = getpid();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action = {0};
        /* What is ignored stays so, as under nohup. */
        if (sigaction(signals[i], NULL, &action) || action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = stop, .sa_flags = SA_RESTART};
        sigaction(signals[i], &action, NULL);
    }
}

/* Verifies and times the rows, writes the folder. */
static int run(const struct request *q, const struct machine *m, struct bench_rows *rows,
               double start, int argc, char **argv)
{
    struct bench_options o = q->options;
    struct progress_line shown = {.terminal = isatty(STDERR_FILENO), .last = start};
    char error[ERROR_TEXT];
    struct conditions before, after;
    conditions_read(&before);
    if (!bench_verify(&o, m, rows, progress_show, &shown, error)) {
        progress_end(&shown);
        return wrong_use("bench: %s", error);
    }
    progress_end(&shown);
    int failed = print_failures(rows, o.seed), left_out = count_state(rows, ROW_LEFT_OUT);
    print_left_out(rows);
    if (!bench_asked(rows, bench_will_time))
        return nothing_timed(rows);
    if (o.limit > 0)
        o.limit = fmax(o.limit / 3, o.limit - (now() - start));
    crash_watch("bench");
    bench_time(&o, m, rows, progress_show, &shown);
    progress_end(&shown);

    static struct notes notes;
    find_notes(rows, &notes);
    conditions_read(&after);
    if (conditions_steal(&before, &after) > STEAL_MOST)
        note(
            &notes,
            "the hypervisor took %.0f %% of the CPU time: neighbours are busy; run again when they "
            "are not",
            conditions_steal(&before, &after));
    int timed = count_state(rows, ROW_TIMED);
    if (!bench_asked(rows, is_timed))
        return nothing_timed(rows);
    if (o.set || o.problem || o.pattern)
        print_table(rows);
    for (int i = 0; i < notes.count; i++)
        printf("warning: %s\n", notes.text[i]);

    const struct run_facts facts = {argc, argv, &o, notes.lines, notes.count};
    json_t *document = results_document(m, &facts, rows->items, rows->count);
    json_t *system = system_document(json_object_get(document, "context"), m, &before, &after);
    writing = true;
    bool written = results_write(&results, m, document, system, error);
    json_decref(system);
    json_decref(document);
    if (!written)
        return wrong_use("bench: %s", error);
    printf("%d rows timed in %.0f s, %d failed verification, %d do not apply\nresults: %s\n", timed,
           now() - start, failed, left_out, results.folder);
    if (pending)
        return SIGNALLED + pending;
    return failed ? EXIT_CHECK_FAILED : EXIT_GOOD;
}

int cmd_bench(int argc, char **argv)
{
    struct request q;
    int status = read_request(argc, argv, &q);
    if (status >= 0)
        return status;
    double start = now();
    static struct machine m;
    char error[ERROR_TEXT];
    if (!machine_detect(&m, error, sizeof error))
        return wrong_use("bench: %s", error);
    if (m.emulated && !q.list_only)
        return wrong_use("bench: this CPU is emulated (%s): its times mean nothing; 'batchmark "
                         "verify' works here",
                         *m.hypervisor ? m.hypervisor : "qemu");
    struct bench_rows rows = {0};
    if (!threads_parse(q.threads, &m, &q.options, error))
        return wrong_use("bench: %s", error);
    if (!q.list_only)
        watch_signals();
    if (!q.list_only && !results_open(&results, &m, q.out, error))
        return wrong_use("bench: %s", error);
    if (!plan_rows(&q.options, &m, &rows, error)) {
        status = wrong_use("bench: %s", error);
    } else if (q.list_only) {
        for (int i = 0; i < rows.count; i++)
            puts(rows.items[i].name);
        status = EXIT_GOOD;
    } else {
        printf("%s (%s), %d usable cores, %s\n", m.brand, m.microarch, m.cpu_count,
               isa_names[q.options.cap]);
        for (int i = 0; i < m.warning_count; i++)
            printf("warning: %s\n", m.warnings[i]);
        fflush(stdout);
        status = run(&q, &m, &rows, start, argc, argv);
    }
    if (status == EXIT_WRONG_USE || status == EXIT_CHECK_FAILED)
        results_abandon(&results);
    rows_free(&rows);
    machine_free(&m);
    return status;
}
