/* The planner: rows to measure, the shortest path over them, and the file that keeps it. */
#include "net/net_plan.h"
#include "bench/results.h"
#include "core/clock.h"
#include "core/input_file.h"
#include "core/stat.h"
#include "core/whole_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 2: fused operations are chosen by measured times too. */
enum { SCHEMA = 2 };

/* Layouts an activation can have, in the order in which ties are decided. */
static const enum layout layouts[] = {NCHW, NHWC, NCHW16C};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Variants of a call that a trial lets through to be verified and timed. */
enum { FINALISTS = 2 };

/* Calls of less than this may be faster on one thread; above, a trial of those is time lost. */
static const double small_flops = 2e7, small_bytes = 2e6;

/* Verification takes so many images of a problem; training verifies what it picked on the whole one. */
enum { VERIFY_BATCH = 5 };

/* Rungs below are there to be compared with. */
enum { FIRST_RUNG = 30 };

/* The path */

/* Is there such a node after that one? */
static bool possible(const struct net_text *text, int i, struct plan_node before,
                     struct plan_node here)
{
    const struct layer *l = &text->layers[i];
    const bool inside = before.join == POOLS; /* of a bn that does this layer */
    if (!layer_takes(l, here.layout) || (inside && here.layout != NCHW))
        return false;
    if (i && net_can_rectify(text, i - 1) && here.layout != before.layout)
        return false;
    switch (here.join) {
    case GATHERS: return net_can_gather(text, i);
    case POOLS:
        return inside ? l->kind == LAYER_RELU : here.layout == NCHW && net_can_pool(text, i);
    default: return !inside || l->kind != LAYER_RELU;
    }
}

/* A layer at a node: all its calls of a step. */
static double layer_cost(int i, struct plan_node before, struct plan_node here, plan_cost_fn *cost,
                         void *user, const struct entry *kernels[PHASES])
{
    double sum = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        struct plan_cost c = cost(user, i, (enum phase)phase, before, here);
        kernels[phase] = c.entry;
        sum += c.seconds;
    }
    return sum;
}

enum { NODES = LAYOUTS * JOINS };

static struct plan_node node(int k)
{
    return (struct plan_node){layouts[k / JOINS], (enum join)(k % JOINS)};
}

double net_plan_solve(const struct net_text *text, struct plan_limits limits, plan_cost_fn *cost,
                      void *user, struct net_plan *plan, double *seconds)
{
    /* best[k]: the fastest way to leave layer i at node k; from[i][k]: the node before on that way. */
    double best[NODES];
    int from[MAX_LAYERS][NODES], before_first = 0;
    const struct entry *kernels[PHASES];
    for (int k = 0; k < NODES; k++)
        best[k] = k == before_first ? 0 : INFINITY; /* images come in nchw */
    for (int i = 0; i < text->count; i++) {
        double next[NODES];
        bool can = limits.only != LAYOUT_NONE && layer_takes(&text->layers[i], limits.only);
        for (int k = 0; k < NODES; k++) {
            const struct plan_node here = node(k);
            next[k] = INFINITY;
            from[i][k] = before_first;
            if ((can && here.layout != limits.only) || (limits.apart && here.join != APART))
                continue;
            for (int b = 0; b < NODES; b++) {
                if (isinf(best[b]) || !possible(text, i, node(b), here))
                    continue;
                double way = best[b] + layer_cost(i, node(b), here, cost, user, kernels);
                if (way < next[k]) {
                    next[k] = way;
                    from[i][k] = b;
                }
            }
        }
        memcpy(best, next, sizeof best);
    }
    int at = 0;
    for (int k = 1; k < NODES; k++)
        at = best[k] < best[at] ? k : at;
    double total = best[at];
    plan->count = text->count;
    for (int i = text->count - 1; i >= 0; i--) {
        int b = from[i][at];
        plan->layers[i].layout = node(at).layout;
        plan->layers[i].pools = text->layers[i].kind == LAYER_BN && node(at).join == POOLS;
        double share = layer_cost(i, node(b), node(at), cost, user, plan->layers[i].kernels);
        if (seconds)
            seconds[i] = share;
        at = b;
    }
    return total;
}

/* Measuring */

static bool same_formats(struct formats a, struct formats b)
{
    return a.src == b.src && a.dst == b.dst;
}

static bool row_does(const struct bench_row *r, const struct net_op *is)
{
    return !strcmp(r->entry->op, is->op) && problem_equal(&r->problem, &is->problem) &&
           same_formats(r->formats, is->formats);
}

/* What is no operation of the registry. */
static double layer_seconds(const struct net_times *t, int layer, enum phase phase,
                            struct plan_node before, struct plan_node here)
{
    const bool there = phase == FWD, back = phase == BWD_DATA;
    if (!layer_type(&t->text->layers[layer])->planned || before.join == POOLS)
        return 0;
    return there ? t->pools[layer][here.layout].fwd : back ? t->pools[layer][here.layout].bwd : 0;
}

struct plan_cost net_times_cost(void *user, int layer, enum phase phase, struct plan_node before,
                                struct plan_node here)
{
    const struct net_times *t = user;
    const struct joined joined = {.gathers = here.join == GATHERS,
                                  .gathered = before.join == GATHERS,
                                  .relu = net_can_rectify(t->text, layer),
                                  .pools = here.join == POOLS};
    struct net_op is =
        net_op(t->text, layer, phase, t->batch, true, joined, before.layout, here.layout);
    if (!is.op)
        return (struct plan_cost){layer_seconds(t, layer, phase, before, here), NULL};
    struct plan_cost best = {INFINITY, NULL};
    for (int i = 0; i < t->rows.count; i++) {
        const struct bench_row *r = &t->rows.items[i];
        if ((r->state != ROW_TIMED && r->state != ROW_GIVEN_UP) || !row_does(r, &is))
            continue;
        double seconds = r->state == ROW_TIMED ? r->best : t->trial[i];
        if (seconds < best.seconds)
            best = (struct plan_cost){seconds, r->entry};
    }
    return best;
}

void net_times_free(struct net_times *t)
{
    rows_free(&t->rows);
    free(t->trial);
    t->trial = NULL;
}

/* Does the same variant exist for AVX-512, where that can be used? */
static bool has_wider(const struct entry *e, enum isa cap)
{
    for (int i = 0; i < registry_count; i++) {
        const struct entry *other = &registry[i];
        if (!strcmp(other->op, e->op) && !strcmp(other->algorithm, e->algorithm) &&
            !registry_why_not(other, cap) && other->variant->isa == ISA_AVX512 &&
            other->variant->parallel == e->variant->parallel)
            return e->variant->isa == ISA_AVX2;
    }
    return false;
}

/* Can training use the variant, and can it be the fastest? On small problems AVX2 or one thread may be the fastest,
 * even if the CPU has AVX-512 or more cores. On a CPU with AVX2, lower levels never are. */
static bool candidate(const struct entry *e, const struct net_op *is,
                      const struct net_plan_key *key)
{
    if (strcmp(e->op, is->op) || registry_why_not(e, key->isa) || e->variant->peer)
        return false;
    const struct variant *v = e->variant;
    struct cost cost = op_find(e->op)->cost(&is->problem);
    bool small = cost.flops_nominal < small_flops && cost.bytes < small_bytes;
    if (!small && ((!v->parallel && key->threads > 1) || has_wider(e, key->isa)))
        return false;
    return v->algebra != BF16_PRODUCTS && v->algebra != ONE_PASS && e->rung >= FIRST_RUNG &&
           (v->isa >= ISA_AVX2 || key->isa < ISA_AVX2) &&
           !registry_why_not_problem(e, &is->problem, is->formats);
}

static bool add_row(struct bench_rows *rows, const struct entry *e, const struct net_op *is,
                    int threads)
{
    return rows_add(rows, e, &is->problem, is->formats, false, e->variant->parallel ? threads : 1);
}

static bool add_candidates(struct bench_rows *rows, const struct net_op *is,
                           const struct net_plan_key *key)
{
    for (int i = 0; i < rows->count; i++)
        if (row_does(&rows->items[i], is))
            return true;
    for (int i = 0; i < registry_count; i++)
        if (candidate(&registry[i], is, key) && !add_row(rows, &registry[i], is, key->threads))
            return false;
    return true;
}

/* The calls a layer could make in a phase: in any layout, with statistics that a conv gathers, with a bn that pools. */
static bool layer_candidates(const struct net_text *text, int i, enum phase phase,
                             const struct net_plan_key *key, struct bench_rows *rows)
{
    const bool conv = net_can_gather(text, i), bn = i && net_can_gather(text, i - 1),
               pool = net_can_pool(text, i), reorder = phase == REORDER_FWD || phase == REORDER_BWD;
    /* Bit 0: statistics are gathered; bit 1: the bn pools. */
    const int statistics = phase == FWD && (conv || bn), most = statistics | pool << 1;
    for (int k = 0; k < LAYOUTS; k++) {
        if (!layer_takes(&text->layers[i], layouts[k]))
            continue;
        /* Only reorders depend on what was before. */
        for (int b = 0; b < (reorder ? LAYOUTS : 1); b++)
            for (int way = 0; way < 4; way++) {
                const bool stats = way & 1, pools = way & 2;
                const struct joined joined = {.gathers = stats && conv,
                                              .gathered = stats && bn,
                                              .relu = net_can_rectify(text, i),
                                              .pools = pools};
                struct net_op is =
                    net_op(text, i, phase, key->batch, true, joined, layouts[b], layouts[k]);
                if ((way | most) == most && is.op && (!pools || layouts[k] == NCHW) &&
                    !add_candidates(rows, &is, key))
                    return false;
            }
    }
    return true;
}

/* Every call the network could make, in the order of layers and phases. */
static bool all_candidates(const struct net_text *text, const struct net_plan_key *key,
                           struct bench_rows *rows)
{
    for (int i = 0; i < text->count; i++)
        for (int phase = 0; phase < PHASES; phase++)
            if (!layer_candidates(text, i, (enum phase)phase, key, rows))
                return false;
    return true;
}

bool net_times_rows(struct net_times *t, const struct machine *m, const struct net_plan_key *key,
                    double limit, char error[ERROR_TEXT])
{
    struct bench_rows tried = {0};
    bool good = all_candidates(t->text, key, &tried);
    double *seconds = calloc((size_t)tried.count + 1, sizeof *seconds);
    t->trial = calloc((size_t)tried.count + 1, sizeof *t->trial);
    good = good && seconds && t->trial;
    if (good)
        trial(m, tried.items, tried.count, 1, limit, seconds);
    for (int i = 0; good && i < tried.count; i++) {
        int faster = 0;
        const struct bench_row *r = &tried.items[i];
        struct net_op is = {r->entry->op, r->problem, r->formats};
        for (int j = 0; j < tried.count; j++)
            faster += (seconds[j] < seconds[i] || (seconds[j] == seconds[i] && j < i)) &&
                      row_does(&tried.items[j], &is);
        if (faster < FINALISTS) {
            t->trial[t->rows.count] = seconds[i];
            good = add_row(&t->rows, r->entry, &is, key->threads);
        }
    }
    if (!good)
        snprintf(error, ERROR_TEXT, "out of memory for %d rows", tried.count);
    free(seconds);
    rows_free(&tried);
    return good;
}

bool net_times_verify(struct net_times *t, const struct bench_options *o, const struct machine *m,
                      bench_progress_fn *progress, void *user, char error[ERROR_TEXT])
{
    struct bench_rows few = {0};
    bool good = true;
    for (int i = 0; good && i < t->rows.count; i++) {
        const struct bench_row *r = &t->rows.items[i];
        struct net_op is = {r->entry->op, r->problem, r->formats};
        if (is.problem.kind == PROBLEM_CONV)
            is.problem.conv.mb = min_i64(is.problem.conv.mb, VERIFY_BATCH);
        else if (is.problem.kind == PROBLEM_BN)
            is.problem.bn.mb = min_i64(is.problem.bn.mb, VERIFY_BATCH);
        good = add_row(&few, r->entry, &is, r->threads);
    }
    if (!good)
        snprintf(error, ERROR_TEXT, "out of memory for %d rows", t->rows.count);
    good = good && bench_verify(o, m, &few, progress, user, error);
    for (int i = 0; good && i < few.count; i++) {
        t->rows.items[i].state = few.items[i].state;
        t->rows.items[i].verdict = few.items[i].verdict;
    }
    rows_free(&few);
    return good;
}

enum { RUNS = 9 };

/* Times layer i in a layout, forward and backward, on buffers of its own. */
static bool time_layer(struct net_times *t, int i, enum layout layout,
                       const struct net_plan_key *key)
{
    const struct layer *l = &t->text->layers[i];
    const int64_t before = t->batch * shape_floats(&l->src, layout),
                  after = t->batch * shape_floats(&l->dst, layout);
    struct memory m = {0};
    struct layer_state s = {.layout = layout,
                            .src = memory_floats(&m, before),
                            .dst = memory_floats(&m, after),
                            .diff_src = memory_floats(&m, before)};
    const struct layer_pass pass = {
        .l = l, .s = &s, .kernels = layers_for(key->isa), .threads = key->threads, .mb = t->batch};
    double fwd[RUNS], bwd[RUNS];
    s.diff_dst = s.dst;
    if (layer_type(l)->make)
        layer_type(l)->make(l, &s, t->batch, &m);
    for (int64_t j = 0; !m.failed && j < before; j++)
        s.src[j] = (float)((size_t)j * 2654435761u % 1024);
    for (int r = 0; !m.failed && r < RUNS; r++) {
        const double start = now();
        layer_type(l)->forward(&pass);
        const double middle = now();
        layer_type(l)->backward(&pass);
        fwd[r] = middle - start;
        bwd[r] = now() - middle;
    }
    memory_free(&m);
    if (m.failed)
        return false;
    t->pools[i][layout].fwd = stat_min(fwd, RUNS);
    t->pools[i][layout].bwd = stat_min(bwd, RUNS);
    return true;
}

bool net_times_pools(struct net_times *t, const struct net_plan_key *key, char error[ERROR_TEXT])
{
    for (int i = 0; i < t->text->count; i++) {
        const struct layer_type *type = layer_type(&t->text->layers[i]);
        for (int k = 0; type->planned && k < LAYOUTS; k++)
            if (!time_layer(t, i, layouts[k], key))
                return explain(error, "out of memory to time %s of layer %d", type->name, i);
    }
    return true;
}

/* The file */

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

static const uint64_t hash_start = 14695981039346656037u;

/* Of the running binary: whatever it was built from and by, another one may be faster elsewhere. */
static void build_key(char out[17])
{
    char chunk[65536];
    uint64_t hash = hash_start;
    FILE *self = fopen("/proc/self/exe", "rb");
    for (size_t n; self && (n = fread(chunk, 1, sizeof chunk, self)) > 0;)
        hash = hash_bytes(hash, chunk, n);
    if (self)
        fclose(self);
    snprintf(out, 17, "%016" PRIx64, hash);
}

/* As "3x32x32". */
#define IMAGE_TEXT 72
static char *image_print(struct shape s, char text[IMAGE_TEXT])
{
    snprintf(text, IMAGE_TEXT, "%lldx%lldx%lld", (long long)s.c, (long long)s.h, (long long)s.w);
    return text;
}

void net_plan_path(const struct machine *m, const struct net_plan_key *key, char path[PLAN_PATH])
{
    char name[64], image[IMAGE_TEXT];
    const uint64_t hash = hash_bytes(hash_start, key->text, strlen(key->text));
    image_print(key->image, image);
    if (key->name)
        snprintf(name, sizeof name, "%s", key->name);
    else
        snprintf(name, sizeof name, "net-%016" PRIx64, hash_bytes(hash, image, strlen(image)));
    snprintf(path, PLAN_PATH, "results/%s/plans/%s_mb%lld_t%d_%s.json", m->slug, name,
             (long long)key->batch, key->threads, isa_names[key->isa]);
}

json_t *net_plan_layers(const struct net_text *text, const struct net_plan *plan)
{
    json_t *layers = json_array();
    for (int i = 0; i < plan->count; i++) {
        char line[LAYER_TEXT];
        json_t *calls = json_object();
        for (int phase = 0; phase < PHASES; phase++)
            if (plan->layers[i].kernels[phase])
                json_object_set_new(calls, phase_names[phase],
                                    json_pack("{s:s, s:s}", "op",
                                              plan->layers[i].kernels[phase]->op, "variant",
                                              plan->layers[i].kernels[phase]->name));
        json_t *layer = json_pack("{s:s, s:s, s:o}", "layer", layer_print(&text->layers[i], line),
                                  "layout", layout_names[plan->layers[i].layout], "calls", calls);
        if (plan->layers[i].pools)
            json_object_set_new(layer, "pools", json_true());
        json_array_append_new(layers, layer);
    }
    return layers;
}

/* The times that decided: measured ones, or those of the trial if the limit left no time to measure. */
static json_t *rows_json(const struct net_times *t)
{
    json_t *out = json_array();
    for (int i = 0; i < t->rows.count; i++) {
        const struct bench_row *r = &t->rows.items[i];
        if (r->state == ROW_TIMED)
            json_array_append_new(out, json_pack("{s:s, s:f, s:f}", "name", r->name, "seconds",
                                                 r->best, "cv", r->cv));
        else if (r->state == ROW_GIVEN_UP)
            json_array_append_new(out, json_pack("{s:s, s:f, s:b}", "name", r->name, "seconds",
                                                 t->trial[i], "trial", true));
    }
    return out;
}

bool net_plan_save(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_plan *plan, const struct net_times *times, double seconds,
                   double seconds_nchw, char error[ERROR_TEXT])
{
    char build[17], image[IMAGE_TEXT];
    build_key(build);
    json_t *document = json_pack(
        "{s:i, s:s, s:s, s:I, s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:o, s:o}", "schema", SCHEMA,
        "network", key->text, "image", image_print(key->image, image), "batch",
        (json_int_t)key->batch, "threads", key->threads, "isa", isa_names[key->isa], "machine",
        m->slug, "cpu", m->brand, "build", build, "seconds", seconds, "seconds_nchw", seconds_nchw,
        "layers", net_plan_layers(times->text, plan), "rows", rows_json(times));
    char *text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
    json_decref(document);
    if (!text) {
        snprintf(error, ERROR_TEXT, "%s: out of memory for the plan", path);
        return false;
    }
    struct piece piece = {text, strlen(text)};
    char folder[PLAN_PATH];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    bool good = folder_make(folder, NULL);
    if (!good)
        snprintf(error, ERROR_TEXT, "%s: cannot make its folder: %s", path, strerror(errno));
    good = good && whole_file_write(path, &piece, 1, error);
    free(text);
    return good;
}

/* What was not what it is now when the document was written, or NULL. */
static const char *differs(const json_t *document, const struct machine *m,
                           const struct net_plan_key *key)
{
    char build[17], image[IMAGE_TEXT];
    build_key(build);
    image_print(key->image, image);
    if (json_integer_value(json_object_get(document, "schema")) != SCHEMA)
        return "version of the planner";
    const struct {
        const char *name, *value;
    } texts[] = {{"network", key->text},       {"image", image},
                 {"machine", m->slug},         {"cpu", m->brand},
                 {"isa", isa_names[key->isa]}, {"build", build}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *there = json_string_value(json_object_get(document, texts[i].name));
        if (!there || strcmp(there, texts[i].value))
            return texts[i].name;
    }
    if (json_integer_value(json_object_get(document, "batch")) != key->batch)
        return "batch";
    if (json_integer_value(json_object_get(document, "threads")) != key->threads)
        return "number of threads";
    return NULL;
}

static bool read_layer(const json_t *from, const struct layer *l, struct net_plan *plan, int i)
{
    const char *layout = json_string_value(json_object_get(from, "layout"));
    for (int k = 0; k < LAYOUTS; k++)
        if (layout && !strcmp(layout, layout_names[layouts[k]]))
            plan->layers[i].layout = layouts[k];
    if (plan->layers[i].layout == LAYOUT_NONE || !layer_takes(l, plan->layers[i].layout))
        return false;
    plan->layers[i].pools = json_is_true(json_object_get(from, "pools"));
    for (int phase = 0; phase < PHASES; phase++) {
        const json_t *call = json_object_get(json_object_get(from, "calls"), phase_names[phase]);
        const char *op = json_string_value(json_object_get(call, "op")),
                   *variant = json_string_value(json_object_get(call, "variant"));
        if (!call)
            continue;
        if (!op || !variant || !(plan->layers[i].kernels[phase] = registry_find(op, variant)))
            return false;
    }
    return true;
}

bool net_plan_read(const json_t *layers, const struct net_text *text, struct net_plan *plan)
{
    *plan = (struct net_plan){.count = text->count};
    bool good = json_array_size(layers) == (size_t)text->count;
    for (int i = 0; good && i < text->count; i++)
        good = read_layer(json_array_get(layers, (size_t)i), &text->layers[i], plan, i);
    for (int i = 0; good && i < text->count; i++)
        good = !plan->layers[i].pools ||
               (net_can_pool(text, i) && plan->layers[i].layout == NCHW &&
                plan->layers[i + 1].layout == NCHW && plan->layers[i + 2].layout == NCHW);
    return good;
}

bool net_plan_load(const char *path, const struct machine *m, const struct net_plan_key *key,
                   const struct net_text *text, struct net_plan *plan, char error[ERROR_TEXT])
{
    char again[128], image[IMAGE_TEXT];
    if (key->name)
        snprintf(again, sizeof again, "%s", key->name);
    else
        snprintf(again, sizeof again, "NETWORK --image %s", image_print(key->image, image));
    json_error_t where;
    if (access(path, F_OK)) {
        snprintf(
            error, ERROR_TEXT,
            "--kernels auto: no plan for this network, batch and team (%s: %s); make one with batchmark "
            "plan %s",
            path, strerror(errno), again);
        return false;
    }
    char reason[ERROR_TEXT];
    size_t length;
    char *written = input_text(path, "a plan", &length, reason);
    json_t *document = written ? json_loadb(written, length, 0, &where) : NULL;
    const bool read = written != NULL;
    free(written);
    const char *wrong = document ? differs(document, m, key) : NULL;
    bool good =
        document && !wrong && net_plan_read(json_object_get(document, "layers"), text, plan);
    if (!read)
        explain(error, "--kernels auto: %.350s; make it anew with batchmark plan %.100s", reason,
                again);
    else if (wrong)
        explain(
            error,
            "--kernels auto: %s: was measured with another %s; make it anew with batchmark plan "
            "%s",
            path, wrong, again);
    else if (!good)
        explain(error,
                "--kernels auto: %s: not a plan (%.100s); make it anew with batchmark plan %s",
                path, document ? "layers do not fit the network" : where.text, again);
    json_decref(document);
    return good;
}
