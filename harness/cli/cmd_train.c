/* batchmark train: trains a network and reports loss, accuracy, speed and where the time went. */
#include "cli/cmd_train.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/whole_file.h"
#include "net/net_verify.h"
#include "problem/crash.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The signal that asked for the end: control-C's, or the one with which clusters and service managers do. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    interrupted = signal;
}

/* The team: pinned one thread a core where there are cores enough. */
int run_set_threads(struct run *run)
{
    struct request *r = &run->request;
    char error[ERROR_TEXT], why[TEAM_TEXT];
    if (!machine_detect(&run->machine, error, sizeof error))
        return wrong_use("%s", error);
    if (run->machine.emulated && !r->describe && !r->untimed)
        return wrong_use(
            "this CPU is emulated: its times mean nothing; --no-times leaves them out");
    if (r->threads < 0)
        r->threads = run->machine.team;
    if (team_most((int)r->threads, why) < r->threads)
        return wrong_use("--threads %lld: %s", (long long)r->threads, why);
    if (r->threads > run->machine.cpu_count)
        printf("%lld threads on %d usable cores: not pinned, and slower than one a core\n",
               (long long)r->threads, run->machine.cpu_count);
    else if (!machine_pin_team(&run->machine, (int)r->threads, error, sizeof error))
        printf("threads are not pinned: %s\n", error);
    return -1;
}

/* The plan of --kernels auto: the checkpoint's, or the one that was measured. */
static int find_plan(struct run *run, int64_t batch)
{
    const struct request *r = &run->request;
    const struct preset *preset = run->settings.name ? preset_find(run->settings.name) : NULL;
    const json_t *kept = json_object_get(json_object_get(run->from.run, "settings"), "plan");
    char path[PLAN_PATH], error[ERROR_TEXT];
    if (!(run->plan = malloc(sizeof *run->plan)))
        return wrong_use("out of memory for the plan");
    if (kept)
        return net_plan_read(kept, &run->layers, run->plan)
                   ? -1
                   : wrong_use("%s: its plan does not fit this build; name --kernels", r->resume);
    struct net_plan_key key = {.text = run->text,
                               .image = run->layers.layers[0].src,
                               .name =
                                   preset && !strcmp(preset->text, run->text) ? preset->name : NULL,
                               .batch = batch,
                               .threads = (int)r->threads,
                               .isa = (enum isa)r->isa};
    net_plan_path(&run->machine, &key, path);
    return net_plan_load(path, &run->machine, &key, &run->layers, run->plan, error)
               ? -1
               : wrong_use("%s", error);
}

static int make_network(struct run *run)
{
    const struct request *r = &run->request;
    char error[ERROR_TEXT];
    struct net_options o = {.seed = (uint64_t)r->seed,
                            .init = (enum init)r->initial,
                            .loss = r->loss,
                            .init_scale = r->initial_scale,
                            .hints = machine_hints(&run->machine, (int)r->threads),
                            .kernels = r->kernels,
                            .isa = (enum isa)r->isa,
                            .fuse = (enum fuse)r->fuse,
                            .memory = (double)memory_room()};
    o.hints.keep = true;
    train_sizes(&run->data, r->batch, &o);
    if (r->kernels && !strcmp(r->kernels, "auto")) {
        int status = find_plan(run, o.batch);
        if (status >= 0)
            return status;
        o.kernels = NULL;
        o.plan = run->plan;
    }
    run->net = net_create(&run->layers, &o, error);
    if (!run->net || (r->init && !weights_load(run->net, r->init, error)))
        return wrong_use("%s", error);
    int64_t epoch_steps = div_up(run->data.train.count, o.batch);
    run->steps = r->steps > 0 ? r->steps : r->epochs * epoch_steps;
    /* Complete from here on, so that a resumed run keeps it even if it runs longer. */
    struct schedule *s = &run->request.schedule;
    if (s->kind == SCHEDULE_COSINE && !s->steps)
        s->steps = run->steps;
    if (s->kind == SCHEDULE_COSINE && s->steps <= s->warmup)
        return wrong_use("--schedule: warms up for %lld of %lld steps, which leaves none for the "
                         "cosine",
                         (long long)s->warmup, (long long)s->steps);
    return -1;
}

bool run_prove(const struct run *run, int *checked)
{
    char message[NET_VERIFY_TEXT];
    const bool good = net_verify(run->net, (uint64_t)run->request.seed, checked, message);
    if (!good)
        fprintf(stderr, "batchmark: %s\n", message);
    return good;
}

static int verify_kernels(const struct run *run)
{
    int checked = 0;
    if (!run->request.verify)
        printf("kernels not verified\n");
    else if (run_prove(run, &checked))
        printf("%d kernels verified on their problems\n", checked);
    else
        return EXIT_CHECK_FAILED;
    return -1;
}

/* What happens between epochs, and at the end. A last step over so many images is behind it. */
static int end_epoch(struct run *run, int64_t images, struct outcome *test)
{
    int status = check_numbers(run, 0, images, true);
    if (status >= 0)
        return status;
    *test = trainer_test(&run->trainer);
    double accuracy = (double)test->correct / (double)run->data.test.count;
    bool best = accuracy > run->best;
    if (best)
        run->best = accuracy;
    if (!report_epoch(run, *test))
        return EXIT_WRONG_USE;
    if (run->request.target >= 0 && accuracy >= run->request.target) {
        run->reached = run->trainer.epoch;
        run->reached_seconds = run->all.seconds;
    }
    return *run->folder && !run->diverged ? checkpoint_epoch(run, best) : -1;
}

/* Leaves a checkpoint, in a folder of its own if none was asked for, and says how to go on. */
static int stop(struct run *run, int64_t images)
{
    if (run->terminal)
        printf("\r\033[K");
    int status = check_numbers(run, 0, images, true);
    if (status < 0 && run->diverged) {
        printf("interrupted after step %lld of %lld, diverged at step %lld\n", (long long)run->done,
               (long long)run->steps, (long long)run->diverged);
        return 128 + interrupted;
    }
    if (status < 0 && !*run->folder)
        status = folder_new(run);
    if (status < 0)
        status = checkpoint_epoch(run, false);
    if (status >= 0)
        return status;
    printf("interrupted after step %lld of %lld; go on with: batchmark train --resume %s\n",
           (long long)run->done, (long long)run->steps, run->folder);
    /* As a shell says that a signal ended a program. */
    return 128 + interrupted;
}

/* Steps from one look at all weights to the next. Most of what goes wrong shows in the loss or in biases at once. */
enum { LOOK_EVERY = 100 };

static int train(struct run *run)
{
    /* Seconds between two drawings. */
    const double pause = run->terminal ? 0.2 : 10;
    struct outcome test = {0};
    double start = now(), drawn = start;
    struct trainer *t = &run->trainer;
    while (run->done < run->steps && !run->reached) {
        if (trainer_epoch_done(t))
            run->epoch = (struct meter){0};
        int64_t images;
        struct outcome out;
        if (!take_step(run, &images, &out))
            return EXIT_WRONG_USE;
        int status = check_numbers(run, out.loss, images, run->done % LOOK_EVERY == 0);
        if (status >= 0)
            return status;
        /* Of the step alone: what was looked at around it is not training. */
        const double end = now(), seconds = run->request.untimed ? 0 : t->step_seconds;
        meter_add(&run->all, out, images, seconds);
        meter_add(&run->epoch, out, images, seconds);
        meter_add(&run->since, out, images, seconds);
        if (run->since.steps == run->request.log) {
            if (!report_step(run))
                return EXIT_WRONG_USE;
            run->since = (struct meter){0};
        }
        if (end - drawn > pause) {
            report_progress(run, end - start);
            drawn = end;
        }
        if (!report_test(run))
            return EXIT_WRONG_USE;
        if (trainer_epoch_done(t) || run->done == run->steps) {
            status = end_epoch(run, images, &test);
            if (status >= 0)
                return status;
        }
        if (interrupted && run->done < run->steps)
            return stop(run, images);
    }
    return report_shifts(run) && report_summary(run, test) ? -1 : EXIT_WRONG_USE;
}

static void report_start(const struct run *run)
{
    const struct request *r = &run->request;
    printf("%s: %s\n%lld + %lld images of %s, batch %lld, %s %g, seed %lld, shuffle %s, %lld "
           "threads\n",
           run->settings.name ? run->settings.name : "network",
           run->settings.what ? run->settings.what : run->text, (long long)run->data.train.count,
           (long long)run->data.test.count, run->data.name, (long long)r->batch,
           optimizer_names[run->optimizer.kind], run->optimizer.lr, (long long)r->seed,
           r->shuffle ? "on" : "off", (long long)r->threads);
    report_layers(run);
    report_kernels(run);
}

static int start_trainer(struct run *run)
{
    const struct request *r = &run->request;
    run->trainer = (struct trainer){.net = run->net,
                                    .data = &run->data,
                                    .optimizer = run->optimizer,
                                    .schedule = r->schedule,
                                    .batch = r->batch,
                                    .shuffle = r->shuffle,
                                    .seed = (uint64_t)r->seed,
                                    .centered = r->pixels,
                                    .augment = r->augment,
                                    .threads = (int)r->threads,
                                    .guarded = !r->keep_going,
                                    .ahead = r->threads < run->machine.cpu_count};
    /* On a core that the team does not use. If there is none, it would only slow the team down. */
    if (run->trainer.ahead)
        run->trainer.ahead_cpu = run->machine.cpus[r->threads].pu;
    if (!trainer_start(&run->trainer))
        return wrong_use("out of memory for the batches; close other programs");
    if (run->trainer.ahead && augment_any(&r->augment) && !run->trainer.helper)
        printf("no thread can be started: images are changed in the step\n");
    int status = run->from.run ? resume_restore(run) : -1;
    run->from_step = run->done;
    return status;
}

/* An earlier log is kept until the kernels have passed verification. A resumed run continues its log. */
static int open_log(struct run *run)
{
    const struct request *r = &run->request;
    if (r->json && !(run->json = fopen(r->json, "a")))
        return wrong_use("--json '%.200s': cannot write: %s; name a file in a folder that exists",
                         r->json, strerror(errno));
    if (r->json && flock(fileno(run->json), LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return wrong_use("--json '%.200s': another run writes it; name another file", r->json);
    return -1;
}

/* The length in bytes of the log up to step `done`. A resumed run writes the lines after its last checkpoint
 * and its end again. A line that a kill cut off does not count. -1: the log cannot be read. */
static off_t log_until(const char *path, int64_t done)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    off_t keep = 0;
    if (!file)
        return -1;
    for (ssize_t n; (n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n'; keep += n) {
        json_t *event = json_loads(line, 0, NULL);
        const char *kind = json_string_value(json_object_get(event, "event"));
        const bool end = kind && (!strcmp(kind, "shifted") || !strcmp(kind, "summary"));
        const bool later = json_integer_value(json_object_get(event, "step")) > done;
        json_decref(event);
        if (end || later)
            break;
    }
    free(line);
    fclose(file);
    return keep;
}

static int cut_log(struct run *run)
{
    struct stat info;
    /* What is no regular file cannot be cut. */
    if (!run->json || fstat(fileno(run->json), &info) || !S_ISREG(info.st_mode))
        return -1;
    const off_t keep = run->from.run ? log_until(run->request.json, run->done) : 0;
    if (keep < 0 || ftruncate(fileno(run->json), keep))
        return wrong_use("--json '%.200s': cannot write: %s; name another file", run->request.json,
                         strerror(errno));
    return -1;
}

/* Everything from the data on. -1: all went well. */
static int carry_out(struct run *run)
{
    const struct request *r = &run->request;
    char error[ERROR_TEXT];
    int status = run_set_threads(run);
    if (status >= 0)
        return status;
    if (!data_load(&run->source, (uint64_t)r->seed, &run->data, error))
        return wrong_use("%s", error);
    if (r->train_images > run->data.train.count || r->test_images > run->data.test.count)
        return wrong_use(
            "--subset %lld:%lld: the data has %lld images to train on and %lld to test",
            (long long)r->train_images, (long long)r->test_images, (long long)run->data.train.count,
            (long long)run->data.test.count);
    if (r->train_images)
        run->data.train.count = r->train_images;
    if (r->test_images)
        run->data.test.count = r->test_images;
    if ((status = make_network(run)) >= 0)
        return status;
    if (r->describe) {
        report_start(run);
        return -1;
    }
    if ((status = open_log(run)) >= 0 || (status = folder_open(run)) >= 0)
        return status;
    report_start(run);
    crash_watch("train");
    if ((status = start_trainer(run)) >= 0 || (status = verify_kernels(run)) >= 0 ||
        (status = cut_log(run)) >= 0)
        return status;
    /* A second one ends it at once. */
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if ((status = train(run)) >= 0)
        return status;
    if (r->save && run->diverged) {
        fprintf(stderr, "batchmark: --save %.200s: not written, the weights are no numbers\n",
                r->save);
        return EXIT_CHECK_FAILED;
    }
    if (r->save && !weights_save(run->net, r->save, run->text, error))
        return wrong_use("%s", error);
    if (r->gradients && !gradients_save(run->net, r->gradients, error))
        return wrong_use("%s", error);
    return -1;
}

int run_close(struct run *run, int status)
{
    if (run->json && fclose(run->json) && status < 0)
        status = wrong_use("%s: cannot write: %s", run->request.json, strerror(errno));
    trainer_finish(&run->trainer);
    net_free(run->net);
    data_free(&run->data);
    machine_free(&run->machine);
    if (run->from.run)
        checkpoint_free(&run->from);
    free(run->plan);
    free(run->text);
    return status < 0 ? EXIT_GOOD : status;
}

int cmd_train(int argc, char **argv)
{
    /* Holds the parsed network, too large for comfort on a stack. */
    static struct run run;
    run = (struct run){.terminal = isatty(STDOUT_FILENO), .best = -1};
    int status = request_read(argc, argv, &run.request);
    if (status < 0 && run.request.resume)
        status = resume_read(&run, false);
    if (status < 0)
        status = request_resolve(&run);
    if (status < 0)
        status = carry_out(&run);
    return run_close(&run, status);
}
