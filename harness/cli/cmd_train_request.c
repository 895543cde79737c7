/* What batchmark train is asked to do: the command line, filled up from presets. */
#include "cli/cmd_train.h"
#include "cli/options.h"
#include "core/whole_file.h"
#include "net/kernel_choice.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const optimizer_names[] = {
    [OPTIMIZER_ADAM] = "adam", [OPTIMIZER_SGD] = "sgd", [OPTIMIZER_RMSPROP] = "rmsprop", NULL};

enum { BIAS_KEEP, BIAS_DROP };

#define MOST_STEPS 1000000000 /* between two events */
#define MOST_IMAGES 1000000000

static const char *const initial_words[] = {"pytorch", "glorot", "he", NULL},
                         *const bn_words[] = {[BN_ON] = "on", "off", "pre", "post", NULL},
                         *const bias_words[] = {"keep", "drop", NULL};
const char *const pixel_words[] = {"unit", "centered", NULL},
                  *const shuffle_words[] = {"off", "on", NULL},
                  *const fuse_words[] = {"auto", "off", "on", "stats", NULL},
                  *const test_bn_words[] = {"running", "both", NULL};

json_t *optimizer_json(const struct optimizer *o)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:b, s:I}", "name", optimizer_names[o->kind],
                     "lr", o->lr, "beta1", o->beta1, "beta2", o->beta2, "eps", o->eps, "decay",
                     o->decay, "nesterov", o->nesterov, "step", (json_int_t)o->step);
}

static json_t *preset_json(const struct preset *p)
{
    char augment[AUGMENT_TEXT];
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:s, s:s, s:I}", "name", p->name, "what",
                  p->what, "network", p->text, "data_set", data_shapes[p->data].name, "batch",
                  (json_int_t)p->batch, "optimizer", optimizer_json(&p->optimizer), "initial",
                  initial_words[p->init], "pixels", pixel_words[p->centered], "augment",
                  augment_print(&p->augment, augment), "seed", (json_int_t)p->seed);
    json_object_set_new(o, p->steps ? "steps" : "epochs",
                        json_integer(p->steps ? p->steps : p->epochs));
    return o;
}

/* As a table, or as JSON lines into a file. */
static int list_presets(const char *json)
{
    FILE *file = json ? fopen(json, "w") : NULL;
    bool good = !json || file;
    for (const struct preset *p = presets; p->name && good; p++) {
        if (!json) {
            printf("%s: %s\n    %s\n    %s, %lld %s, batch %lld, %s %g, seed %llu\n", p->name,
                   p->what, p->text, data_shapes[p->data].name,
                   (long long)(p->steps ? p->steps : p->epochs), p->steps ? "steps" : "epochs",
                   (long long)p->batch, optimizer_names[p->optimizer.kind], p->optimizer.lr,
                   (unsigned long long)p->seed);
            continue;
        }
        json_t *o = preset_json(p);
        good = o && !json_dumpf(o, file, JSON_COMPACT) && fputc('\n', file) != EOF;
        json_decref(o);
    }
    if (file && fclose(file))
        good = false;
    return good ? EXIT_GOOD : wrong_use("--json '%.200s': cannot write: %s", json, strerror(errno));
}

void request_clear(struct request *r)
{
    *r = (struct request){.epochs = -1,
                          .steps = -1,
                          .batch = -1,
                          .seed = -1,
                          .threads = -1,
                          .log = -1,
                          .lr = -1,
                          .momentum = -1,
                          .rho = -1,
                          .decay = -1,
                          .target = -1,
                          .optimizer = -1,
                          .initial = -1,
                          .pixels = -1,
                          .test_bn = -1,
                          .bn = -1,
                          .bias = -1,
                          .shuffle = -1,
                          .isa = -1,
                          .fuse = -1,
                          .verify = 1};
}

static bool read_augment(const char *text, void *request)
{
    struct request *r = request;
    char error[ERROR_TEXT];
    r->augmented = true;
    return augment_parse(text, &r->augment, error) || wrong_use("train: %s", error) < 0;
}

static bool read_loss(const char *text, void *request)
{
    struct request *r = request;
    char error[ERROR_TEXT];
    r->loss_given = true;
    return loss_parse(text, &r->loss, error) || wrong_use("train: %s", error) < 0;
}

static bool read_schedule(const char *text, void *request)
{
    struct request *r = request;
    char error[ERROR_TEXT];
    r->scheduled = true;
    return schedule_parse(text, &r->schedule, error) || wrong_use("train: %s", error) < 0;
}

/* An accuracy to end at, or none: the checkpoint's is dropped. */
static bool read_target(const char *text, void *request)
{
    struct request *r = request;
    r->target = TARGET_NONE;
    return !strcmp(text, "none") ||
           read_real("train: --target-accuracy", text, 0, BELOW_1, &r->target);
}

bool parse_shifts(const char *text, struct request *r)
{
    r->shift_count = 0;
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ","), word = strcspn(at, ":,");
        char *end = NULL;
        struct shift_request *s = &r->shifts[r->shift_count];
        for (int i = 0; shift_names[i]; i++)
            if (strlen(shift_names[i]) == word && !strncmp(at, shift_names[i], word)) {
                s->kind = (enum shift)i;
                s->amount = at[word] == ':' ? strtod(at + word + 1, &end) : NAN;
            }
        if (end != at + length || end == at + word + 1 || !(fabs(s->amount) <= 100) ||
            r->shift_count + 1 == MAX_SHIFTS)
            return false;
        r->shift_count++;
        at += length;
        if (!*at)
            return true;
    }
}

char *print_shifts(const struct request *r, char text[SHIFTS_TEXT])
{
    int used = 0;
    text[0] = '\0';
    for (int i = 0; i < r->shift_count; i++)
        used += snprintf(text + used, SHIFTS_TEXT - (size_t)used, "%s%s:%.17g", i ? "," : "",
                         shift_names[r->shifts[i].kind], r->shifts[i].amount);
    return text;
}

static bool read_shifts(const char *text, void *request)
{
    if (parse_shifts(text, request))
        return true;
    wrong_use("train: --test-shifts '%.100s': give up to %d of brightness:SHARE and "
              "contrast:FACTOR, from -100 to 100, as in brightness:-0.2,contrast:0.5",
              text, MAX_SHIFTS - 1);
    return false;
}

static bool read_subset(const char *text, void *request)
{
    struct request *r = request;
    char train[24];
    const size_t length = strcspn(text, ":");
    if (length >= sizeof train) {
        wrong_use("train: --subset '%.100s': give TRAIN or TRAIN:TEST images", text);
        return false;
    }
    snprintf(train, sizeof train, "%.*s", (int)length, text);
    return read_whole("train: --subset", train, 1, MOST_IMAGES, &r->train_images) &&
           (!text[length] ||
            read_whole("train: --subset", text + length + 1, 1, MOST_IMAGES, &r->test_images));
}

#define REQUEST struct request
static const struct option_row options[] = {
    TEXT("data", "DIR|synthetic[:TRAIN[:TEST]]|signals[:TRAIN[:TEST]]", data,
         "the files of the data set the preset is about, or for a text of the one that DIR holds: "
         "CIFAR-10 or CIFAR-100 in binary form, MNIST's IDX files as they are or .gz, in DIR "
         "itself "
         "or in DIR/cifar-10-batches-bin, DIR/cifar-100-binary, DIR/MNIST/raw. Or the built-in "
         "set of "
         "ten classes (default: 50000 images and 10000). cnn-tiny takes two classes of CIFAR-10, "
         "dense-tiny numbers that are always made; signals: ten classes of tones, eight channels "
         "of "
         "128 values, for a text with conv1d"),
    WHOLE("epochs", "E", epochs, 1, 1000000,
          "how long it trains (default: the preset's, else 5 epochs)"),
    WHOLE("steps", "N", steps, 1, 1000000000000, "the same, in steps of one batch each"),
    WHOLE(
        "batch", "B", batch, 1, 1000000,
        "images a step (default: the preset's, else 10); the short last batch of an epoch is kept"),
    WORD("optimizer", optimizer, optimizer_names,
         "as PyTorch defines them (default: the preset's, else adam)"),
    REAL("lr", "R", lr, 0, 1e6,
         "learning rate; 0 freezes the weights (default: the preset's, else 1e-3)"),
    OWN("schedule", "S", read_schedule,
        "schedule of the learning rate, counted in steps, as PyTorch does after each update: "
        "constant; 'step EVERY "
        "FACTOR' (StepLR); 'cosine [STEPS]' down to 0 (CosineAnnealingLR; default: the whole "
        "run); "
        "each also after 'warmup N,', which rises to the rate in N steps (LinearLR), as in "
        "'warmup "
        "500, cosine' (default constant)"),
    OWN("loss", "L", read_loss,
        "cross-entropy; 'smoothing S': the same with label smoothing S; mse: the mean square of "
        "the "
        "distance to 1 for the label, 0 for the others (default cross-entropy)"),
    REAL("momentum", "M", momentum, 0, BELOW_1, "momentum of sgd (default 0)"),
    FLAG("nesterov", nesterov, "Nesterov momentum, with sgd"),
    REAL("rho", "R", rho, 0, BELOW_1,
         "rmsprop: the weight of the old mean square (default: the preset's, else 0.99)"),
    REAL("decay", "W", decay, 0, BELOW_1, "adds W times the weight to its gradient (default 0)"),
    WORD("initial", initial, initial_words,
         "weights at first: PyTorch's of conv and dense, Glorot uniform as in Keras, He normal; "
         "biases are 0 in the last two (default: the preset's, else pytorch)"),
    REAL("initial-scale", "S", initial_scale, ABOVE_0, 1e6,
         "multiplies the initial weights, not the biases (default 1)"),
    OWN("subset", "TRAIN[:TEST]", read_subset,
        "use only the first TRAIN and TEST images of the splits"),
    WORD(
        "pixels", pixels, pixel_words,
        "over 255, or less the mean of all pixels of the split (default: the preset's, else unit)"),
    OWN("augment", "CHANGES", read_augment,
        "random changes of the training images, as in 'flip, shear 0.2, zoom 0.2, shift 4' "
        "(degrees, a share, pixels), "
        "or none (default: the preset's, else none). Where --threads leaves a core free, a "
        "thread "
        "there prepares each batch during the step before"),
    WHOLE(
        "seed", "K", seed, 0, INT64_MAX,
        "seed of initial weights, shuffling and synthetic images (default: the preset's, else 44)"),
    WORD("shuffle", shuffle, shuffle_words, "a new order each epoch (default on)"),
    WORD("bn", bn, bn_words,
         "pre, post: each bn beside an activation goes before or after it; off: none. A network "
         "without bn gets one at each activation: before it with on and pre"),
    WORD("bias", bias, bias_words,
         "drop: conv and dense right before a bn, which takes any bias away, have none"),
    TEXT("init", "FILE", init,
         "start from these weights; a state_dict that safetensors.torch wrote will do"),
    TEXT("save", "FILE", save,
         "write the weights at the end. Both are safetensors files with the names of PyTorch's "
         "nn.Sequential: "
         "LAYER.weight, LAYER.bias, LAYER.running_mean, LAYER.running_var, layers counted from 0 "
         "as "
         "--describe prints them"),
    TEXT("gradients", "FILE", gradients,
         "write the gradients of the last step under the same names"),
    TEXT("decisions", "FILE", decisions,
         "write how relus and maxpools decided in the last step, to compare with another "
         "library's: "
         "LAYER.keep is 1 where a value passed, else 0; LAYER.chosen the place in its window, row "
         "by "
         "row, or -1 where a relu before it let nothing pass"),
    TEXT("checkpoint", "FOLDER", checkpoint,
         "after each epoch write FOLDER/last.safetensors: weights, the optimizer's memory and "
         "where "
         "the run stands; best.safetensors is the epoch with the best test accuracy. Interrupted "
         "(control-C, SIGTERM), a run writes a last one (without this option in a new folder "
         "batchmark-NETWORK) and ends with status 130 or 143. A folder is one run's alone"),
    FLAG("overwrite", overwrite,
         "replace what another run left in that folder, with the first checkpoint"),
    FLAG("keep-going", keep_going,
         "without this, a run whose loss or weights become inf or NaN ends with status 1 and "
         "keeps its last good checkpoint; with this it continues and writes no more weights"),
    TEXT("resume", "FOLDER|FILE", resume,
         "resume from a checkpoint, bit-identical to a run that did not stop. Options given here "
         "override those of the checkpoint"),
    OWN("target-accuracy", "A", read_target,
        "end after the first epoch whose test accuracy is A or better, and say how long it took; "
        "none: drop the target of a resumed checkpoint"),
    WHOLE("threads", "T", threads, 1, MAX_CPUS, "team size (default: one per usable core)"),
    TEXT(
        "kernels", "CHOICE", kernels,
        "auto: the measured plan of 'batchmark plan NETWORK': layouts, variants and what is fused.\n"
        "Else which variants run, as in 'conv_fwd=direct_*_omp,naive;bn_fwd_train=welford*': "
        "groups "
        "separated by ';', each OPERATIONS=PATTERNS, or PATTERNS for all operations. The first "
        "pattern with a variant that fits is used; none is an error. Operations not named: "
        "winograd4 "
        "for 3x3 with channels enough, pointwise for 1x1 with many, rows and planes for few, "
        "else "
        "direct, im2col, blocked, naive; OpenMP where the work is worth it; the highest ISA "
        "level. "
        "That order is fixed by the shape, nothing is measured"),
    WORD("fuse", fuse, fuse_words,
         "bn, the relu after it, and a maxpool 2 after that in nchw, as one operation (default "
         "auto: "
         "as planned with --kernels auto, else where variants exist, rows are wide enough and "
         "--kernels names none for bn); stats: on, and conv gathers the statistics of the bn "
         "after "
         "it, as auto does where the plan says so or the same variant can"),
    ISA(isa),
    TEXT("json", "FILE", json, "JSON lines: step, epoch and summary events"),
    WHOLE("log", "N", log, 1, MOST_STEPS,
          "a step event every N steps, with the mean loss and the images per second since the last "
          "(default: 1 with --steps, else 100)"),
    WHOLE("test-every", "N", test_every, 1, MOST_STEPS,
          "a test event every N steps, besides the tests at the ends of epochs"),
    WORD("test-bn", test_bn, test_bn_words,
         "both: tests also with BN by the statistics of each batch of --batch images "
         "(test_batch_loss, test_batch_accuracy)"),
    OWN("test-shifts", "LIST", read_shifts,
        "at the end a shifted event for each of up to 16 changes of the test images, as in "
        "brightness:-0.2,contrast:0.5: adds a share of the range, multiplies the distance from "
        "mid-grey"),
    WHOLE("stats", "N", statistics, 1, MOST_STEPS,
          "a layers event at the first and every N steps: mean and deviation of what each layer "
          "gives, its share saturated, norms of weights and gradients; needs every layer apart, so "
          "--fuse off"),
    WHOLE("direction", "N", direction, 1, MOST_STEPS,
          "a direction event at the first and every N steps: the loss, and how far the gradient "
          "changes, at 1/4 to 4 times the step that was taken"),
    WORD("verify", verify, shuffle_words,
         "off: skips the proof of the kernels, where the same network was just proven"),
    FLAG("no-times", untimed,
         "leave seconds and images per second out of reports and logs: for an emulated CPU, whose "
         "times mean nothing"),
    FLAG("list", list, "the presets; with --json as JSON lines"),
    FLAG("describe", describe,
         "print the layers with their shapes, parameters, FLOPs and memory, and the kernels "
         "chosen, "
         "and train nothing"),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark train NETWORK [OPTIONS]\n"
        "       batchmark train --resume FOLDER [OPTIONS]\n"
        "       batchmark train --list\n\n"
        "Trains NETWORK, on softmax cross-entropy unless --loss says otherwise. Each epoch reports\n"
        "loss and accuracy on the training set (running means over the epoch) and on the test set, and\n"
        "images per second. Every kernel it picks is verified against the float64 reference before\n"
        "the first step.\n\n"
        "NETWORK is a preset (--list) or text, layers separated by ';':\n"
        "  conv OUT KxK [same] [stride S] [nobias]     dense OUT [nobias]     relu  sigmoid  tanh\n"
        "  bn [pytorch|keras|keras3|onnx] [eps E] [momentum M|cumulative] [population] [affine off]\n"
        "     [running off] [frozen]                   maxpool K [stride S]     flatten     dropout P\n"
        "  avgpool K [stride S]     avgpool global     conv1d OUT K [same] [stride S] [nobias]\n"
        "  maxpool1d K [stride S]     avgpool1d K [stride S]\n"
        "  'conv 32 3x3 same; bn; relu; maxpool 2; dense 10'\n\n",
    .notes = "The same seed, threads and kernels give the same bits.\n"};

int request_read(int argc, char **argv, struct request *r)
{
    request_clear(r);
    int status = read_options(argc, argv, &line, r);
    if (status >= 0)
        return status;
    if (r->list)
        return list_presets(r->json);
    if (optind == argc && !r->resume)
        return wrong_use(
            "train: which network? batchmark train --list shows presets, --help the layers");
    if (optind < argc && r->resume)
        return wrong_use("train: a network or --resume, not both: '%s'", argv[optind]);
    if ((r->init || r->initial >= 0) && r->resume)
        return wrong_use(
            "train: --init and --initial, or --resume, not both: a checkpoint has its weights");
    if (optind + 1 < argc)
        return wrong_use("train: one network, not also '%s'; quote its text", argv[optind + 1]);
    if (r->epochs > 0 && r->steps > 0)
        return wrong_use("train: --epochs or --steps, not both");
    r->network = r->resume ? NULL : argv[optind];
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
    else if (r->nesterov && r->momentum <= 0 && !(r->momentum < 0 && o->beta1 > 0))
        wrong_use("--nesterov: needs --momentum above 0");
    else {
        o->lr = r->lr >= 0 ? r->lr : o->lr;
        o->beta1 = r->momentum >= 0 ? r->momentum : o->beta1;
        o->beta2 = r->rho >= 0 ? r->rho : o->beta2;
        o->decay = r->decay >= 0 ? r->decay : o->decay;
        o->nesterov |= r->nesterov;
        return true;
    }
    return false;
}

/* The network's text with bn and biases where they were asked for. False: printed what is wrong. */
static bool choose_bn(struct run *run, struct shape image)
{
    const struct request *r = &run->request;
    char error[ERROR_TEXT];
    if (r->bn < 0 && r->bias <= BIAS_KEEP)
        return true;
    char *text = malloc(NET_TEXT);
    bool good = text || explain(error, "out of memory for the network's text");
    good = good &&
           net_text_place_bn(&run->layers, r->bn < 0 ? BN_KEEP : (enum bn_place)r->bn,
                             r->bias == BIAS_DROP, text, error) &&
           net_text_parse(text, image, &run->layers, error);
    if (!good) {
        wrong_use("%s", error);
    } else {
        free(run->text);
        run->text = text;
        return true;
    }
    free(text);
    return false;
}

static bool read_network(struct run *run)
{
    const char *name = run->request.network;
    const struct data_shape *image = &data_shapes[run->source.kind];
    const struct shape shape = {image->channels, image->height, image->width};
    char error[ERROR_TEXT];
    if (!(run->text = strdup(run->settings.text))) {
        wrong_use("out of memory for the network's text");
        return false;
    }
    if (net_text_parse(run->text, shape, &run->layers, error))
        return choose_bn(run, shape);
    /* One word is a preset's name mistyped, unless it is a layer's. */
    if (name && !strpbrk(name, " ;"))
        wrong_use("train: no preset '%s' and no layer of that name; batchmark train "
                  "--list shows presets",
                  name);
    else
        wrong_use("%s", error);
    return false;
}

int request_resolve(struct run *run)
{
    struct request *r = &run->request;
    struct preset *p = &run->settings;
    char error[ERROR_TEXT];
    if (r->network) {
        const struct preset *named = preset_find(r->network);
        *p = named ? *named : preset_of_texts;
        if (!named)
            p->text = r->network;
    }
    json_t *name = json_string(r->data ? r->data : "");
    json_decref(name);
    if (!name)
        return wrong_use(
            "--data '%.200s': the name is not UTF-8, which checkpoints are written in; "
            "give the folder another name or a link",
            r->data);
    if (!choose_optimizer(r, p, &run->optimizer))
        return EXIT_WRONG_USE;
    if (!data_find(r->data ? r->data : "synthetic", p->data, &run->source, error))
        return wrong_use("%s", error);
    if (!read_network(run))
        return EXIT_WRONG_USE;
    if (r->kernels && strcmp(r->kernels, "auto") && !kernel_choice_check(r->kernels, error))
        return wrong_use("%s", error);
    if (r->statistics && r->fuse >= 0 && r->fuse != FUSE_OFF)
        return wrong_use("--stats: needs every layer apart, as with --fuse off");
    if (r->statistics && r->kernels && !strcmp(r->kernels, "auto"))
        return wrong_use(
            "--stats: not with --kernels auto, whose layouts hold more than the values");
    r->data = r->data ? r->data : "synthetic";
    r->log = r->log > 0 ? r->log : r->steps > 0 ? 1 : 100;
    if (r->steps < 0 && r->epochs < 0) {
        r->steps = p->steps ? p->steps : -1;
        r->epochs = p->epochs;
    }
    r->batch = r->batch > 0 ? r->batch : p->batch;
    r->seed = r->seed >= 0 ? r->seed : (int64_t)p->seed;
    r->initial = r->initial >= 0 ? r->initial : (int)p->init;
    r->pixels = r->pixels >= 0 ? r->pixels : p->centered;
    r->shuffle = r->shuffle >= 0 ? r->shuffle : 1;
    r->test_bn = r->test_bn > 0;
    r->isa = r->isa >= 0 ? r->isa : (int)isa_detect();
    r->fuse = r->fuse >= 0 ? r->fuse : r->statistics ? FUSE_OFF : FUSE_AUTO;
    if (!r->augmented)
        r->augment = p->augment;
    const char *const files[] = {r->save, r->gradients, r->decisions};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && !whole_file_possible(files[i], error))
            return wrong_use("%s", error);
    return -1;
}
