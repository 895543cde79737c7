/* batchmark train: trains a network and reports loss, accuracy, speed and where the time went. */
#include "build_info.h"
#include "clock.h"
#include "command.h"
#include "kernel_choice.h"
#include "machine.h"
#include "net_plan.h"
#include "op.h"
#include "preset.h"
#include "train.h"
#include "verify.h"
#include "whole_file.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: batchmark train NETWORK [OPTIONS]\n"
    "       batchmark train --list\n\n"
    "Trains NETWORK on softmax cross-entropy. Each epoch reports loss and accuracy on the\n"
    "training set (running means over the epoch) and on the test set, and images per second. Every\n"
    "kernel it picks is verified against the float64 reference before the first step.\n\n"
    "NETWORK is a preset (--list) or text, layers separated by ';':\n"
    "  conv OUT KxK [same] [stride S] [nobias]     dense OUT [nobias]     relu  sigmoid  tanh\n"
    "  bn [eps E] [momentum M]                     maxpool K [stride S]     flatten     dropout P\n"
    "  'conv 32 3x3 same; bn; relu; maxpool 2; dense 10'\n\n"
    "  --data DIR|synthetic[:TRAIN[:TEST]]\n"
    "                      the files of the data set the preset is about, or for a text of the one\n"
    "                      that DIR holds: CIFAR-10 or CIFAR-100 in binary form, MNIST's IDX files as\n"
    "                      they are or .gz, in DIR itself or in DIR/cifar-10-batches-bin,\n"
    "                      DIR/cifar-100-binary, DIR/MNIST/raw. Or the built-in set of ten classes\n"
    "                      (default: 50000 images and 10000)\n"
    "  --epochs E | --steps N\n"
    "                      how long (default: the preset's, else 5 epochs)\n"
    "  --batch B           images a step (default: the preset's, else 10); the short last batch of\n"
    "                      an epoch is kept\n"
    "  --optimizer adam|sgd|rmsprop\n"
    "                      as PyTorch defines them (default: the preset's, else adam)\n"
    "  --lr R              learning rate (default: the preset's, else 1e-3)\n"
    "  --momentum M        of sgd (default 0); --nesterov looks ahead with it\n"
    "  --rho R             of rmsprop: the weight of the old mean square (default: the preset's, else 0.99)\n"
    "  --decay W           adds W times the weight to its gradient (default 0)\n"
    "  --initial pytorch|glorot|he\n"
    "                      weights at first: PyTorch's of conv and dense, Glorot uniform as in Keras,\n"
    "                      He normal; biases are 0 in the last two (default: the preset's, else pytorch)\n"
    "  --pixels unit|centered\n"
    "                      over 255, or less the mean of all pixels of the split (default: the preset's,\n"
    "                      else unit)\n"
    "  --augment CHANGES   of training images, as in 'flip, shear 0.2, zoom 0.2, shift 4' (degrees, a\n"
    "                      share, pixels), or none (default: the preset's, else none)\n"
    "  --seed K            of initial weights, shuffling and synthetic images (default: the\n"
    "                      preset's, else 44)\n"
    "  --shuffle on|off    a new order each epoch (default on)\n"
    "  --init FILE         start from these weights\n"
    "  --save FILE         write them at the end. Both are safetensors with the names of PyTorch's\n"
    "                      nn.Sequential: LAYER.weight, LAYER.bias, LAYER.running_mean,\n"
    "                      LAYER.running_var, layers counted from 0 as --describe prints them\n"
    "  --threads T         team size (default: one per usable core)\n"
    "  --kernels CHOICE    which variants run, as in\n"
    "                      'conv_fwd=direct_*_omp,naive;bn_fwd_train=welford*': groups separated\n"
    "                      by ';', each OPERATIONS=PATTERNS, or PATTERNS for all operations. The\n"
    "                      first pattern with a variant that fits is used; none is an error.\n"
    "                      Operations not named: winograd4 for 3x3 with channels enough, rows and\n"
    "                      planes for few, else direct, im2col, blocked, naive; OpenMP where the work\n"
    "                      is worth it; the highest ISA level. That order is fixed by the shape,\n"
    "                      nothing is measured\n"
    "  --kernels auto      the measured plan of 'batchmark plan NETWORK': layouts and variants\n"
    "  --fuse auto|on|off|stats\n"
    "                      bn, the relu after it, and a maxpool 2 after that in nchw, as one operation\n"
    "                      (default auto: where variants exist, rows are wide enough and --kernels\n"
    "                      names none for bn); stats: on, and conv gathers the statistics of the bn\n"
    "                      after it, as auto does where the same variant can\n"
    "  --isa LEVEL         as if the CPU stopped at base, avx2, avx512 or avx512bf16\n"
    "  --json FILE         JSON lines: step, epoch and summary events\n"
    "  --log N             a step event every N steps, with the mean loss since the last (default:\n"
    "                      1 with --steps, else 100)\n"
    "  --list              the presets\n"
    "  --describe          print the layers and the kernels chosen, and train nothing\n"
    "The same seed, threads and kernels give the same bits.\n";

/* What the command line asks for; numbers below 0 are the preset's. */
struct request {
    const char *network, *data, *init, *save, *json;
    int64_t epochs, steps, batch, seed, threads, log;
    double lr, momentum, rho, decay;
    int optimizer, initial, pixels; /* of their enumerations */
    struct augment augment;
    bool shuffle, describe, nesterov, augmented;
    const char *kernels;
    enum isa isa;
    enum fuse fuse;
};

/* A run: what was asked for, made real. */
struct run {
    struct request request;
    const struct preset *preset; /* NULL: a network as text */
    const char *text;
    struct net_text layers;
    struct data_source source;
    struct data data;
    struct optimizer optimizer;
    struct machine machine;
    struct net *net;
    struct trainer trainer;
    FILE *json;
    bool terminal;
    int64_t steps; /* of the whole run */
};

static const char *const optimizer_names[] = {
    [OPTIMIZER_ADAM] = "adam", [OPTIMIZER_SGD] = "sgd", [OPTIMIZER_RMSPROP] = "rmsprop", NULL};

static int print_presets(void)
{
    for (const struct preset *p = presets; p->name; p++)
        printf("%s: %s\n    %s\n    %s, %lld %s, batch %lld, %s %g, seed %llu\n", p->name, p->what,
               p->text, data_shapes[p->data].name, (long long)(p->steps ? p->steps : p->epochs),
               p->steps ? "steps" : "epochs", (long long)p->batch,
               optimizer_names[p->optimizer.kind], p->optimizer.lr, (unsigned long long)p->seed);
    return EXIT_GOOD;
}

static bool read_rate(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && !*end && *out > 0 && *out <= 1e6)
        return true;
    wrong_use("--lr '%s': give a positive number, as in 1e-4", text);
    return false;
}

/* A number from 0 to below 1. */
static bool read_share(const char *option, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && !*end && *out >= 0 && *out < 1)
        return true;
    wrong_use("%s '%s': give a number from 0 to below 1, as in 0.9", option, text);
    return false;
}

/* Picks one of the words. False: printed what is wrong. */
static bool read_word(const char *option, const char *text, const char *const words[], int *out)
{
    for (*out = 0; words[*out]; ++*out)
        if (!strcmp(text, words[*out]))
            return true;
    char given[128];
    int length = snprintf(given, sizeof given, "%s", words[0]);
    for (int i = 1; words[i]; i++)
        length += snprintf(given + length, sizeof given - (size_t)length, "%s%s",
                           words[i + 1] ? ", " : " or ", words[i]);
    wrong_use("%s '%s': give %s", option, text, given);
    return false;
}

/* -1: go on; else the exit status. */
static int read_request(int argc, char **argv, struct request *r)
{
    enum {
        DATA = 256,
        EPOCHS,
        STEPS,
        BATCH,
        OPTIMIZER,
        RATE,
        MOMENTUM,
        NESTEROV,
        RHO,
        DECAY,
        INITIAL,
        PIXELS,
        AUGMENT,
        SEED,
        SHUFFLE,
        INIT,
        SAVE,
        THREADS,
        KERNELS,
        FUSE,
        ISA,
        JSON,
        LOG,
        LIST,
        DESCRIBE,
        HELP
    };
    const struct option options[] = {{"data", required_argument, NULL, DATA},
                                     {"epochs", required_argument, NULL, EPOCHS},
                                     {"steps", required_argument, NULL, STEPS},
                                     {"batch", required_argument, NULL, BATCH},
                                     {"optimizer", required_argument, NULL, OPTIMIZER},
                                     {"lr", required_argument, NULL, RATE},
                                     {"momentum", required_argument, NULL, MOMENTUM},
                                     {"nesterov", no_argument, NULL, NESTEROV},
                                     {"rho", required_argument, NULL, RHO},
                                     {"decay", required_argument, NULL, DECAY},
                                     {"initial", required_argument, NULL, INITIAL},
                                     {"pixels", required_argument, NULL, PIXELS},
                                     {"augment", required_argument, NULL, AUGMENT},
                                     {"seed", required_argument, NULL, SEED},
                                     {"shuffle", required_argument, NULL, SHUFFLE},
                                     {"init", required_argument, NULL, INIT},
                                     {"save", required_argument, NULL, SAVE},
                                     {"threads", required_argument, NULL, THREADS},
                                     {"kernels", required_argument, NULL, KERNELS},
                                     {"fuse", required_argument, NULL, FUSE},
                                     {"isa", required_argument, NULL, ISA},
                                     {"json", required_argument, NULL, JSON},
                                     {"log", required_argument, NULL, LOG},
                                     {"list", no_argument, NULL, LIST},
                                     {"describe", no_argument, NULL, DESCRIBE},
                                     {"help", no_argument, NULL, HELP},
                                     {0}};
    static const char *const on_off[] = {"on", "off", NULL}, *const fuses[] = {"auto", "off", "on",
                                                                               "stats", NULL};
    static const char *const initials[] = {"pytorch", "glorot", "he", NULL},
                             *const pixel_forms[] = {"unit", "centered", NULL};
    char error[ERROR_TEXT];
    *r = (struct request){.data = "synthetic",
                          .epochs = -1,
                          .steps = -1,
                          .batch = -1,
                          .seed = -1,
                          .threads = -1,
                          .log = -1,
                          .lr = -1,
                          .momentum = -1,
                          .rho = -1,
                          .optimizer = -1,
                          .initial = -1,
                          .pixels = -1,
                          .shuffle = true,
                          .isa = isa_detect()};
    for (int c, word; (c = next_option(argc, argv, options)) != -1;) {
        bool good = true;
        switch (c) {
        case DATA: r->data = optarg; break;
        case EPOCHS: good = read_whole("--epochs", optarg, 1, 1000000, &r->epochs); break;
        case STEPS: good = read_whole("--steps", optarg, 1, 1000000000000, &r->steps); break;
        case BATCH: good = read_whole("--batch", optarg, 1, 1000000, &r->batch); break;
        case OPTIMIZER:
            good = read_word("--optimizer", optarg, optimizer_names, &r->optimizer);
            break;
        case INITIAL: good = read_word("--initial", optarg, initials, &r->initial); break;
        case PIXELS: good = read_word("--pixels", optarg, pixel_forms, &r->pixels); break;
        case AUGMENT:
            r->augmented = true;
            if (!(good = augment_parse(optarg, &r->augment, error)))
                wrong_use("%s", error);
            break;
        case RATE: good = read_rate(optarg, &r->lr); break;
        case MOMENTUM: good = read_share("--momentum", optarg, &r->momentum); break;
        case NESTEROV: r->nesterov = true; break;
        case RHO: good = read_share("--rho", optarg, &r->rho); break;
        case DECAY: good = read_share("--decay", optarg, &r->decay); break;
        case SEED: good = read_whole("--seed", optarg, 0, INT64_MAX, &r->seed); break;
        case SHUFFLE:
            good = read_word("--shuffle", optarg, on_off, &word);
            r->shuffle = word == 0;
            break;
        case INIT: r->init = optarg; break;
        case SAVE: r->save = optarg; break;
        case THREADS: good = read_whole("--threads", optarg, 1, MAX_CPUS, &r->threads); break;
        case KERNELS: r->kernels = optarg; break;
        case FUSE:
            good = read_word("--fuse", optarg, fuses, &word);
            r->fuse = (enum fuse)word;
            break;
        case ISA: good = read_isa_cap(optarg, &r->isa); break;
        case JSON: r->json = optarg; break;
        case LOG: good = read_whole("--log", optarg, 1, 1000000000, &r->log); break;
        case LIST: return print_presets();
        case DESCRIBE: r->describe = true; break;
        case HELP: fputs(help, stdout); return EXIT_GOOD;
        default: return EXIT_WRONG_USE;
        }
        if (!good)
            return EXIT_WRONG_USE;
    }
    if (optind == argc)
        return wrong_use(
            "train: which network? batchmark train --list shows presets, --help the layers");
    if (optind + 1 < argc)
        return wrong_use("train: one network, not also '%s'; quote its text", argv[optind + 1]);
    if (r->epochs > 0 && r->steps > 0)
        return wrong_use("train: --epochs or --steps, not both");
    r->network = argv[optind];
    return -1;
}

/* The preset's optimizer, or another with PyTorch's defaults, as far as options do not say otherwise; those of another
 * optimizer are a mistake, not to be passed over. */
static bool choose_optimizer(const struct request *r, const struct preset *p, struct optimizer *o)
{
    *o = p->optimizer;
    if (r->optimizer >= 0 && r->optimizer != (int)o->kind)
        *o = (struct optimizer){.kind = (enum optimizer_kind)r->optimizer,
                                .lr = o->lr,
                                .beta1 = r->optimizer == OPTIMIZER_ADAM ? 0.9 : 0,
                                .beta2 = r->optimizer == OPTIMIZER_ADAM ? 0.999 : 0.99,
                                .eps = 1e-8};
    if (r->momentum >= 0 && o->kind != OPTIMIZER_SGD)
        wrong_use("--momentum: only with --optimizer sgd");
    else if (r->rho >= 0 && o->kind != OPTIMIZER_RMSPROP)
        wrong_use("--rho: only with --optimizer rmsprop");
    else if (r->nesterov && r->momentum <= 0)
        wrong_use("--nesterov: needs --momentum above 0");
    else {
        o->lr = r->lr > 0 ? r->lr : o->lr;
        o->beta1 = r->momentum >= 0 ? r->momentum : o->beta1;
        o->beta2 = r->rho >= 0 ? r->rho : o->beta2;
        o->decay = r->decay;
        o->nesterov = r->nesterov;
        return true;
    }
    return false;
}

/* Preset or text, and the settings that were not given. */
static int resolve(struct run *run)
{
    struct request *r = &run->request;
    char error[ERROR_TEXT];
    run->preset = preset_find(r->network);
    const struct preset *p = run->preset ? run->preset : &preset_of_texts;
    run->text = run->preset ? p->text : r->network;
    if (!choose_optimizer(r, p, &run->optimizer))
        return EXIT_WRONG_USE;
    if (!data_find(r->data, p->data, &run->source, error))
        return wrong_use("%s", error);
    const struct data_shape *image = &data_shapes[run->source.kind];
    struct shape shape = {image->channels, image->height, image->width};
    /* One word is a preset's name mistyped, unless it is a layer's. */
    if (!net_text_parse(run->text, shape, &run->layers, error)) {
        if (!strpbrk(r->network, " ;"))
            return wrong_use("train: no preset '%s' and no layer of that name; batchmark train "
                             "--list shows presets",
                             r->network);
        return wrong_use("%s", error);
    }
    if (r->kernels && strcmp(r->kernels, "auto") && !kernel_choice_check(r->kernels, error))
        return wrong_use("%s", error);
    r->log = r->log > 0 ? r->log : r->steps > 0 ? 1 : 100;
    if (r->steps < 0 && r->epochs < 0) {
        r->steps = p->steps ? p->steps : -1;
        r->epochs = p->epochs;
    }
    r->batch = r->batch > 0 ? r->batch : p->batch;
    r->seed = r->seed >= 0 ? r->seed : (int64_t)p->seed;
    r->initial = r->initial >= 0 ? r->initial : (int)p->init;
    r->pixels = r->pixels >= 0 ? r->pixels : p->centered;
    if (!r->augmented)
        r->augment = p->augment;
    if (r->save && !whole_file_possible(r->save, error))
        return wrong_use("%s", error);
    return -1;
}

/* The team: pinned one thread a core where there are cores enough. */
static int set_threads(struct run *run)
{
    struct request *r = &run->request;
    char error[ERROR_TEXT];
    if (!machine_detect(&run->machine, error, sizeof error))
        return wrong_use("%s", error);
    if (run->machine.emulated && !r->describe)
        return wrong_use("train: this CPU is emulated: its times mean nothing; 'batchmark verify' "
                         "works here");
    if (r->threads < 0)
        r->threads = run->machine.cpu_count;
    if (r->threads > run->machine.cpu_count)
        printf("%lld threads on %d usable cores: not pinned, and slower than one a core\n",
               (long long)r->threads, run->machine.cpu_count);
    else if (!machine_pin_team(&run->machine, (int)r->threads, error, sizeof error))
        printf("threads are not pinned: %s\n", error);
    return -1;
}

static int make_network(struct run *run)
{
    const struct request *r = &run->request;
    char error[ERROR_TEXT];
    struct net_options o = {.seed = (uint64_t)r->seed,
                            .init = (enum init)r->initial,
                            .hints = machine_hints(&run->machine, (int)r->threads),
                            .kernels = r->kernels,
                            .isa = r->isa,
                            .fuse = r->fuse,
                            .memory = (double)run->machine.memory};
    o.hints.keep = true;
    train_sizes(&run->data, r->batch, &o);
    if (r->kernels && !strcmp(r->kernels, "auto")) {
        static struct net_plan plan;
        struct net_plan_key key = {.text = run->text,
                                   .name = run->preset ? run->preset->name : NULL,
                                   .batch = o.batch,
                                   .threads = (int)r->threads,
                                   .isa = r->isa};
        char path[PLAN_PATH];
        net_plan_path(&run->machine, &key, path);
        if (!net_plan_load(path, &run->machine, &key, &run->layers, &plan, error))
            return wrong_use("%s", error);
        o.kernels = NULL;
        o.plan = &plan;
    }
    run->net = net_create(&run->layers, &o, error);
    if (!run->net || (r->init && !train_load(run->net, r->init, error)))
        return wrong_use("%s", error);
    int64_t epoch_steps = div_up(run->data.train.count, o.batch);
    run->steps = r->steps > 0 ? r->steps : r->epochs * epoch_steps;
    return -1;
}

/* Each layer with the variants of its training pass; calls of other batch sizes only where they differ. */
static void print_layers(const struct run *run)
{
    double flops = 0;
    printf("%-3s %-24s %-12s %10s %12s\n", "", "layer", "output", "parameters", "FLOPs/image");
    for (int i = 0; i < run->layers.count; i++) {
        const struct layer *l = &run->layers.layers[i];
        char text[LAYER_TEXT], shape[64];
        snprintf(shape, sizeof shape, l->dst.h * l->dst.w > 1 ? "%lldx%lldx%lld" : "%lld",
                 (long long)l->dst.c, (long long)l->dst.h, (long long)l->dst.w);
        printf("%-3d %-24s %-12s %10lld %12.0f\n", i, layer_print(l, text), shape,
               (long long)layer_parameters(l), layer_flops(l));
        flops += layer_flops(l);
    }
    printf("    %-24s %-12s %10lld %12.0f   (%.1f MB)\n", "total", "",
           (long long)net_parameters(run->net), flops, net_bytes(run->net) / 1e6);
}

static bool same_kernel(const struct call *a, const struct call *b)
{
    return a->entry == b->entry && problem_equal(&a->problem, &b->problem) &&
           a->args.formats.src == b->args.formats.src && a->args.formats.dst == b->args.formats.dst;
}

/* Is call i the first with its variant and problem? */
static bool first_of_kind(const struct net *n, int i)
{
    for (int j = 0; j < i; j++)
        if (same_kernel(net_call(n, j), net_call(n, i)))
            return false;
    return true;
}

static void print_kernels(const struct run *run)
{
    printf("kernels:\n");
    for (int i = 0; i < net_call_count(run->net); i++) {
        const struct call *c = net_call(run->net, i);
        bool shown = false;
        for (int j = 0; j < i && !shown; j++)
            shown =
                net_call(run->net, j)->layer == c->layer && same_kernel(net_call(run->net, j), c);
        char problem[PROBLEM_TEXT], formats[FORMATS_TEXT];
        if (!shown)
            printf("  %-3d %s/%s/%s/%s\n", c->layer, c->entry->op, c->entry->name,
                   problem_print(&c->problem, problem), formats_print(c->args.formats, formats));
    }
}

/* Proves every variant on the problems it was picked for, on sampled outputs. */
static int verify_kernels(const struct run *run)
{
    enum { COORDINATES = 512 };
    int checked = 0;
    for (int i = 0; i < net_call_count(run->net); i++) {
        const struct call *c = net_call(run->net, i);
        if (!first_of_kind(run->net, i))
            continue;
        const struct verify_case k = {.entry = c->entry,
                                      .problem = c->problem,
                                      .formats = c->args.formats,
                                      .seed = (uint64_t)run->request.seed,
                                      .hints = c->args.hints};
        struct verdict v = verify_case(k.entry, &k.problem, k.formats, k.seed, k.hints,
                                       GATE_HYGIENE | GATE_EXACT | GATE_BOUND, COORDINATES);
        char problem[PROBLEM_TEXT], command[COMMAND_TEXT];
        if (v.kind != VERDICT_PASS && v.kind != VERDICT_INAPPLICABLE) {
            fprintf(stderr,
                    "batchmark: layer %d: %s/%s %s: %s: %s; choose another with --kernels; seed "
                    "%llu; repeat: %s\n",
                    c->layer, c->entry->op, c->entry->name, problem_print(&c->problem, problem),
                    verdict_names[v.kind], v.message, (unsigned long long)k.seed,
                    verify_command(&k, command));
            return EXIT_CHECK_FAILED;
        }
        checked++;
    }
    printf("%d kernels verified on their problems\n", checked);
    return -1;
}

/* A number for JSON, which has no NaN: a diverged loss is null. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* Writes one event and frees it. False: printed what is wrong. */
static bool log_event(struct run *run, json_t *event)
{
    bool good = true;
    if (run->json) {
        good = !json_dumpf(event, run->json, JSON_COMPACT) && fputc('\n', run->json) != EOF &&
               !fflush(run->json);
        if (!good)
            wrong_use("%s: cannot write: %s", run->request.json, strerror(errno));
    }
    json_decref(event);
    return good;
}

/* Sums over the current epoch, and since the last step event. */
struct meter {
    struct outcome sum;
    int64_t images, steps;
    double seconds;
};

static void meter_add(struct meter *m, struct outcome o, int64_t images, double seconds)
{
    m->sum.loss += o.loss;
    m->sum.correct += o.correct;
    m->images += images;
    m->steps++;
    m->seconds += seconds;
}

static double mean_loss(const struct meter *m)
{
    return m->sum.loss / (double)m->images;
}

static double accuracy(const struct meter *m)
{
    return (double)m->sum.correct / (double)m->images;
}

static double speed(const struct meter *m)
{
    return (double)m->images / m->seconds;
}

/* On a terminal a bar that is redrawn, else a plain line now and then. */
static void show_progress(const struct run *run, const struct meter *epoch, int64_t step,
                          double elapsed)
{
    enum { WIDTH = 24 };
    double share = (double)step / (double)run->steps, left = elapsed / share - elapsed;
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < (int)(share * WIDTH) ? '#' : '.';
    bar[WIDTH] = '\0';
    printf(
        run->terminal
            ? "\repoch %lld [%s] %3.0f %%  loss %.4f  accuracy %.4f  %.0f images/s  %d:%02d left "
              "\033[K"
            : "epoch %lld  [%s] %3.0f %%  loss %.4f  accuracy %.4f  %.0f images/s  %d:%02d left\n",
        (long long)run->trainer.epoch, bar, 100 * share, mean_loss(epoch), accuracy(epoch),
        speed(epoch), (int)left / 60, (int)left % 60);
    fflush(stdout);
}

/* Ends an epoch: tests, prints, logs. False: the log cannot be written. */
static bool report_epoch(struct run *run, const struct meter *epoch, struct outcome *test)
{
    double images = (double)run->data.test.count;
    *test = trainer_test(&run->trainer);
    if (run->terminal)
        printf("\r\033[K");
    printf("epoch %lld: train loss %.4f accuracy %.4f, test loss %.4f accuracy %.4f, %.0f "
           "images/s, %.1f s\n",
           (long long)run->trainer.epoch, mean_loss(epoch), accuracy(epoch), test->loss / images,
           (double)test->correct / images, speed(epoch), epoch->seconds);
    fflush(stdout);
    return log_event(run, json_pack("{s:s, s:I, s:I, s:o, s:f, s:o, s:f, s:f, s:f}", "event",
                                    "epoch", "epoch", (json_int_t)run->trainer.epoch, "steps",
                                    (json_int_t)epoch->steps, "train_loss",
                                    number(mean_loss(epoch)), "train_accuracy", accuracy(epoch),
                                    "test_loss", number(test->loss / images), "test_accuracy",
                                    (double)test->correct / images, "images_per_second",
                                    speed(epoch), "seconds", epoch->seconds));
}

/* {"conv_fwd": ["direct_avx512_omp"], ...} */
static json_t *kernels_json(const struct net *n)
{
    json_t *all = json_object();
    for (int i = 0; i < net_call_count(n); i++) {
        const struct entry *e = net_call(n, i)->entry;
        json_t *list = json_object_get(all, e->op);
        if (!list) {
            list = json_array();
            json_object_set_new(all, e->op, list);
        }
        bool there = false;
        for (size_t j = 0; j < json_array_size(list); j++)
            there |= !strcmp(json_string_value(json_array_get(list, j)), e->name);
        if (!there)
            json_array_append_new(list, json_string(e->name));
    }
    return all;
}

/* Microseconds of a step by layer. What fusion moved into another layer shows there. */
static void print_times(const struct run *run, int64_t steps)
{
    double each = 1e6 / (double)steps;
    struct net_seconds s = net_seconds(run->net);
    printf("microseconds of a step  %28s %9s\n", "forward", "backward");
    for (int i = 0; i < run->layers.count; i++) {
        char text[LAYER_TEXT];
        double forward = net_layer_seconds(run->net, i, false),
               backward = net_layer_seconds(run->net, i, true);
        if (run->layers.layers[i].kind != LAYER_FLATTEN)
            printf("  %-3d %-36s %9.1f %9.1f\n", i, layer_print(&run->layers.layers[i], text),
                   forward * each, backward * each);
    }
    printf("  input %.1f, loss %.1f, update %.1f\n", run->trainer.input_seconds * each,
           s.loss * each, s.update * each);
}

static bool report_summary(struct run *run, const struct meter *all, const struct meter *epoch,
                           struct outcome test)
{
    const struct request *r = &run->request;
    struct net_seconds s = net_seconds(run->net);
    double input = run->trainer.input_seconds, other = s.other + s.loss + s.update;
    double rest = s.dense + s.reorder + other + input, total = s.conv + s.bn + rest;
    double images = (double)run->data.test.count;
    print_times(run, all->steps);
    printf(
        "time: conv %.1f %%, bn %.1f %%, rest %.1f %% (dense %.1f %%, reorders %.1f %%, input %.1f %%, "
        "other %.1f %%)\n",
        100 * s.conv / total, 100 * s.bn / total, 100 * rest / total, 100 * s.dense / total,
        100 * s.reorder / total, 100 * input / total, 100 * other / total);
    printf("%lld steps, %lld images in %.1f s: %.0f images/s; test accuracy %.4f\n",
           (long long)all->steps, (long long)all->images, all->seconds, speed(all),
           (double)test.correct / images);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:f, s:I, s:I, s:b}", "event", "summary", "preset",
        run->preset ? run->preset->name : "", "network", run->text, "data", run->data.name, "steps",
        (json_int_t)all->steps, "batch", (json_int_t)r->batch, "optimizer",
        optimizer_names[run->optimizer.kind], "lr", run->optimizer.lr, "seed", (json_int_t)r->seed,
        "threads", (json_int_t)r->threads, "shuffle", r->shuffle);
    json_object_set_new(o, "train_loss", number(mean_loss(epoch)));
    json_object_set_new(o, "train_accuracy", json_real(accuracy(epoch)));
    json_object_set_new(o, "test_loss", number(test.loss / images));
    json_object_set_new(o, "test_accuracy", json_real((double)test.correct / images));
    json_object_set_new(o, "images_per_second", json_real(speed(all)));
    json_object_set_new(o, "seconds", json_real(all->seconds));
    json_object_set_new(o, "share_conv", json_real(s.conv / total));
    json_object_set_new(o, "share_bn", json_real(s.bn / total));
    json_object_set_new(o, "share_rest", json_real(rest / total));
    json_object_set_new(o, "share_dense", json_real(s.dense / total));
    json_object_set_new(o, "share_reorder", json_real(s.reorder / total));
    json_object_set_new(o, "share_input", json_real(input / total));
    json_object_set_new(o, "parameters", json_integer(net_parameters(run->net)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)net_bytes(run->net)));
    json_object_set_new(o, "kernels", kernels_json(run->net));
    json_object_set_new(o, "machine", json_string(run->machine.slug));
    json_object_set_new(o, "commit", json_string(build_commit));
    return log_event(run, o);
}

static int train(struct run *run)
{
    /* Seconds between two drawings. */
    const double pause = run->terminal ? 0.2 : 10;
    struct meter all = {0}, epoch = {0}, since = {0};
    struct outcome test = {0};
    double start = now(), drawn = start;
    struct trainer *t = &run->trainer;
    for (int64_t step = 1; step <= run->steps; step++) {
        if (trainer_epoch_done(t))
            epoch = (struct meter){0};
        int64_t images;
        double then = now();
        struct outcome out = trainer_step(t, &images);
        double end = now();
        meter_add(&all, out, images, end - then);
        meter_add(&epoch, out, images, end - then);
        meter_add(&since, out, images, end - then);
        if (since.steps == run->request.log) {
            if (!log_event(run, json_pack("{s:s, s:I, s:I, s:o}", "event", "step", "step",
                                          (json_int_t)step, "epoch", (json_int_t)t->epoch, "loss",
                                          number(mean_loss(&since)))))
                return EXIT_WRONG_USE;
            since = (struct meter){0};
        }
        if (end - drawn > pause) {
            show_progress(run, &epoch, step, end - start);
            drawn = end;
        }
        if ((trainer_epoch_done(t) || step == run->steps) && !report_epoch(run, &epoch, &test))
            return EXIT_WRONG_USE;
    }
    return report_summary(run, &all, &epoch, test) ? -1 : EXIT_WRONG_USE;
}

/* Everything from the data on. -1: all went well. */
static int carry_out(struct run *run)
{
    const struct request *r = &run->request;
    char error[ERROR_TEXT];
    int status = set_threads(run);
    if (status >= 0)
        return status;
    if (!data_load(&run->source, (uint64_t)r->seed, &run->data, error))
        return wrong_use("%s", error);
    if ((status = make_network(run)) >= 0)
        return status;
    /* An earlier log is kept until the kernels have proved right. */
    if (r->json && !r->describe && !(run->json = fopen(r->json, "a")))
        return wrong_use("--json '%.200s': cannot write: %s; name a file in a folder that exists",
                         r->json, strerror(errno));
    printf("%s: %s\n%lld + %lld images of %s, batch %lld, %s %g, seed %lld, shuffle %s, %lld "
           "threads\n",
           run->preset ? run->preset->name : "network", run->preset ? run->preset->what : run->text,
           (long long)run->data.train.count, (long long)run->data.test.count, run->data.name,
           (long long)r->batch, optimizer_names[run->optimizer.kind], run->optimizer.lr,
           (long long)r->seed, r->shuffle ? "on" : "off", (long long)r->threads);
    print_layers(run);
    print_kernels(run);
    if (r->describe)
        return -1;
    if ((status = verify_kernels(run)) >= 0)
        return status;
    /* What is no regular file cannot be cut. */
    if (run->json && ftruncate(fileno(run->json), 0) && errno != EINVAL)
        return wrong_use("--json '%.200s': cannot write: %s; name another file", r->json,
                         strerror(errno));
    run->trainer = (struct trainer){.net = run->net,
                                    .data = &run->data,
                                    .optimizer = run->optimizer,
                                    .batch = r->batch,
                                    .shuffle = r->shuffle,
                                    .seed = (uint64_t)r->seed,
                                    .centered = r->pixels,
                                    .augment = r->augment,
                                    .threads = (int)r->threads};
    if (!trainer_start(&run->trainer))
        return wrong_use("out of memory for the order of the images");
    if ((status = train(run)) >= 0)
        return status;
    if (r->save && !train_save(run->net, r->save, run->text, error))
        return wrong_use("%s", error);
    return -1;
}

int cmd_train(int argc, char **argv)
{
    /* Holds the parsed network, too large for comfort on a stack. */
    static struct run run;
    run = (struct run){.terminal = isatty(STDOUT_FILENO)};
    int status = read_request(argc, argv, &run.request);
    if (status < 0)
        status = resolve(&run);
    if (status < 0)
        status = carry_out(&run);
    if (run.json && fclose(run.json) && status < 0)
        status = wrong_use("%s: cannot write: %s", run.request.json, strerror(errno));
    trainer_finish(&run.trainer);
    net_free(run.net);
    data_free(&run.data);
    machine_free(&run.machine);
    return status < 0 ? EXIT_GOOD : status;
}
