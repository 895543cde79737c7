/* What batchmark train is asked to do: the command line, filled up from presets. */
#include "cli/cmd_train.h"
#include "core/whole_file.h"
#include "net/kernel_choice.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: batchmark train NETWORK [OPTIONS]\n"
    "       batchmark train --resume FOLDER [OPTIONS]\n"
    "       batchmark train --list\n\n"
    "Trains NETWORK, on softmax cross-entropy unless --loss says otherwise. Each epoch reports loss and accuracy on the\n"
    "training set (running means over the epoch) and on the test set, and images per second. Every\n"
    "kernel it picks is verified against the float64 reference before the first step.\n\n"
    "NETWORK is a preset (--list) or text, layers separated by ';':\n"
    "  conv OUT KxK [same] [stride S] [nobias]     dense OUT [nobias]     relu  sigmoid  tanh\n"
    "  bn [pytorch|keras|keras3|onnx] [eps E] [momentum M|cumulative] [population] [affine off]\n"
    "     [running off] [frozen]                   maxpool K [stride S]     flatten     dropout P\n"
    "  avgpool K [stride S]     avgpool global     conv1d OUT K [same] [stride S] [nobias]\n"
    "  maxpool1d K [stride S]     avgpool1d K [stride S]\n"
    "  'conv 32 3x3 same; bn; relu; maxpool 2; dense 10'\n\n"
    "  --data DIR|synthetic[:TRAIN[:TEST]]|signals[:TRAIN[:TEST]]\n"
    "                      the files of the data set the preset is about, or for a text of the one\n"
    "                      that DIR holds: CIFAR-10 or CIFAR-100 in binary form, MNIST's IDX files as\n"
    "                      they are or .gz, in DIR itself or in DIR/cifar-10-batches-bin,\n"
    "                      DIR/cifar-100-binary, DIR/MNIST/raw. Or the built-in set of ten classes\n"
    "                      (default: 50000 images and 10000). cnn-tiny takes two classes of CIFAR-10,\n"
    "                      dense-tiny numbers that are always made; signals: ten\n"
    "                      classes of tones, eight channels of 128 values, for a text with conv1d\n"
    "  --epochs E | --steps N\n"
    "                      how long (default: the preset's, else 5 epochs)\n"
    "  --batch B           images a step (default: the preset's, else 10); the short last batch of\n"
    "                      an epoch is kept\n"
    "  --optimizer adam|sgd|rmsprop\n"
    "                      as PyTorch defines them (default: the preset's, else adam)\n"
    "  --lr R              learning rate; 0 freezes the weights (default: the preset's, else 1e-3)\n"
    "  --schedule S        of the rate, counted in steps as PyTorch does after each update: constant;\n"
    "                      'step EVERY FACTOR' (StepLR); 'cosine [STEPS]' down to 0 (CosineAnnealingLR;\n"
    "                      default: the whole run); each also after 'warmup N,', which rises to the rate\n"
    "                      in N steps (LinearLR), as in 'warmup 500, cosine' (default constant)\n"
    "  --loss L            cross-entropy; 'smoothing S': the same with label smoothing S; mse: the mean\n"
    "                      square of the distance to 1 for the label, 0 for the others (default\n"
    "                      cross-entropy)\n"
    "  --momentum M        of sgd (default 0); --nesterov looks ahead with it\n"
    "  --rho R             of rmsprop: the weight of the old mean square (default: the preset's, else 0.99)\n"
    "  --decay W           adds W times the weight to its gradient (default 0)\n"
    "  --initial pytorch|glorot|he\n"
    "                      weights at first: PyTorch's of conv and dense, Glorot uniform as in Keras,\n"
    "                      He normal; biases are 0 in the last two (default: the preset's, else pytorch)\n"
    "  --initial-scale S   multiplies the initial weights, not the biases (default 1)\n"
    "  --subset TRAIN[:TEST]\n"
    "                      only the first so many images of the splits\n"
    "  --pixels unit|centered\n"
    "                      over 255, or less the mean of all pixels of the split (default: the preset's,\n"
    "                      else unit)\n"
    "  --augment CHANGES   of training images, as in 'flip, shear 0.2, zoom 0.2, shift 4' (degrees, a\n"
    "                      share, pixels), or none (default: the preset's, else none). Where --threads leaves\n"
    "                      a core free, a thread there prepares each batch during the step before\n"
    "  --seed K            of initial weights, shuffling and synthetic images (default: the\n"
    "                      preset's, else 44)\n"
    "  --shuffle on|off    a new order each epoch (default on)\n"
    "  --bn on|off|pre|post\n"
    "                      pre, post: each bn beside an activation goes before or after it; off: none.\n"
    "                      A network without bn gets one at each activation: before it with on and pre\n"
    "  --bias keep|drop    drop: conv and dense right before a bn, which takes any bias away, have none\n"
    "  --init FILE         start from these weights; a state_dict that safetensors.torch wrote will do\n"
    "  --save FILE         write them at the end. Both are safetensors with the names of PyTorch's\n"
    "                      nn.Sequential: LAYER.weight, LAYER.bias, LAYER.running_mean,\n"
    "                      LAYER.running_var, layers counted from 0 as --describe prints them\n"
    "  --gradients FILE    write the gradients of the last step under the same names\n"
    "  --decisions FILE    write how relus and maxpools decided in the last step, to compare with another\n"
    "                      library's: LAYER.keep is 1 where a value passed, else 0; LAYER.chosen the place\n"
    "                      in its window, row by row, or -1 where a relu before it let nothing pass\n"
    "  --checkpoint FOLDER after each epoch write FOLDER/last.safetensors: weights, the optimizer's\n"
    "                      memory and where the run stands; best.safetensors is the epoch with the\n"
    "                      best test accuracy. Interrupted (control-C, SIGTERM), a run writes a last\n"
    "                      one (without this option in a new folder batchmark-NETWORK) and ends with\n"
    "                      status 130 or 143. A folder is one run's alone\n"
    "  --overwrite         what another run left in that folder gives way to the first checkpoint\n"
    "  --keep-going        a run whose loss or weights are inf or NaN ends with status 1 and keeps its\n"
    "                      last good checkpoint; with this it trains on, and writes no weights\n"
    "  --resume FOLDER|FILE\n"
    "                      go on from a checkpoint, bit by bit as if the run had not stopped. What\n"
    "                      the command line says goes before what the checkpoint says\n"
    "  --target-accuracy A end after the first epoch that tests at A or better, and say how long it took;\n"
    "                      none: --resume goes on without the checkpoint's\n"
    "  --threads T         team size (default: one per usable core)\n"
    "  --kernels CHOICE    which variants run, as in\n"
    "                      'conv_fwd=direct_*_omp,naive;bn_fwd_train=welford*': groups separated\n"
    "                      by ';', each OPERATIONS=PATTERNS, or PATTERNS for all operations. The\n"
    "                      first pattern with a variant that fits is used; none is an error.\n"
    "                      Operations not named: winograd4 for 3x3 with channels enough, pointwise\n"
    "                      for 1x1 with many, rows and\n"
    "                      planes for few, else direct, im2col, blocked, naive; OpenMP where the work\n"
    "                      is worth it; the highest ISA level. That order is fixed by the shape,\n"
    "                      nothing is measured\n"
    "  --kernels auto      the measured plan of 'batchmark plan NETWORK': layouts, variants and\n"
    "                      what is fused\n"
    "  --fuse auto|on|off|stats\n"
    "                      bn, the relu after it, and a maxpool 2 after that in nchw, as one operation\n"
    "                      (default auto: as planned with --kernels auto, else where variants exist,\n"
    "                      rows are wide enough and --kernels names none for bn); stats: on, and conv\n"
    "                      gathers the statistics of the bn after it, as auto does where the plan says\n"
    "                      so or the same variant can\n"
    "  --isa LEVEL         as if the CPU stopped at base, avx2, avx512 or avx512bf16\n"
    "  --json FILE         JSON lines: step, epoch and summary events\n"
    "  --log N             a step event every N steps, with the mean loss and the images per second\n"
    "                      since the last (default: 1 with --steps, else 100)\n"
    "  --test-every N      a test event every N steps, besides the tests at the ends of epochs\n"
    "  --test-bn running|both\n"
    "                      both: tests also with BN by the statistics of each batch of --batch images\n"
    "                      (test_batch_loss, test_batch_accuracy)\n"
    "  --test-shifts LIST  at the end a shifted event for each of up to 16 changes of the test images,\n"
    "                      as in brightness:-0.2,contrast:0.5: adds a share of the range, multiplies the\n"
    "                      distance from mid-grey\n"
    "  --stats N           a layers event at the first and every N steps: mean and deviation of what\n"
    "                      each layer gives, its share saturated, norms of weights and gradients; needs\n"
    "                      every layer apart, so --fuse off\n"
    "  --direction N       a direction event at the first and every N steps: the loss, and how far the\n"
    "                      gradient changes, at 1/4 to 4 times the step that was taken\n"
    "  --verify on|off     off: skips the proof of the kernels, where the same network was just proven\n"
    "  --no-times          reports and logs say nothing of seconds and images a second, and are no results:\n"
    "                      what an emulated CPU computes is right, how long it takes means nothing\n"
    "  --list              the presets; with --json as JSON lines\n"
    "  --describe          print the layers with their shapes, parameters, FLOPs and memory, and the\n"
    "                      kernels chosen, and train nothing\n"
    "The same seed, threads and kernels give the same bits.\n";
const char *const optimizer_names[] = {
    [OPTIMIZER_ADAM] = "adam", [OPTIMIZER_SGD] = "sgd", [OPTIMIZER_RMSPROP] = "rmsprop", NULL};

enum { BIAS_KEEP, BIAS_DROP };
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

/* A number from 0 to below 1. */
static bool read_share(const char *option, const char *text, double *out)
{
    return read_real(option, text, 0, BELOW_1, out);
}

/* An accuracy to end at, or none: the checkpoint's is dropped. */
static bool read_target(const char *text, double *out)
{
    *out = TARGET_NONE;
    return !strcmp(text, "none") || read_share("--target-accuracy", text, out);
}

/* A loss as words. False: printed what is wrong. */
static bool read_loss(const char *text, struct loss *out)
{
    char error[ERROR_TEXT];
    return loss_parse(text, out, error) || wrong_use("%s", error) < 0;
}

static bool read_schedule(const char *text, struct schedule *out)
{
    char error[ERROR_TEXT];
    return schedule_parse(text, out, error) || wrong_use("%s", error) < 0;
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
                          .fuse = -1};
}

int request_read(int argc, char **argv, struct request *r)
{
    enum {
        DATA = 256,
        EPOCHS,
        STEPS,
        BATCH,
        OPTIMIZER,
        RATE,
        SCHEDULE,
        LOSS,
        MOMENTUM,
        NESTEROV,
        RHO,
        DECAY,
        INITIAL,
        PIXELS,
        AUGMENT,
        SEED,
        SHUFFLE,
        BN,
        BIASES,
        INIT,
        SAVE,
        GRADIENTS,
        DECISIONS,
        CHECKPOINT,
        OVERWRITE,
        KEEP_GOING,
        RESUME,
        TARGET,
        THREADS,
        KERNELS,
        FUSE,
        ISA,
        JSON,
        LOG,
        INITIAL_SCALE,
        SUBSET,
        TEST_EVERY,
        TEST_BN,
        TEST_SHIFTS,
        STATISTICS,
        DIRECTION,
        VERIFY,
        LIST,
        DESCRIBE,
        NO_TIMES
    };
    const struct option options[] = {{"data", required_argument, NULL, DATA},
                                     {"epochs", required_argument, NULL, EPOCHS},
                                     {"steps", required_argument, NULL, STEPS},
                                     {"batch", required_argument, NULL, BATCH},
                                     {"optimizer", required_argument, NULL, OPTIMIZER},
                                     {"lr", required_argument, NULL, RATE},
                                     {"schedule", required_argument, NULL, SCHEDULE},
                                     {"loss", required_argument, NULL, LOSS},
                                     {"momentum", required_argument, NULL, MOMENTUM},
                                     {"nesterov", no_argument, NULL, NESTEROV},
                                     {"rho", required_argument, NULL, RHO},
                                     {"decay", required_argument, NULL, DECAY},
                                     {"initial", required_argument, NULL, INITIAL},
                                     {"pixels", required_argument, NULL, PIXELS},
                                     {"augment", required_argument, NULL, AUGMENT},
                                     {"seed", required_argument, NULL, SEED},
                                     {"shuffle", required_argument, NULL, SHUFFLE},
                                     {"bn", required_argument, NULL, BN},
                                     {"bias", required_argument, NULL, BIASES},
                                     {"init", required_argument, NULL, INIT},
                                     {"save", required_argument, NULL, SAVE},
                                     {"gradients", required_argument, NULL, GRADIENTS},
                                     {"decisions", required_argument, NULL, DECISIONS},
                                     {"checkpoint", required_argument, NULL, CHECKPOINT},
                                     {"overwrite", no_argument, NULL, OVERWRITE},
                                     {"keep-going", no_argument, NULL, KEEP_GOING},
                                     {"resume", required_argument, NULL, RESUME},
                                     {"target-accuracy", required_argument, NULL, TARGET},
                                     {"threads", required_argument, NULL, THREADS},
                                     {"kernels", required_argument, NULL, KERNELS},
                                     {"fuse", required_argument, NULL, FUSE},
                                     {"isa", required_argument, NULL, ISA},
                                     {"json", required_argument, NULL, JSON},
                                     {"log", required_argument, NULL, LOG},
                                     {"initial-scale", required_argument, NULL, INITIAL_SCALE},
                                     {"subset", required_argument, NULL, SUBSET},
                                     {"test-every", required_argument, NULL, TEST_EVERY},
                                     {"test-bn", required_argument, NULL, TEST_BN},
                                     {"test-shifts", required_argument, NULL, TEST_SHIFTS},
                                     {"stats", required_argument, NULL, STATISTICS},
                                     {"direction", required_argument, NULL, DIRECTION},
                                     {"verify", required_argument, NULL, VERIFY},
                                     {"list", no_argument, NULL, LIST},
                                     {"describe", no_argument, NULL, DESCRIBE},
                                     {"no-times", no_argument, NULL, NO_TIMES},
                                     HELP_OPTION,
                                     VERSION_OPTION,
                                     {0}};
    char error[ERROR_TEXT];
    enum isa isa;
    int verify = 1;
    bool list = false;
    request_clear(r);
    for (int c; (c = next_option(argc, argv, options)) != -1;) {
        bool good = true;
        switch (c) {
        case DATA: r->data = optarg; break;
        case EPOCHS: good = read_whole("--epochs", optarg, 1, 1000000, &r->epochs); break;
        case STEPS: good = read_whole("--steps", optarg, 1, 1000000000000, &r->steps); break;
        case BATCH: good = read_whole("--batch", optarg, 1, 1000000, &r->batch); break;
        case OPTIMIZER:
            good = read_word("--optimizer", optarg, optimizer_names, &r->optimizer);
            break;
        case INITIAL: good = read_word("--initial", optarg, initial_words, &r->initial); break;
        case PIXELS: good = read_word("--pixels", optarg, pixel_words, &r->pixels); break;
        case AUGMENT:
            r->augmented = true;
            if (!(good = augment_parse(optarg, &r->augment, error)))
                wrong_use("%s", error);
            break;
        case RATE: good = read_real("--lr", optarg, 0, 1e6, &r->lr); break;
        case SCHEDULE:
            r->scheduled = true;
            good = read_schedule(optarg, &r->schedule);
            break;
        case LOSS:
            r->loss_given = true;
            good = read_loss(optarg, &r->loss);
            break;
        case MOMENTUM: good = read_share("--momentum", optarg, &r->momentum); break;
        case NESTEROV: r->nesterov = true; break;
        case RHO: good = read_share("--rho", optarg, &r->rho); break;
        case DECAY: good = read_share("--decay", optarg, &r->decay); break;
        case SEED: good = read_whole("--seed", optarg, 0, INT64_MAX, &r->seed); break;
        case SHUFFLE: good = read_word("--shuffle", optarg, shuffle_words, &r->shuffle); break;
        case BN: good = read_word("--bn", optarg, bn_words, &r->bn); break;
        case BIASES: good = read_word("--bias", optarg, bias_words, &r->bias); break;
        case INIT: r->init = optarg; break;
        case SAVE: r->save = optarg; break;
        case GRADIENTS: r->gradients = optarg; break;
        case DECISIONS: r->decisions = optarg; break;
        case CHECKPOINT: r->checkpoint = optarg; break;
        case OVERWRITE: r->overwrite = true; break;
        case KEEP_GOING: r->keep_going = true; break;
        case RESUME: r->resume = optarg; break;
        case TARGET: good = read_target(optarg, &r->target); break;
        case THREADS: good = read_whole("--threads", optarg, 1, MAX_CPUS, &r->threads); break;
        case KERNELS: r->kernels = optarg; break;
        case FUSE: good = read_word("--fuse", optarg, fuse_words, &r->fuse); break;
        case ISA:
            good = read_isa_cap(optarg, &isa);
            r->isa = (int)isa;
            break;
        case JSON: r->json = optarg; break;
        case LOG: good = read_whole("--log", optarg, 1, 1000000000, &r->log); break;
        case INITIAL_SCALE: good = read_scale(optarg, &r->initial_scale); break;
        case SUBSET: good = read_subset(optarg, r); break;
        case TEST_EVERY:
            good = read_whole("--test-every", optarg, 1, 1000000000, &r->test_every);
            break;
        case TEST_BN: good = read_word("--test-bn", optarg, test_bn_words, &r->test_bn); break;
        case TEST_SHIFTS: good = read_shifts(optarg, r); break;
        case STATISTICS: good = read_whole("--stats", optarg, 1, 1000000000, &r->statistics); break;
        case DIRECTION:
            good = read_whole("--direction", optarg, 1, 1000000000, &r->direction);
            break;
        case VERIFY:
            good = read_word("--verify", optarg, shuffle_words, &verify);
            r->unverified = !verify;
            break;
        case LIST: list = true; break;
        case DESCRIBE: r->describe = true; break;
        case NO_TIMES: r->untimed = true; break;
        case OPTION_HELP: fputs(help, stdout); return EXIT_GOOD;
        case OPTION_VERSION: return print_version();
        default: return EXIT_WRONG_USE;
        }
        if (!good)
            return EXIT_WRONG_USE;
    }
    if (list)
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
