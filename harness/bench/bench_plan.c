/* Chooses the rows of a run. */
#define _GNU_SOURCE /* qsort_r, MAP_ANONYMOUS */
#include "bench/bench_plan.h"
#include "core/clock.h"
#include "machine/team.h"
#include "problem/operands.h"
#include "verify/supervisor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Steps of one peak_fma call: about two milliseconds on one core, far longer than the start of a team. */
#define PEAK_ITERATIONS 100

/* The trial of the quick plan gets this share of the run. */
#define TRIAL_SHARE 0.1

/* That of the plan peers, which tries more than it times. */
#define PEERS_TRIAL_SHARE 0.3

/* Seconds after which a third call in the trial is not worth its time. */
#define TRIAL_SLOW 0.02

/* Below both, a call takes one core tens of microseconds, and starting a team may cost more than it saves. */
#define SMALL_FLOPS 2e6
#define SMALL_BYTES (1 << 20)

void rows_free(struct bench_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        row_free(&rows->items[i]);
    free(rows->items);
    *rows = (struct bench_rows){0};
}

bool rows_add(struct bench_rows *rows, const struct entry *e, const struct problem *p,
              struct formats f, bool cold, int threads)
{
    struct bench_row row;
    row_init(&row, e, p, f, cold, threads);
    for (int i = 0; i < rows->count; i++)
        if (!strcmp(rows->items[i].name, row.name))
            return true;
    if (rows->count == rows->room) {
        int room = rows->room ? 2 * rows->room : 256;
        struct bench_row *items = realloc(rows->items, (size_t)room * sizeof *items);
        if (!items)
            return false;
        rows->items = items;
        rows->room = room;
    }
    rows->items[rows->count++] = row;
    return true;
}

const char *const plan_names[] = {"quick", "full", "peers", "scaling", NULL};

bool threads_parse(const char *text, const struct machine *m, struct bench_options *options,
                   char error[ERROR_TEXT])
{
    const int count = team_sizes(text, m->team, options->threads, error);
    const int largest = count ? options->threads[count - 1] : 0;
    options->thread_counts = count;
    if (largest > m->cpu_count)
        return explain(
            error,
            "--threads %s: %d is more than the %d usable cores; one thread a core is the "
            "most that is timed",
            text, largest, m->cpu_count);
    if (largest > m->team)
        return explain(error, "--threads %s: %s", text, m->team_why);
    return count > 0;
}

bool row_is_ceiling(const struct bench_row *row)
{
    return row->op->ceiling;
}

bool rows_share(const struct bench_row *a, const struct bench_row *b)
{
    return a->op == b->op && a->cold == b->cold && problem_equal(&a->problem, &b->problem);
}

/* How much of a variant a plan takes. */
enum breadth {
    ALL_ROWS, /* every layout, every size of team */
    ONE_ROW   /* its first layout and the largest team: what stands for the rung */
};

/* Adds one variant on one problem, in each cache state. */
static void add_variant(struct bench_rows *rows, const struct bench_options *o,
                        const struct entry *e, const struct problem *p, enum breadth breadth)
{
    const struct variant *v = e->variant;
    int first_team = breadth == ONE_ROW ? o->thread_counts - 1 : 0;
    for (int i = 0; i < MAX_FORMATS && v->formats[i].src != LAYOUT_NONE; i++) {
        if (registry_why_not_problem(e, p, v->formats[i]))
            continue;
        for (int cold = !o->warm; cold <= o->cold; cold++)
            for (int t = first_team; t < o->thread_counts; t++)
                rows_add(rows, e, p, v->formats[i], cold, v->parallel ? o->threads[t] : 1);
        if (breadth == ONE_ROW)
            return;
    }
}

/* Is the variant one that was asked for, and can it run here? Whether it does the problem in a layout is another question. */
static bool possible(const struct entry *e, const struct problem *p, const struct bench_options *o)
{
    const struct op *op = op_find(e->op);
    return op && op->kind == p->kind && registry_match(e, o->pattern) &&
           !registry_why_not(e, o->cap);
}

/* Adds every variant that matches, can run here and does the problem. */
static void add_ladder(struct bench_rows *rows, const struct bench_options *o,
                       const struct problem *p, enum breadth breadth, bool with_ceilings)
{
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        /* The reference is slow by design, and no figure of it tells anything: only when there is time. */
        bool hurried = o->plan != PLAN_FULL && e->rung == 0 && o->limit > 0;
        if (possible(e, p, o) && (with_ceilings || !op_find(e->op)->ceiling) && !hurried)
            add_variant(rows, o, e, p, breadth);
    }
}

/* The trial */

struct trial_state {
    volatile int at; /* the row being tried */
};

static bool same_operands(const struct bench_row *a, const struct bench_row *b)
{
    return rows_share(a, b) && a->formats.src == b->formats.src && a->formats.dst == b->formats.dst;
}

/* The best of three calls, fewer where they are slow: the second is warm already. */
static double try_row(const struct machine *m, const struct bench_row *r, struct args args)
{
    char error[ERROR_TEXT];
    const struct variant *v = r->entry->variant;
    double best = INFINITY;
    args.hints = machine_hints(m, r->threads);
    args.handle = v->prepare ? v->prepare(&args) : NULL;
    if (machine_pin_team(m, r->threads, error, sizeof error)) {
        double first = now();
        for (int k = 0; k < 2 || (k < 3 && now() - first < TRIAL_SLOW); k++) {
            double start = now();
            v->run(&args);
            best = fmin(best, now() - start);
        }
    }
    if (v->release && args.handle)
        v->release(args.handle);
    return best;
}

/* Operands are made once for rows that follow one another and take the same. */
static void try_rows(const struct machine *m, const struct bench_row *rows, int count,
                     uint64_t seed, double end, struct trial_state *state, double *seconds)
{
    char error[ERROR_TEXT];
    for (int first = state->at, last; first < count && now() < end; first = last) {
        const struct bench_row *r = &rows[first];
        size_t scratch = 0;
        struct operands o;
        for (last = first; last < count && same_operands(r, &rows[last]); last++) {
            const struct bench_row *other = &rows[last];
            struct hints h = machine_hints(m, other->threads);
            size_t bytes =
                other->entry->variant->scratch_size
                    ? other->entry->variant->scratch_size(&other->problem, other->formats, &h)
                    : 0;
            r = bytes > scratch ? other : r;
            scratch = bytes > scratch ? bytes : scratch;
        }
        state->at = first;
        if (!operands_make(&o, r->op, r->entry->variant, &r->problem, r->formats,
                           machine_hints(m, r->threads), 0, error))
            continue;
        operands_fill(&o, r->op, seed, FILL_RANDOM);
        for (int i = first; i < last && now() < end; i++) {
            state->at = i;
            seconds[i] = try_row(m, &rows[i], o.args);
        }
        operands_free(&o);
    }
    state->at = count;
}

void trial(const struct machine *m, const struct bench_row *rows, int count, uint64_t seed,
           double limit, double *seconds)
{
    size_t bytes = sizeof(struct trial_state) + (size_t)count * sizeof *seconds + 64;
    char *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < count; i++)
        seconds[i] = INFINITY;
    if (shared == MAP_FAILED)
        return;
    struct trial_state *state = (struct trial_state *)shared;
    double *times = (double *)(shared + 64), end = now() + limit;
    for (int i = 0; i < count; i++)
        times[i] = INFINITY;
    while (state->at < count && now() < end) {
        fflush(NULL);
        pid_t parent = getpid(), child = fork();
        if (child < 0)
            break;
        if (child == 0) {
            die_with(parent);
            alarm((unsigned)limit + 60); /* a variant that never returns */
            try_rows(m, rows, count, seed, end, state, times);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        /* A variant that crashes drops out of the trial. Verification reports it if a row asks for it. */
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            state->at++;
    }
    memcpy(seconds, times, (size_t)count * sizeof *seconds);
    munmap(shared, bytes);
}

/* Is the variant worth a trial? It uses SIMD, and threads if there are several cores: other variants are
 * never fastest, except that starting a team may cost more than it saves on a small problem. */
static bool contender(const struct entry *e, const struct problem *p, const struct bench_options *o)
{
    bool many = o->threads[o->thread_counts - 1] > 1;
    struct cost cost = op_find(e->op)->cost(p);
    bool small = cost.flops_nominal < SMALL_FLOPS && cost.bytes < SMALL_BYTES;
    return e->rung >= 30 && !e->variant->peer &&
           (e->variant->parallel == many || (!e->variant->parallel && small));
}

/* What is tried: warm rows on the largest team. */
static struct bench_options trial_options(const struct bench_options *o)
{
    struct bench_options most = *o;
    most.threads[0] = o->threads[o->thread_counts - 1];
    most.thread_counts = 1;
    most.warm = true;
    most.cold = false;
    return most;
}

/* Tries rows within a share of the run; their seconds, the caller's. NULL: out of memory. */
static double *try_all(const struct bench_options *o, const struct machine *m,
                       const struct bench_rows *tried, double share)
{
    double *seconds = malloc(((size_t)tried->count + 1) * sizeof *seconds);
    if (seconds)
        trial(m, tried->items, tried->count, o->seed, o->limit > 0 ? share * o->limit : 600,
              seconds);
    return seconds;
}

/* For every problem not yet planned and each op that `among` takes (NULL: all): adds the fastest variant on
 * plain tensors and the fastest in any layout, on the largest team. With ONE_ROW only each variant's first
 * layout is tried. */
static void add_fastest(struct bench_rows *rows, const struct bench_options *o,
                        const struct machine *m, const struct problem_set *set,
                        bool (*among)(const struct op *op), enum breadth breadth)
{
    struct bench_rows tried = {0};
    const struct bench_options most = trial_options(o);
    for (int i = 0; i < set->count; i++) {
        const struct problem *p = &set->items[i].problem;
        bool known = false;
        for (int k = 0; k < rows->count && !known; k++)
            known = problem_equal(&rows->items[k].problem, p);
        for (int k = 0; k < registry_count && !known; k++) {
            const struct entry *e = &registry[k];
            if (possible(e, p, o) && (!among || among(op_find(e->op))) && contender(e, p, o) &&
                !op_find(e->op)->ceiling)
                add_variant(&tried, &most, e, p, breadth);
        }
    }
    double *seconds = try_all(o, m, &tried, TRIAL_SHARE);
    for (int i = 0; seconds && i < tried.count; i++) {
        const struct bench_row *a = &tried.items[i];
        bool best = isfinite(seconds[i]), best_of_layout = best;
        for (int k = 0; k < tried.count; k++) {
            const struct bench_row *b = &tried.items[k];
            if (k == i || a->op != b->op || !problem_equal(&a->problem, &b->problem) ||
                seconds[k] > seconds[i] || (seconds[k] == seconds[i] && k > i))
                continue;
            best = false;
            best_of_layout &= !same_operands(a, b);
        }
        bool plain =
            a->formats.src == a->formats.dst && a->formats.src != NHWC && a->formats.src != NCHW16C;
        if (best || (best_of_layout && plain))
            rows_add(rows, a->entry, &a->problem, a->formats, !o->warm, a->threads);
    }
    free(seconds);
    rows_free(&tried);
}

static int by_group(const void *x, const void *y);

/* The fastest rows of a set, on teams of every size. */
static void add_scaling(struct bench_rows *rows, const struct bench_options *o,
                        const struct machine *m, const struct problem_set *set)
{
    add_fastest(rows, o, m, set, NULL, ALL_ROWS);
    int count = rows->count; /* rows_add moves the array */
    for (int i = 0; i < count; i++) {
        struct bench_row row = rows->items[i];
        for (int t = 0; t < o->thread_counts && row.entry->variant->parallel; t++)
            rows_add(rows, row.entry, &row.problem, row.formats, row.cold, o->threads[t]);
    }
}

/* Is there a peer to compare with? */
static bool has_peer(const struct op *op, const struct bench_options *o)
{
    for (int i = 0; i < registry_count; i++)
        if (!registry_why_not(&registry[i], o->cap) && registry[i].variant->peer &&
            !strcmp(registry[i].op, op->name))
            return true;
    return false;
}

/* Ours, in float32, at the widest instructions: what may be ahead of a peer. */
static bool challenger(const struct entry *e, const struct problem *p,
                       const struct bench_options *o)
{
    enum isa widest = o->cap < ISA_AVX512 ? o->cap : ISA_AVX512;
    return contender(e, p, o) && e->variant->isa == widest && e->variant->algebra != BF16_PRODUCTS;
}

static bool is_plain(const struct bench_row *row)
{
    return row->formats.src == NCHW && row->formats.dst == NCHW;
}

/* From nchw to nchw16c and back: what a network does at its ends. */
static bool is_conversion(const struct bench_row *row)
{
    return (row->formats.src == NCHW && row->formats.dst == NCHW16C) ||
           (row->formats.src == NCHW16C && row->formats.dst == NCHW);
}

/* Which rows a row is ranked among: those of the same op, problem and side (ours, or peers), and ... */
enum rivals { ALL_LAYOUTS, PLAIN_LAYOUT, SAME_LAYOUT, SAME_VARIANT };

/* How many of its rivals were faster. */
static int rank_of(const struct bench_rows *tried, const double *seconds, int i, enum rivals rivals)
{
    const struct bench_row *a = &tried->items[i];
    int rank = 0;
    for (int k = 0; k < tried->count; k++) {
        const struct bench_row *b = &tried->items[k];
        bool faster = seconds[k] < seconds[i] || (seconds[k] == seconds[i] && k < i);
        if (!faster || !rows_share(a, b) ||
            (a->entry->variant->peer == NULL) != (b->entry->variant->peer == NULL))
            continue;
        rank += rivals == ALL_LAYOUTS    ? 1
                : rivals == PLAIN_LAYOUT ? is_plain(b)
                : rivals == SAME_LAYOUT  ? same_operands(a, b)
                                         : a->entry == b->entry;
    }
    return rank;
}

/* Is it one of the rows plan peers times? */
static bool stands_out(const struct bench_rows *tried, const double *seconds, int i)
{
    enum { OURS = 2 };
    const struct bench_row *a = &tried->items[i];
    if (!isfinite(seconds[i]))
        return false;
    if (a->op->kind == PROBLEM_GEMM)
        return rank_of(tried, seconds, i, SAME_LAYOUT) == 0;
    if (a->op->moves)
        return is_conversion(a) && rank_of(tried, seconds, i, SAME_LAYOUT) == 0;
    if (is_plain(a) && rank_of(tried, seconds, i, PLAIN_LAYOUT) == 0)
        return true;
    return a->entry->variant->peer ? rank_of(tried, seconds, i, SAME_VARIANT) == 0
                                   : rank_of(tried, seconds, i, ALL_LAYOUTS) < OURS;
}

/* For every op with a peer: our two fastest rows and our fastest on plain tensors; every peer in its best
 * layout, and the fastest peer on plain tensors. Reorders: our fastest and the peer's, in both directions.
 * Matrix products: also with either operand transposed. */
static void add_peers(struct bench_rows *rows, const struct bench_options *o,
                      const struct machine *m, const struct problem_set *set)
{
    struct bench_rows tried = {0};
    const struct bench_options most = trial_options(o);
    for (int i = 0; i < set->count; i++) {
        const struct problem *p = &set->items[i].problem;
        for (int k = 0; k < registry_count; k++) {
            const struct entry *e = &registry[k];
            if (possible(e, p, o) && has_peer(op_find(e->op), o) &&
                (e->variant->peer || challenger(e, p, o)))
                add_variant(&tried, &most, e, p, ALL_ROWS);
        }
    }
    qsort(tried.items, (size_t)tried.count, sizeof tried.items[0], by_group);
    double *seconds = try_all(o, m, &tried, PEERS_TRIAL_SHARE);
    for (int i = 0; seconds && i < tried.count; i++) {
        const struct bench_row *r = &tried.items[i];
        for (int cold = !o->warm; cold <= o->cold && stands_out(&tried, seconds, i); cold++)
            rows_add(rows, r->entry, &r->problem, r->formats, cold, r->threads);
    }
    free(seconds);
    rows_free(&tried);
}

/* A batch normalization in which every tensor is a quarter larger than the last-level cache: nothing of src
 * is left there when it is read a second time, and nothing of dst when the call ends. False: memory is
 * too small. */
static bool beyond_cache(const struct machine *m, struct problem *p)
{
    int64_t image = 60 * 32 * 32; /* vgg bn 1 with a larger batch */
    int64_t mb = div_up((int64_t)m->llc * 5 / 4, image * (int64_t)sizeof(float));
    *p = (struct problem){
        .kind = PROBLEM_BN, .eps = DEFAULT_EPS, .bn = {.mb = mb, .ic = 60, .ih = 32, .iw = 32}};
    double bytes = 4.0 * (double)(mb * image) * sizeof(float);
    return bytes < (double)m->memory / 4;
}

/* A batch normalization that nothing is fused with? */
static bool is_bn_alone(const struct op *op)
{
    return op->normalizes && !op->relu;
}

/* Batch normalization over the size of the working set: from slightly below an L1, four times larger each
 * time, to beyond the last-level cache. Only the fastest variant of each pass on plain tensors: the curve
 * shows no other. */
static void add_curve(struct bench_rows *rows, const struct bench_options *o,
                      const struct machine *m)
{
    enum { SIZES = 16 };
    struct named_problem sizes[SIZES];
    struct problem_set set = {sizes, 0};
    struct problem last;
    bool fits = beyond_cache(m, &last);
    struct problem p = last;
    p.bn.ih = p.bn.iw = 16; /* vgg bn 2 with smaller batches and with larger */
    const double image = 2 * (double)(p.bn.ic * p.bn.ih * p.bn.iw) * sizeof(float);
    for (p.bn.mb = 1; (double)p.bn.mb * image < (double)m->llc && set.count < SIZES - 1;
         p.bn.mb *= 4)
        sizes[set.count++] = (struct named_problem){.problem = p, .multiplicity = 1};
    if (fits)
        sizes[set.count++] = (struct named_problem){.problem = last, .multiplicity = 1};
    add_fastest(rows, o, m, &set, is_bn_alone, ONE_ROW);
    if (fits && o->plan == PLAN_FULL)
        add_ladder(rows, o, &last, ALL_ROWS, false);
}

/* Ceilings */

static void add_peaks(struct bench_rows *rows, const struct bench_options *o)
{
    struct problem p = {
        .kind = PROBLEM_ITERATIONS, .eps = DEFAULT_EPS, .iterations = PEAK_ITERATIONS};
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        if (strcmp(e->op, "peak_fma") || e->rung < 40 || registry_why_not(e, o->cap))
            continue;
        for (int t = 0; t < o->thread_counts; t++)
            if (e->variant->parallel == (o->threads[t] > 1))
                rows_add(rows, e, &p, e->variant->formats[0], false, o->threads[t]);
        /* The ceiling of a variant without threads is one core's peak. */
        if (!e->variant->parallel)
            rows_add(rows, e, &p, e->variant->formats[0], false, 1);
    }
}

/* Copies (or triads) at one footprint by the widest ISA, with and without streaming. */
static void add_stream(struct bench_rows *rows, const struct bench_options *o, const char *op,
                       int step, bool cold, int threads)
{
    struct problem p = footprint_problem(step);
    enum isa widest = ISA_BASE;
    for (int i = 0; i < registry_count; i++)
        if (!strcmp(registry[i].op, op) && !registry_why_not(&registry[i], o->cap) &&
            registry[i].variant->isa > widest)
            widest = registry[i].variant->isa;
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        if (!strcmp(e->op, op) && e->rung >= 40 && !registry_why_not(e, o->cap) &&
            e->variant->isa == widest && e->variant->parallel == (threads > 1))
            rows_add(rows, e, &p, e->variant->formats[0], cold, threads);
    }
}

static void add_copies(struct bench_rows *rows, const struct bench_options *o)
{
    int count = rows->count; /* the rows of this plan so far: rows_add moves the array */
    for (int i = 0; i < count; i++) {
        struct bench_row row = rows->items[i];
        if (row.op->kind == PROBLEM_ITERATIONS)
            continue;
        int step = footprint_step(row_footprint(&row));
        add_stream(rows, o, "copy", step, row.cold, 1);
        if (row.threads > 1)
            add_stream(rows, o, "copy", step, row.cold, row.threads);
    }
}

/* The levels of the memory hierarchy: half of each cache, and twice the last one. */
static void add_levels(struct bench_rows *rows, const struct bench_options *o,
                       const struct machine *m)
{
    const double bytes[] = {(double)m->l1 / 2, (double)m->l2 / 2, (double)m->llc / 2,
                            2 * (double)m->llc};
    for (int i = 0; i < 4; i++) {
        if (8 * bytes[i] > (double)m->memory)
            continue;
        for (int t = 0; t < o->thread_counts; t++) {
            add_stream(rows, o, "copy", footprint_step(bytes[i]), false, o->threads[t]);
            add_stream(rows, o, "triad", footprint_step(bytes[i]), false, o->threads[t]);
        }
    }
}

/* Order */

static int by_group(const void *x, const void *y)
{
    const struct bench_row *a = x, *b = y;
    char p[PROBLEM_TEXT], q[PROBLEM_TEXT];
    if (row_is_ceiling(a) != row_is_ceiling(b))
        return row_is_ceiling(a) ? -1 : 1;
    /* In the order of the table of operations: if time runs out, the least important ones are left over. */
    if (a->op != b->op)
        return a->op < b->op ? -1 : 1;
    /* Whatever the layout, so that rows of one problem follow one another. */
    double bytes = a->op->cost(&a->problem).bytes, others = b->op->cost(&b->problem).bytes;
    if (bytes != others)
        return bytes < others ? -1 : 1;
    if (!problem_equal(&a->problem, &b->problem))
        return strcmp(problem_print(&a->problem, p), problem_print(&b->problem, q));
    if (a->cold != b->cold)
        return a->cold - b->cold;
    if (a->formats.src != b->formats.src)
        return (int)a->formats.src - (int)b->formats.src;
    if (a->formats.dst != b->formats.dst)
        return (int)a->formats.dst - (int)b->formats.dst;
    if (a->entry != b->entry)
        return a->entry < b->entry ? -1 : 1;
    return a->threads - b->threads;
}

/* What is measured so far was asked for: the ceilings only where they are all of it. */
static void mark_asked(struct bench_rows *rows)
{
    bool others = false;
    for (int i = 0; i < rows->count; i++)
        others |= !row_is_ceiling(&rows->items[i]);
    for (int i = 0; i < rows->count; i++)
        rows->items[i].asked = !others || !row_is_ceiling(&rows->items[i]);
}

static bool matches_any(const struct bench_options *o)
{
    for (int i = 0; i < registry_count; i++)
        if (registry_match(&registry[i], o->pattern))
            return true;
    return false;
}

/* The problem or the set that is named, else the set `usual`. Free it whatever is returned. */
static bool load_problems(const struct bench_options *o, const char *usual, struct problem_set *set,
                          char error[ERROR_TEXT])
{
    struct named_problem one;
    *set = (struct problem_set){0};
    if (!o->problem)
        return problem_set_load(o->set ? o->set : usual, set, error);
    return problem_parse_any(o->problem, &one, error) &&
           (problem_set_add(set, &one) || explain(error, "out of memory for the problem"));
}

bool plan_rows(const struct bench_options *o, const struct machine *m, struct bench_rows *rows,
               char error[ERROR_TEXT])
{
    const bool named = o->problem || o->set, full = o->plan == PLAN_FULL;
    struct problem_set set;
    *rows = (struct bench_rows){0};
    if (!matches_any(o))
        return explain(error, "no variant matches '%.100s'; batchmark list shows all", o->pattern);
    const bool ladder = full || o->plan == PLAN_QUICK;
    bool good = load_problems(o, ladder && !full ? "ladder" : "seeds", &set, error);
    if (good && !ladder)
        (o->plan == PLAN_PEERS ? add_peers : add_scaling)(rows, o, m, &set);
    for (int i = 0; good && ladder && i < set.count; i++)
        add_ladder(rows, o, &set.items[i].problem, named || full ? ALL_ROWS : ONE_ROW, named);
    problem_set_free(&set);
    if (!good)
        return false;
    if (ladder && !named) {
        add_curve(rows, o, m);
        if (!full) {
            if (!problem_set_load("seeds", &set, error))
                return false;
            add_fastest(rows, o, m, &set, NULL, ALL_ROWS);
            problem_set_free(&set);
        }
        if (!o->pattern)
            add_levels(rows, o, m);
    }
    if (!rows->count && !o->pattern)
        return explain(error,
                       "nothing to time: no variant that can run here does these problems in "
                       "the memory there is");
    if (!rows->count)
        return explain(
            error,
            "nothing to time: no variant matching '%.100s' that can run here does these problems in "
            "the memory there is; batchmark list --why says what runs",
            o->pattern);
    mark_asked(rows);
    add_copies(rows, o);
    add_peaks(rows, o);
    qsort(rows->items, (size_t)rows->count, sizeof rows->items[0], by_group);
    return true;
}

void plan_ceilings(const struct bench_options *o, const struct machine *m, struct bench_rows *rows)
{
    *rows = (struct bench_rows){0};
    add_levels(rows, o, m);
    add_peaks(rows, o);
    qsort(rows->items, (size_t)rows->count, sizeof rows->items[0], by_group);
}
