/* batchmark infer: what a trained network costs when it is used, with its batch normalizations and with them folded away. */
#include "cli/cmd_train.h"
#include "cli/options.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/stat.h"
#include "net/net_fold.h"
#include "problem/crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCHES = 16 };

struct inference {
    struct run run; /* settings, data, network as text: as for training */
    int64_t batches[MAX_BATCHES];
    int batch_count;
    double seconds;
    bool untimed; /* only the accuracies */
    struct net_fold fold;
    struct net_text folded;
};

static bool read_batches(const char *text, void *request)
{
    struct inference *in = request;
    in->batch_count = 0;
    for (const char *at = text;; at++) {
        char one[16];
        size_t length = strcspn(at, ",");
        if (length >= sizeof one || in->batch_count == MAX_BATCHES) {
            wrong_use("infer: --batch '%.100s': give up to %d sizes separated by commas", text,
                      MAX_BATCHES);
            return false;
        }
        snprintf(one, sizeof one, "%.*s", (int)length, at);
        if (!read_whole("infer: --batch", one, 1, 1000000, &in->batches[in->batch_count++]))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

#define REQUEST struct inference
static const struct option_row options[] = {
    TEXT("data", "DIR|synthetic", run.request.data,
         "as for train (default: what the checkpoint was trained on)"),
    OWN("batch", "LIST", read_batches, "batch sizes (default 1,10,100)"),
    FLAG("no-times", untimed,
         "report only accuracies: for an emulated CPU, whose times mean nothing"),
    REAL("seconds", "S", seconds, ABOVE_0, 3600,
         "time for each batch size and network (default 1)"),
    WHOLE("threads", "T", run.request.threads, 1, MAX_CPUS,
          "team size (default: the checkpoint's)"),
    TEXT("kernels", "CHOICE", run.request.kernels, "as for train, without 'auto'"),
    ISA(run.request.isa),
    TEXT("json", "FILE", run.request.json,
         "JSON lines: one object for each batch size and network, and the accuracies"),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark infer CHECKPOINT [OPTIONS]\n\n"
        "Classifies images with a network that 'batchmark train --checkpoint' left behind: the time\n"
        "of a batch (latency) and images per second (throughput) at several batch sizes, and the\n"
        "accuracy on the test set, with batch normalization as layers of its own and folded into\n"
        "the layers beside it. CHECKPOINT is a file or its folder (best.safetensors, else\n"
        "last.safetensors).\n\n"};

static int read_request(int argc, char **argv, struct inference *in)
{
    struct request *r = &in->run.request;
    request_clear(r);
    in->seconds = 1;
    read_batches("1,10,100", in);
    int status = read_options(argc, argv, &line, in);
    if (status >= 0)
        return status;
    if (optind + 1 != argc)
        return wrong_use("infer: one checkpoint: a file, or the folder of train --checkpoint");
    if (r->kernels && !strcmp(r->kernels, "auto"))
        return wrong_use("infer: --kernels auto is a plan for training; name variants");
    r->resume = argv[optind];
    return -1;
}

/* A network for inference at one batch size with the checkpoint's weights; BN folded away or kept. NULL:
 * printed what is wrong. */
static struct net *make(struct inference *in, int64_t batch, int64_t tail, bool fold)
{
    const struct run *run = &in->run;
    char error[ERROR_TEXT];
    struct net_options o = {.eval_batch = batch,
                            .eval_tail = tail,
                            .classes = run->data.classes,
                            .hints = machine_hints(&run->machine, (int)run->request.threads),
                            .kernels = run->request.kernels,
                            .isa = (enum isa)run->request.isa,
                            .loss = run->request.loss,
                            .memory = (double)memory_room()};
    o.hints.keep = true;
    struct net *plain = net_create(&run->layers, &o, error), *folded = NULL;
    bool good =
        plain && checkpoint_restore(plain, &run->optimizer, &run->from, run->request.resume, error);
    if (good && fold) {
        folded = net_create(&in->folded, &o, error);
        good = folded != NULL;
        if (good)
            net_fold_weights(&run->layers, &in->fold, plain, folded);
    }
    if (!good)
        wrong_use("%s", error);
    if (fold || !good)
        net_free(plain);
    return !good ? NULL : fold ? folded : plain;
}

/* The median and the 95th percentile of the time of a batch. False: out of memory. */
static bool time_batches(struct net *n, int64_t mb, double seconds, double *median, double *late)
{
    enum { LEAST = 11, MOST = 200000 };
    double *times = malloc(MOST * sizeof *times);
    int count = 0;
    if (!times)
        return false;
    for (int i = 0; i < 3; i++)
        net_forward(n, mb);
    double start = now(), then = start;
    while (count < LEAST || (count < MOST && then - start < seconds)) {
        net_forward(n, mb);
        double end = now();
        times[count++] = end - then;
        then = end;
    }
    stat_sort(times, count);
    *median = times[count / 2];
    *late = times[count * 95 / 100];
    free(times);
    return true;
}

static const char *const fold_words[] = {"as layers", "folded"};

static int time_networks(struct inference *in)
{
    struct run *run = &in->run;
    printf("%-6s %-10s %14s %14s %12s\n", "batch", "bn", "latency", "95 in 100", "images/s");
    for (int b = 0; b < in->batch_count; b++)
        for (int fold = 0; fold < 1 + (in->fold.folded > 0); fold++) {
            const int64_t mb = in->batches[b];
            double median, late;
            struct net *n = make(in, mb, 0, fold);
            if (!n)
                return EXIT_WRONG_USE;
            /* Any images take as long as others. */
            run->net = run->trainer.net = n;
            int checked = 0;
            if (!run_prove(run, &checked))
                return EXIT_CHECK_FAILED;
            trainer_fill(&run->trainer, mb);
            bool good = time_batches(n, mb, in->seconds, &median, &late);
            net_free(n);
            run->net = run->trainer.net = NULL;
            if (!good)
                return wrong_use("out of memory for the times");
            printf("%-6lld %-10s %11.1f us %11.1f us %12.0f\n", (long long)mb, fold_words[fold],
                   1e6 * median, 1e6 * late, (double)mb / median);
            fflush(stdout);
            if (!log_event(run,
                           json_pack("{s:s, s:I, s:b, s:f, s:f, s:f}", "event", "batch", "batch",
                                     (json_int_t)mb, "folded", fold, "seconds", median,
                                     "seconds_95", late, "images_per_second", (double)mb / median)))
                return EXIT_WRONG_USE;
        }
    return -1;
}

static int test_networks(struct inference *in)
{
    struct run *run = &in->run;
    struct net_options sizes = {0};
    train_sizes(&run->data, EVAL_BATCH, &sizes);
    for (int fold = 0; fold < 1 + (in->fold.folded > 0); fold++) {
        int checked = 0;
        struct net *n = make(in, sizes.eval_batch, sizes.eval_tail, fold);
        if (!n)
            return EXIT_WRONG_USE;
        run->net = run->trainer.net = n;
        const bool good = run_prove(run, &checked);
        struct outcome test = good ? trainer_test(&run->trainer) : (struct outcome){0};
        net_free(n);
        run->net = run->trainer.net = NULL;
        if (!good)
            return EXIT_CHECK_FAILED;
        double images = (double)run->data.test.count;
        printf("bn %s: %d kernels verified, test accuracy %.4f, loss %.6f\n", fold_words[fold],
               checked, (double)test.correct / images, printable(test.loss / images));
        if (!log_event(run, json_pack("{s:s, s:b, s:f, s:o}", "event", "test", "folded", fold,
                                      "test_accuracy", (double)test.correct / images, "test_loss",
                                      number_json(test.loss / images))))
            return EXIT_WRONG_USE;
    }
    return -1;
}

/* The network, and it folded. */
static int read_networks(struct inference *in)
{
    struct run *run = &in->run;
    const struct data_shape *image = &data_shapes[run->source.kind];
    const struct shape shape = {image->channels, image->height, image->width};
    char error[ERROR_TEXT], *text = malloc(NET_TEXT);
    bool good = text && net_fold_plan(&run->layers, &in->fold, text);
    if (!good)
        explain(error, "out of memory, or network too long, to fold its bn");
    good = good && net_text_parse(text, shape, &in->folded, error);
    free(text);
    if (!good)
        return wrong_use("%s", error);
    printf("%s: %s\n%d bn folded, %d stay; %lld threads\n",
           run->settings.name ? run->settings.name : "network", run->text, in->fold.folded,
           in->fold.left, (long long)run->request.threads);
    return -1;
}

static int infer(struct inference *in)
{
    struct run *run = &in->run;
    char error[ERROR_TEXT];
    /* A checkpoint trained without times is no reason to time nothing here. */
    run->request.untimed = in->untimed;
    int status = run_set_threads(run);
    if (status >= 0)
        return status;
    if (!data_load(&run->source, (uint64_t)run->request.seed, &run->data, error))
        return wrong_use("%s", error);
    run->trainer = (struct trainer){.data = &run->data,
                                    .batch = EVAL_BATCH,
                                    .centered = run->request.pixels,
                                    .threads = (int)run->request.threads};
    if (!trainer_start(&run->trainer))
        return wrong_use("out of memory for the labels");
    crash_watch("infer");
    if (run->request.json && !(run->json = fopen(run->request.json, "w")))
        return wrong_use("--json '%.200s': cannot write: %s; name a file in a folder that exists",
                         run->request.json, strerror(errno));
    if ((status = read_networks(in)) >= 0 || (status = test_networks(in)) >= 0)
        return status;
    return in->untimed ? -1 : time_networks(in);
}

int cmd_infer(int argc, char **argv)
{
    static struct inference in;
    int status = read_request(argc, argv, &in);
    if (status < 0)
        status = resume_read(&in.run, true);
    /* A plan is for training at one batch size. */
    if (status < 0 && in.run.request.kernels && !strcmp(in.run.request.kernels, "auto"))
        in.run.request.kernels = NULL;
    if (status < 0)
        status = request_resolve(&in.run);
    if (status < 0)
        status = infer(&in);
    return run_close(&in.run, status);
}
