/* batchmark verify: every variant against the float64 references. */
#define _GNU_SOURCE /* CPU_COUNT */
#include "cli/options.h"
#include "core/clock.h"
#include "machine/affinity.h"
#include "machine/machine.h"
#include "machine/team.h"
#include "problem/random_problem.h"
#include "verify/supervisor.h"
#include "verify/verify.h"

#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct request {
    const char *pattern, *set, *problem;
    int64_t random, seed;
    struct formats layout; /* LAYOUT_NONE: all */
    enum isa cap;
    unsigned gates;
    double timeout;
    bool json, quiet;
    int threads[MAX_TEAM_SIZES], thread_counts;
};

/* The reasons for what was skipped, each with how often. */
struct reasons {
    char text[32][ERROR_TEXT];
    int times[32];
    int count;
};

struct progress {
    const struct request *o;
    const struct verify_case *cases;
    int count, passed, failed, skipped, noted, last_tenth;
    struct reasons reasons;
    double started;
    bool terminal;
};

/* Options */

/* Sizes of teams, of which those named must be had; max is the most that can be. */
static bool read_threads(const char *text, void *request)
{
    struct request *o = request;
    char error[ERROR_TEXT], why[TEAM_TEXT];
    cpu_set_t mask;
    const long usable = affinity_at_start(&mask) ? CPU_COUNT(&mask) : sysconf(_SC_NPROCESSORS_ONLN);
    const int most = team_most((int)min_i64(usable, MAX_CPUS), why);
    o->thread_counts = team_sizes(text, most, o->threads, error);
    if (!o->thread_counts) {
        wrong_use("verify: %s", error);
        return false;
    }
    const int largest = o->threads[o->thread_counts - 1];
    const bool had = team_most(largest, why) >= largest;
    if (!had)
        wrong_use("verify: --threads '%.100s': %s", text, why);
    return had;
}

static bool read_layout(const char *text, void *request)
{
    struct request *o = request;
    if (formats_parse(text, &o->layout))
        return true;
    wrong_use(
        "verify: --layout '%.40s': no such layout; layouts are nchw nhwc nchw16c nn nt tn flat",
        text);
    return false;
}

static bool read_gates(const char *text, void *request)
{
    struct request *o = request;
    if (!(o->gates = gates_parse(text)))
        wrong_use("verify: --gate '%.100s': gates are hygiene exact bound hard gradient", text);
    return o->gates != 0;
}

#define REQUEST struct request
static const struct option_row options[] = {
    TEXT("set", "S", set,
         "problems of a set (smoke, tails, ladder, seeds, resnet50, vgg, shapes) or of a file "
         "(default smoke)"),
    TEXT("problem", "P", problem, "one problem, as in mb2ic3ih8oc5kh3ph1"),
    WHOLE("random", "N", random, 1, 100000, "N random problems of each kind"),
    WHOLE("seed", "K", seed, 0, INT64_MAX,
          "seed of data and random problems (default: a fresh one, which is printed)"),
    OWN("threads", "L", read_threads, "team sizes, as in 1,2,max (default 1,max)"),
    OWN("layout", "F", read_layout,
        "only these layouts: nchw, nhwc, nchw16c, nchw:nhwc, nn, nt, tn, flat"),
    ISA(cap),
    OWN("gate", "G", read_gates, "only some gates: hygiene,exact,bound,hard,gradient"),
    REAL("timeout", "S", timeout, ABOVE_0, 1e6,
         "seconds a kernel may take for one call (default 30, more for large problems)"),
    FLAG("json", json, "one JSON object for each case, then one with the counts"),
    FLAG("quiet", quiet, "print only failures and the counts"),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage = "usage: batchmark verify [PATTERN] [OPTIONS]\n\n"
             "Holds every variant to the float64 references. PATTERN: comma-separated globs over\n"
             "OP/VARIANT, or over either alone ('conv_*', '*_omp', 'gemm/naive'); a glob after !\n"
             "excludes ('conv_*,!*winograd*').\n",
    .notes =
        "\nEnds with 'N passed, N failed, N skipped'; status 1 if any failed or none passed. A\n"
        "failure prints the command that repeats it. Failures of other libraries' kernels are\n"
        "printed, and counted as skipped.\n"};

/* Returns -1 to go on, else the exit status. */
static int read_request(int argc, char **argv, struct request *o)
{
    *o = (struct request){.cap = isa_detect(), .gates = GATES_ALL};
    if (getrandom(&o->seed, sizeof o->seed, 0) != sizeof o->seed)
        o->seed = time(NULL);
    o->seed = (int64_t)((uint64_t)o->seed % 1000000000); /* short enough to copy by hand */
    read_threads("1,max", o);
    int status = read_options(argc, argv, &line, o);
    if (status >= 0)
        return status;
    if (!read_pattern(argc, argv, &o->pattern))
        return EXIT_WRONG_USE;
    if (!!o->set + !!o->problem + !!o->random > 1)
        return wrong_use("verify: give one of --set, --problem and --random");
    return -1;
}

/* Problems and cases */

static bool load_problems(const struct request *o, struct problem_set *set, char error[ERROR_TEXT])
{
    *set = (struct problem_set){0};
    struct named_problem p = {.multiplicity = 1};
    if (o->problem)
        return problem_parse_any(o->problem, &p, error) && problem_set_add(set, &p);
    if (!o->random)
        return problem_set_load(o->set ? o->set : "smoke", set, error);
    for (int kind = PROBLEM_CONV; kind <= PROBLEM_ITERATIONS; kind++) {
        for (int64_t i = 0; i < o->random; i++) {
            p.problem = problem_random((enum problem_kind)kind, (uint64_t)o->seed, (uint64_t)i);
            if (!problem_set_add(set, &p))
                return false;
        }
    }
    return true;
}

static void skip(struct progress *g, const char *reason)
{
    struct reasons *r = &g->reasons;
    int i = 0;
    g->skipped++;
    while (i < r->count && strncmp(r->text[i], reason, sizeof r->text[i] - 1) != 0)
        i++;
    if (i == r->count && r->count == 32)
        i = 31; /* the last row takes what is left */
    else if (i == r->count)
        snprintf(r->text[r->count++], sizeof r->text[0], "%s", reason);
    r->times[i]++;
}

static size_t cache_size(int name, size_t otherwise)
{
    long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : otherwise;
}

static struct hints hints_of(int threads)
{
    return (struct hints){.threads = threads,
                          .l1 = cache_size(_SC_LEVEL1_DCACHE_SIZE, 32 << 10),
                          .l2 = cache_size(_SC_LEVEL2_CACHE_SIZE, 512 << 10),
                          .llc = cache_size(_SC_LEVEL3_CACHE_SIZE, 4 << 20)};
}

struct case_list {
    struct verify_case *items;
    int count, room;
};

/* The cases of one variant and problem: its layouts, and the thread counts where it is parallel. */
static bool add_cases(struct case_list *list, const struct entry *e, const struct problem *p,
                      const struct request *o)
{
    const struct variant *v = e->variant;
    for (int f = 0; f < MAX_FORMATS && v->formats[f].src != LAYOUT_NONE; f++) {
        if (o->layout.src != LAYOUT_NONE &&
            (o->layout.src != v->formats[f].src || o->layout.dst != v->formats[f].dst))
            continue;
        for (int t = 0; t < (v->parallel ? o->thread_counts : 1); t++) {
            if (list->count == list->room) {
                list->room = list->room ? 2 * list->room : 256;
                struct verify_case *more = realloc(list->items, (size_t)list->room * sizeof *more);
                if (!more)
                    return false;
                list->items = more;
            }
            list->items[list->count++] =
                (struct verify_case){.entry = e,
                                     .problem = *p,
                                     .formats = v->formats[f],
                                     .seed = (uint64_t)o->seed,
                                     .hints = hints_of(v->parallel ? o->threads[t] : 1),
                                     .gates = o->gates,
                                     .max_coordinates = verify_sample_size(op_find(e->op), p)};
        }
    }
    return true;
}

/* All variants of a problem follow each other, so that they share one reference. `matched`: variants the pattern names. */
static bool list_cases(const struct request *o, const struct problem_set *set,
                       struct case_list *list, struct progress *g, int *matched)
{
    *list = (struct case_list){0};
    *matched = 0;
    for (int i = 0; i < registry_count; i++) {
        if (!registry_match(&registry[i], o->pattern))
            continue;
        ++*matched;
        const char *why = registry_why_not(&registry[i], o->cap);
        if (why)
            skip(g, why);
    }
    for (int p = 0; p < set->count; p++) {
        for (int i = 0; i < registry_count; i++) {
            const struct entry *e = &registry[i];
            const struct op *op = op_find(e->op);
            if (op && op->kind == set->items[p].problem.kind && registry_match(e, o->pattern) &&
                !registry_why_not(e, o->cap) && !add_cases(list, e, &set->items[p].problem, o))
                return false;
        }
    }
    return true;
}

/* Printing */

static void print_json(const struct verify_case *c, const struct verdict *v)
{
    char problem[PROBLEM_TEXT], formats[FORMATS_TEXT], command[COMMAND_TEXT];
    /* JSON has no infinity. */
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:o, s:s, s:s}", "op", c->entry->op, "variant",
        c->entry->name, "problem", problem_print(&c->problem, problem), "layout",
        formats_print(c->formats, formats), "threads", c->hints.threads, "seed",
        (json_int_t)c->seed, "verdict", verdict_names[v->kind], "gate", v->gate, "err_over_limit",
        v->err_over_limit < 1e30 ? json_real(v->err_over_limit) : json_null(), "message",
        v->message, "command", verify_command(c, command));
    json_dumpf(o, stdout, JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(o);
}

static bool is_peer(const struct verify_case *c)
{
    return c->entry->variant->peer;
}

static void print_failure(const struct verify_case *c, const struct verdict *v)
{
    char problem[PROBLEM_TEXT], formats[FORMATS_TEXT], command[COMMAND_TEXT];
    printf("%s%s %s/%s %s %s t%d %s: %s; seed %llu; repeat: %s\n", is_peer(c) ? "PEER " : "",
           v->kind == VERDICT_FAIL ? "FAIL" : "MISTRUSTED", c->entry->op, c->entry->name,
           problem_print(&c->problem, problem), formats_print(c->formats, formats),
           c->hints.threads, v->gate[0] ? v->gate : "all gates", v->message,
           (unsigned long long)c->seed, verify_command(c, command));
    fflush(stdout);
}

static void print_progress(struct progress *g, int done)
{
    double elapsed = now() - g->started, left = elapsed / done * (g->count - done);
    const struct entry *e = g->cases[done - 1].entry;
    if (g->terminal) {
        fprintf(stderr, "\r\033[K%d/%d, %d failed, about %.0f s left: %s/%s", done, g->count,
                g->failed, left, e->op, e->name);
        if (done == g->count)
            fputs("\r\033[K", stderr);
    } else if (10 * (long)done / g->count > g->last_tenth) {
        g->last_tenth = (int)(10 * (long)done / g->count);
        fprintf(stderr, "verify: %d of %d cases, %d failed, about %.0f s left\n", done, g->count,
                g->failed, left);
    }
}

static void case_finished(int index, const struct verdict *v, void *user)
{
    struct progress *g = user;
    bool bad = v->kind == VERDICT_FAIL || v->kind == VERDICT_MISTRUSTED;
    if (v->kind == VERDICT_PASS)
        g->passed++;
    else if (bad && is_peer(&g->cases[index]))
        skip(g, "another library's kernel failed: that is not ours to mend, and its times say so");
    else if (bad)
        g->failed++;
    else
        skip(g, v->message);
    g->noted += v->kind == VERDICT_PASS && v->message[0];
    if (g->o->json)
        print_json(&g->cases[index], v);
    if (bad && g->terminal)
        fputs("\r\033[K", stderr);
    if (bad && !g->o->json)
        print_failure(&g->cases[index], v);
    if (!g->o->quiet)
        print_progress(g, index + 1);
}

static void print_counts(const struct progress *g)
{
    if (g->o->json) {
        printf("{\"passed\": %d, \"failed\": %d, \"skipped\": %d, \"seed\": %llu}\n", g->passed,
               g->failed, g->skipped, (unsigned long long)g->o->seed);
        return;
    }
    for (int i = 0; i < g->reasons.count && !g->o->quiet; i++)
        printf("skipped %d: %s\n", g->reasons.times[i], g->reasons.text[i]);
    if (g->noted && !g->o->quiet)
        printf("%d passed with points left out where the sign before a ReLU is within rounding of "
               "zero\n",
               g->noted);
    printf("%d passed, %d failed, %d skipped\n", g->passed, g->failed, g->skipped);
}

/* That of most cases. */
static const char *common_reason(const struct reasons *r)
{
    int most = 0;
    for (int i = 0; i < r->count; i++)
        if (r->times[i] > r->times[most])
            most = i;
    return r->count ? r->text[most] : "no case was left";
}

static int run_cases(const struct request *o, const struct case_list *list, struct progress *g)
{
    char error[ERROR_TEXT];
    struct verdict *verdicts = calloc((size_t)list->count + 1, sizeof *verdicts);
    if (!verdicts)
        return wrong_use("verify: out of memory for %d cases; use a smaller set", list->count);
    g->cases = list->items;
    g->count = list->count;
    g->terminal = isatty(STDERR_FILENO) && !o->quiet;
    g->started = now();
    if (!o->json)
        printf("verify: %d cases, seed %llu\n", list->count, (unsigned long long)o->seed);
    bool good = supervise(list->items, list->count, verdicts, o->timeout, case_finished, g, error);
    free(verdicts);
    if (!good)
        return wrong_use("verify: %s", error);
    print_counts(g);
    if (fflush(stdout) || ferror(stdout))
        return wrong_use("verify: cannot write the outcome to standard output");
    /* Nothing proved is no proof. */
    if (!g->passed && !g->failed)
        return check_failed("verify: nothing was verified: %s", common_reason(&g->reasons));
    return g->failed ? EXIT_CHECK_FAILED : EXIT_GOOD;
}

/* With more threads than cores, threads that wait by spinning take the cores from the threads they wait for:
 * that takes ten times as long. OpenMP runtimes read how to wait before main, so the program starts itself
 * again. If that is not possible (in an emulator), verification is only slower. */
static void restart_patient(int argc, char **argv)
{
    if (getenv("OMP_WAIT_POLICY"))
        return;
    char **again = calloc((size_t)argc + 2, sizeof *again);
    if (!again)
        return;
    again[0] = (char[]){"batchmark"};
    memcpy(again + 1, argv, (size_t)argc * sizeof *argv);
    setenv("OMP_WAIT_POLICY", "passive", 0);
    execv("/proc/self/exe", again);
    free(again);
}

int cmd_verify(int argc, char **argv)
{
    restart_patient(argc, argv);
    struct request o;
    int status = read_request(argc, argv, &o), matched;
    char error[ERROR_TEXT] = "out of memory";
    if (status >= 0)
        return status;
    struct problem_set set;
    struct case_list list = {0};
    struct progress g = {.o = &o};
    if (!load_problems(&o, &set, error)) {
        problem_set_free(&set);
        return wrong_use("verify: %s", error);
    }
    if (!list_cases(&o, &set, &list, &g, &matched))
        status = wrong_use("verify: out of memory for the list of cases; use a smaller set");
    else if (!matched)
        status =
            wrong_use("verify: no variant matches '%.100s'; batchmark list shows all", o.pattern);
    else if (!list.count && !g.skipped)
        status = wrong_use("verify: none of the variants matched does a problem of this kind or "
                           "layout; batchmark list shows both");
    else
        status = run_cases(&o, &list, &g);
    free(list.items);
    problem_set_free(&set);
    return status;
}
