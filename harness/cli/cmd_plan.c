/* batchmark plan: measures what a network's layers cost in each layout and keeps the shortest path. */
#include "cli/options.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "net/net_plan.h"
#include "train/preset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of a row that does not settle; the trial and the timing share the limit evenly. */
static const double row_budget = 0.2;

/* Other layouts must save 2 % of the step, or nchw stays: less is what measuring twice differs by. */
static const double worth_leaving = 0.98;

struct request {
    const char *network;
    struct shape image; /* c 0: not given */
    int64_t batch, threads, limit;
    enum isa isa;
};

static bool read_image(const char *text, void *request)
{
    struct request *r = request;
    long long c, h, w;
    char rest[2];
    if (sscanf(text, "%lldx%lldx%lld%1s", &c, &h, &w, rest) == 3 && c > 0 && h > 0 && w > 0 &&
        c <= 100000 && h <= 100000 && w <= 100000) {
        r->image = (struct shape){c, h, w};
        return true;
    }
    wrong_use(
        "plan: --image '%.40s': give channels, height and width from 1 to 100000, as in 3x32x32",
        text);
    return false;
}

#define REQUEST struct request
static const struct option_row options[] = {
    OWN("image", "CxHxW", read_image,
        "the images of a network given as text (default: CIFAR's 3x32x32; a preset has its own)"),
    WHOLE("batch", "B", batch, 1, 1000000, "images a step (default: the preset's, else 10)"),
    WHOLE("threads", "T", threads, 1, MAX_CPUS, "team size (default: one per usable core)"),
    ISA(isa),
    WHOLE("limit", "SECONDS", limit, 1, 1000000, "time for the whole measurement (default 240)"),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark plan NETWORK [OPTIONS]\n\n"
        "Finds the layout of every tensor of a network, the variant of every call and the\n"
        "operations to fuse that make a training step shortest: measures the variants of each layer\n"
        "in each layout, apart and fused, and the reorders between layouts, every one verified first\n"
        "on a few images, and takes the shortest path. A conv can be fused with the statistics of\n"
        "the bn after it, and a bn with its relu and a maxpool 2. The plan goes to\n"
        "results/<machine>/plans/ and is what 'batchmark train NETWORK --kernels auto' uses, until\n"
        "the machine or this program changes. NETWORK is as for train.\n\n"};

/* -1: go on; else the exit status. */
static int read_request(int argc, char **argv, struct request *r)
{
    *r = (struct request){.batch = -1, .threads = -1, .limit = 240, .isa = isa_detect()};
    int status = read_options(argc, argv, &line, r);
    if (status >= 0)
        return status;
    if (optind + 1 != argc)
        return wrong_use("plan: give one network; batchmark train --list shows presets");
    r->network = argv[optind];
    return -1;
}

static void print_plan(const struct net_text *text, const struct net_plan *plan,
                       const double *seconds)
{
    printf("%-3s %-24s %-8s %9s  %s\n", "", "layer", "layout", "us", "variants");
    for (int i = 0; i < plan->count; i++) {
        char name[LAYER_TEXT];
        printf("%-3d %-24s %-8s %9.1f ", i, layer_print(&text->layers[i], name),
               layout_names[plan->layers[i].layout], 1e6 * seconds[i]);
        for (int phase = 0; phase < PHASES; phase++)
            if (plan->layers[i].kernels[phase])
                printf(" %s=%s", phase_names[phase], plan->layers[i].kernels[phase]->name);
        const struct entry *fwd = plan->layers[i].kernels[FWD];
        printf("%s%s\n", fwd && !strcmp(fwd->op, "conv_stats") ? " with bn's statistics" : "",
               plan->layers[i].pools ? " with relu and maxpool" : "");
    }
}

/* Measures, solves, prints and saves. */
static int make_plan(const struct request *r, const struct net_plan_key *key,
                     struct net_times *times, const struct machine *m)
{
    char error[ERROR_TEXT], path[PLAN_PATH];
    double start = now(), limit = (double)r->limit;
    struct progress_line shown = {.terminal = isatty(STDERR_FILENO), .last = start};
    struct bench_options o = {.threads = {key->threads},
                              .thread_counts = 1,
                              .warm = true,
                              .cap = key->isa,
                              .budget = row_budget,
                              .seed = 1};
    if (!net_times_rows(times, m, key, limit / 2, error))
        return wrong_use("plan: %s", error);
    bool verified = net_times_verify(times, &o, m, progress_show, &shown, error);
    progress_end(&shown);
    if (!verified)
        return wrong_use("plan: %s", error);
    o.limit = fmax(limit / 3, limit - (now() - start));
    bench_time(&o, m, &times->rows, progress_show, &shown);
    progress_end(&shown);
    if (!net_times_pools(times, key, error))
        return wrong_use("plan: %s", error);

    static struct net_plan plan, other;
    const struct plan_limits any = {0}, in_nchw = {.only = NCHW}, unfused = {.apart = true};
    double seconds[MAX_LAYERS];
    double total = net_plan_solve(times->text, any, net_times_cost, times, &plan, seconds);
    double nchw = net_plan_solve(times->text, in_nchw, net_times_cost, times, &other, NULL);
    double apart = net_plan_solve(times->text, unfused, net_times_cost, times, &other, NULL);
    if (isfinite(total) && total > worth_leaving * nchw)
        total = net_plan_solve(times->text, in_nchw, net_times_cost, times, &plan, seconds);
    if (!isfinite(total)) {
        printf("no plan: some layer has no variant that passed and was timed; raise --limit\n");
        return EXIT_CHECK_FAILED;
    }
    print_plan(times->text, &plan, seconds);
    net_plan_path(m, key, path);
    if (!net_plan_save(path, m, key, &plan, times, total, nchw, error))
        return wrong_use("plan: %s", error);
    printf("convolution, bn, dense, pooling and reorders: %.0f us a step of %lld images",
           1e6 * total, (long long)key->batch);
    if (isfinite(nchw))
        printf("; %.0f with every tensor in nchw", 1e6 * nchw);
    if (isfinite(apart))
        printf("; %.0f with nothing fused but bn and relu", 1e6 * apart);
    printf("\nplan: %s\n", path);
    return EXIT_GOOD;
}

int cmd_plan(int argc, char **argv)
{
    struct request r;
    int status = read_request(argc, argv, &r);
    if (status >= 0)
        return status;
    static struct net_text text;
    static struct machine m;
    char error[ERROR_TEXT];
    const struct preset *p = preset_find(r.network);
    const struct data_shape *image = &data_shapes[p ? p->data : DATA_ANY];
    if (p && r.image.c)
        return wrong_use("plan: --image goes with a text: %s has images of its own", p->name);
    const struct shape shape =
        r.image.c ? r.image : (struct shape){image->channels, image->height, image->width};
    if (!net_text_parse(p ? p->text : r.network, shape, &text, error))
        return wrong_use("plan: %s; batchmark train --list shows presets", error);
    if (!machine_detect(&m, error, sizeof error))
        return wrong_use("plan: %s", error);
    if (m.emulated)
        status = wrong_use("plan: this CPU is emulated: its times mean nothing");
    else if (r.threads > m.cpu_count)
        status = wrong_use("plan: --threads %lld: this machine has %d usable cores",
                           (long long)r.threads, m.cpu_count);
    else if (r.threads > m.team)
        status = wrong_use("plan: --threads %lld: %s", (long long)r.threads, m.team_why);
    if (status < 0) {
        struct net_plan_key key = {.text = p ? p->text : r.network,
                                   .image = shape,
                                   .name = p ? p->name : NULL,
                                   .batch = r.batch > 0 ? r.batch
                                            : p         ? p->batch
                                                        : 10,
                                   .threads = r.threads > 0 ? (int)r.threads : m.team,
                                   .isa = r.isa};
        static struct net_times times;
        times.text = &text;
        times.batch = key.batch;
        status = make_plan(&r, &key, &times, &m);
        net_times_free(&times);
    }
    machine_free(&m);
    return status;
}
