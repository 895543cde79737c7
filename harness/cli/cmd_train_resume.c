/* Resuming a run: writes and reads what a checkpoint says of its run. */
#include "bench/build_info.h"
#include "cli/cmd_train.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the JSON in a checkpoint. */
enum { SCHEMA = 1 };

const char *const last_name = "last.safetensors", *const best_name = "best.safetensors";

static json_t *meter_json(const struct meter *m)
{
    /* A diverged loss, which JSON cannot say, is left out. */
    json_t *o =
        json_pack("{s:I, s:I, s:I, s:f}", "correct", (json_int_t)m->sum.correct, "images",
                  (json_int_t)m->images, "steps", (json_int_t)m->steps, "seconds", m->seconds);
    if (isfinite(m->sum.loss))
        json_object_set_new(o, "loss", json_real(m->sum.loss));
    return o;
}

static json_t *run_json(const struct run *run)
{
    const struct request *r = &run->request;
    const struct trainer *t = &run->trainer;
    char augment[AUGMENT_TEXT];
    json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "schema", SCHEMA, "preset",
                          run->settings.name ? run->settings.name : "", "network", run->text,
                          "data", r->data, "data_set", data_shapes[run->source.kind].name, "commit",
                          build_commit, "machine", run->machine.slug);
    json_t *settings = json_pack(
        "{s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:I, s:I, s:I}", "batch", (json_int_t)r->batch,
        "pixels", pixel_words[r->pixels], "augment", augment_print(&r->augment, augment), "seed",
        (json_int_t)r->seed, "shuffle", shuffle_words[r->shuffle], "threads",
        (json_int_t)r->threads, "fuse", fuse_words[r->fuse], "isa", isa_names[r->isa], "epochs",
        (json_int_t)r->epochs, "steps", (json_int_t)r->steps, "log", (json_int_t)r->log);
    json_t *place =
        json_pack("{s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o}", "done", (json_int_t)run->done,
                  "epoch", (json_int_t)t->epoch, "next", (json_int_t)t->next, "net_steps",
                  (json_int_t)net_steps(run->net), "best", run->best, "all", meter_json(&run->all),
                  "in_epoch", meter_json(&run->epoch), "since_log", meter_json(&run->since));
    if (r->untimed)
        json_object_set_new(settings, "times", json_false());
    if (r->target >= 0)
        json_object_set_new(settings, "target_accuracy", json_real(r->target));
    if (r->train_images)
        json_object_set_new(settings, "train_images", json_integer(r->train_images));
    if (r->test_images)
        json_object_set_new(settings, "test_images", json_integer(r->test_images));
    const struct {
        const char *name;
        int64_t every;
    } looks[] = {
        {"test_every", r->test_every}, {"stats", r->statistics}, {"direction", r->direction}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (looks[i].every)
            json_object_set_new(settings, looks[i].name, json_integer(looks[i].every));
    char schedule[SCHEDULE_TEXT], loss[LOSS_TEXT], shifts[SHIFTS_TEXT];
    json_object_set_new(settings, "test_bn", json_string(test_bn_words[r->test_bn]));
    if (r->shift_count)
        json_object_set_new(settings, "test_shifts", json_string(print_shifts(r, shifts)));
    json_object_set_new(settings, "schedule", json_string(schedule_print(&r->schedule, schedule)));
    json_object_set_new(settings, "loss", json_string(loss_print(&r->loss, loss)));
    if (r->kernels)
        json_object_set_new(settings, "kernels", json_string(r->kernels));
    if (run->plan)
        json_object_set_new(settings, "plan", net_plan_layers(&run->layers, run->plan));
    if (*run->id)
        json_object_set_new(o, "id", json_string(run->id));
    json_object_set_new(o, "settings", settings);
    json_object_set_new(o, "optimizer", optimizer_json(&run->optimizer));
    json_object_set_new(o, "place", place);
    return o;
}

/* Writes one file of the folder. */
static bool write_checkpoint(struct run *run, const char *name, const json_t *json,
                             char error[ERROR_TEXT])
{
    char path[RUN_PATH + 32];
    snprintf(path, sizeof path, "%s/%s", run->folder, name);
    return checkpoint_write(run->net, &run->optimizer, path, run->text, json, error);
}

int checkpoint_epoch(struct run *run, bool best)
{
    char path[RUN_PATH + 32], error[ERROR_TEXT];
    run->optimizer.step = run->trainer.optimizer.step;
    json_t *json = run_json(run);
    bool good = json != NULL;
    if (!good)
        explain(error, "%.300s: out of memory for the checkpoint", run->folder);
    /* The folder belongs to this run once its first last.safetensors is there; another run's best one does not. */
    if (good && run->replaces) {
        good = write_checkpoint(run, last_name, json, error);
        snprintf(path, sizeof path, "%s/%s", run->folder, best_name);
        run->replaces = !good || (unlink(path) && errno != ENOENT);
    }
    /* The best first: a last one that knows of a better epoch must not lie beside an older best. */
    good = good && (!best || write_checkpoint(run, best_name, json, error)) &&
           write_checkpoint(run, last_name, json, error);
    json_decref(json);
    return good ? -1 : wrong_use("%s", error);
}

/* Reading. What a file says may be anything: each value is read within bounds. */

/* More steps or images than any run has, and far from overflow. */
static const int64_t countless = INT64_C(1000000000000000);
static const double below_1 = 1 - 0x1p-53;

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

struct reading {
    const char *path, *wrong; /* the first value that is missing or impossible */
};

static int64_t whole(struct reading *r, const json_t *o, const char *name, int64_t least,
                     int64_t most)
{
    const json_t *v = json_object_get(o, name);
    int64_t value = json_integer_value(v);
    if (!json_is_integer(v) || value < least || value > most) {
        r->wrong = r->wrong ? r->wrong : name;
        return least;
    }
    return value;
}

static double real(struct reading *r, const json_t *o, const char *name, double least, double most)
{
    const json_t *v = json_object_get(o, name);
    double value = json_number_value(v);
    if (!json_is_number(v) || !(value >= least && value <= most)) {
        r->wrong = r->wrong ? r->wrong : name;
        return least;
    }
    return value;
}

static int word(struct reading *r, const json_t *o, const char *name, const char *const words[],
                int count)
{
    const char *text = json_string_value(json_object_get(o, name));
    for (int i = 0; text && i < count && words[i]; i++)
        if (!strcmp(text, words[i]))
            return i;
    r->wrong = r->wrong ? r->wrong : name;
    return 0;
}

static const char *string(struct reading *r, const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    if (!text)
        r->wrong = r->wrong ? r->wrong : name;
    return text ? text : "";
}

static enum data_kind data_kind(struct reading *r, const json_t *o)
{
    const char *name = string(r, o, "data_set");
    for (int i = DATA_ANY + 1; i < DATA_KINDS; i++)
        if (!strcmp(name, data_shapes[i].name))
            return (enum data_kind)i;
    r->wrong = r->wrong ? r->wrong : "data_set";
    return DATA_CIFAR10;
}

static void read_optimizer(struct reading *r, const json_t *o, struct optimizer *out)
{
    *out = (struct optimizer){
        .kind = (enum optimizer_kind)word(r, o, "name", optimizer_names, OPTIMIZER_KINDS),
        .lr = real(r, o, "lr", 0, 1e6),
        .beta1 = real(r, o, "beta1", 0, below_1),
        .beta2 = real(r, o, "beta2", 0, below_1),
        .eps = real(r, o, "eps", 0, 1),
        .decay = real(r, o, "decay", 0, 1),
        .nesterov = json_is_true(json_object_get(o, "nesterov")),
        .step = whole(r, o, "step", 0, countless)};
}

/* Reports asked for during training. Checkpoints of an earlier version do not name them. */
static void take_looks(struct reading *r, const json_t *s, struct request *q)
{
    if (!q->test_every && json_object_get(s, "test_every"))
        q->test_every = whole(r, s, "test_every", 1, 1000000000);
    if (!q->statistics && json_object_get(s, "stats"))
        q->statistics = whole(r, s, "stats", 1, 1000000000);
    if (!q->direction && json_object_get(s, "direction"))
        q->direction = whole(r, s, "direction", 1, 1000000000);
    if (q->test_bn < 0 && json_object_get(s, "test_bn"))
        q->test_bn = word(r, s, "test_bn", test_bn_words, 2);
    if (!q->shift_count && json_object_get(s, "test_shifts") &&
        !parse_shifts(string(r, s, "test_shifts"), q))
        r->wrong = r->wrong ? r->wrong : "test_shifts";
}

/* Takes the settings that the command line leaves open. */
static void take_settings(struct reading *r, const json_t *s, struct request *q)
{
    char error[ERROR_TEXT];
    if (q->batch < 0)
        q->batch = whole(r, s, "batch", 1, 1000000);
    if (q->pixels < 0)
        q->pixels = word(r, s, "pixels", pixel_words, 2);
    if (q->seed < 0)
        q->seed = whole(r, s, "seed", 0, INT64_MAX);
    if (q->shuffle < 0)
        q->shuffle = word(r, s, "shuffle", shuffle_words, 2);
    if (q->threads < 0)
        q->threads = whole(r, s, "threads", 1, MAX_CPUS);
    if (q->fuse < 0)
        q->fuse = word(r, s, "fuse", fuse_words, 4);
    if (q->isa < 0)
        q->isa = min_int(word(r, s, "isa", isa_names, ISA_COUNT), (int)isa_detect());
    if (q->log < 0)
        q->log = whole(r, s, "log", 1, 1000000000);
    if (!q->augmented && !augment_parse(string(r, s, "augment"), &q->augment, error))
        r->wrong = r->wrong ? r->wrong : "augment";
    q->augmented = true;
    /* A checkpoint of a version without these options does not have them. */
    if (!q->scheduled && json_object_get(s, "schedule") &&
        !schedule_parse(string(r, s, "schedule"), &q->schedule, error))
        r->wrong = r->wrong ? r->wrong : "schedule";
    if (!q->loss_given && json_object_get(s, "loss") &&
        !loss_parse(string(r, s, "loss"), &q->loss, error))
        r->wrong = r->wrong ? r->wrong : "loss";
    if (q->epochs < 0 && q->steps < 0) {
        q->epochs = whole(r, s, "epochs", -1, 1000000);
        q->steps = whole(r, s, "steps", -1, 1000000000000);
    }
    if (q->target < 0 && q->target > TARGET_NONE && json_object_get(s, "target_accuracy"))
        q->target = real(r, s, "target_accuracy", 0, 1);
    if (!q->train_images && json_object_get(s, "train_images"))
        q->train_images = whole(r, s, "train_images", 1, 1000000000);
    if (!q->test_images && json_object_get(s, "test_images"))
        q->test_images = whole(r, s, "test_images", 1, 1000000000);
    take_looks(r, s, q);
    /* A run without times cannot be resumed with times: its earlier seconds are unknown. */
    q->untimed |= json_is_false(json_object_get(s, "times"));
    if (!q->kernels)
        q->kernels = json_string_value(json_object_get(s, "kernels"));
}

/* The checkpoint in a folder: the last one, or the best one if asked for and if it belongs to the same run. */
static void choose_file(const char *folder, bool best, char path[RUN_PATH + 32])
{
    char last_id[RUN_ID], best_id[RUN_ID], last[RUN_PATH + 32];
    snprintf(last, sizeof last, "%s/%s", folder, last_name);
    snprintf(path, RUN_PATH + 32, "%s/%s", folder, best_name);
    if (!best || !run_id_of(path, best_id) ||
        (run_id_of(last, last_id) && strcmp(last_id, best_id)))
        strcpy(path, last);
}

int resume_read(struct run *run, bool best)
{
    struct request *q = &run->request;
    char path[RUN_PATH + 32], error[ERROR_TEXT];
    struct stat info;
    bool folder = !stat(q->resume, &info) && S_ISDIR(info.st_mode);
    if (strlen(q->resume) >= RUN_PATH)
        return wrong_use("--resume '%.100s...': the name is too long", q->resume);
    if (folder)
        choose_file(q->resume, best, path);
    else
        snprintf(path, sizeof path, "%s", q->resume);
    if (!checkpoint_read(path, &run->from, error))
        return wrong_use("%s", error);
    const json_t *o = run->from.run, *settings = json_object_get(o, "settings");
    struct reading r = {.path = path};
    run->settings = (struct preset){.name = string(&r, o, "preset"),
                                    .text = string(&r, o, "network"),
                                    .what = "goes on from a checkpoint",
                                    .data = data_kind(&r, o)};
    whole(&r, o, "schema", SCHEMA, SCHEMA);
    read_optimizer(&r, json_object_get(o, "optimizer"), &run->settings.optimizer);
    if (!q->data)
        q->data = string(&r, o, "data");
    take_settings(&r, settings, q);
    if (!*run->settings.name)
        run->settings.name = NULL;
    run_id_read(o, run->id);
    /* New checkpoints go to the same folder, unless --checkpoint says otherwise. */
    const char *slash = folder ? NULL : strrchr(q->resume, '/');
    snprintf(run->folder, sizeof run->folder, "%.*s",
             folder  ? (int)strlen(q->resume)
             : slash ? (int)(slash - q->resume)
                     : 1,
             folder || slash ? q->resume : ".");
    return r.wrong ? wrong_use("%s: '%s' of the run is missing or impossible; the file is not a "
                               "checkpoint of this version",
                               path, r.wrong)
                   : -1;
}

static void read_meter(struct reading *r, const json_t *place, const char *name, struct meter *out)
{
    const json_t *o = json_object_get(place, name);
    *out = (struct meter){
        .sum = {.loss = json_object_get(o, "loss") ? real(r, o, "loss", -1e300, 1e300) : NAN,
                .correct = whole(r, o, "correct", 0, countless)},
        .images = whole(r, o, "images", 0, countless),
        .steps = whole(r, o, "steps", 0, countless),
        .seconds = real(r, o, "seconds", 0, 1e300)};
}

int resume_restore(struct run *run)
{
    char error[ERROR_TEXT];
    const char *path = run->request.resume;
    const json_t *o = run->from.run, *place = json_object_get(o, "place");
    struct reading r = {.path = path};
    if (!checkpoint_restore(run->net, &run->optimizer, &run->from, path, error))
        return wrong_use("%s", error);
    const int64_t epoch = whole(&r, place, "epoch", 0, countless), count = run->data.train.count,
                  next = whole(&r, place, "next", 0, count);
    if (!r.wrong && next != count && next % run->trainer.batch)
        return wrong_use("%s: stopped after %lld images of an epoch, which are no whole batches of "
                         "%lld; go on with the --batch it had",
                         path, (long long)next, (long long)run->trainer.batch);
    trainer_seek(&run->trainer, epoch, next);
    net_set_steps(run->net, whole(&r, place, "net_steps", 0, countless));
    run->done = whole(&r, place, "done", 0, countless);
    const double best = real(&r, place, "best", -1, 1);
    run->best = run->keeps_best ? best : -1;
    read_meter(&r, place, "all", &run->all);
    read_meter(&r, place, "in_epoch", &run->epoch);
    read_meter(&r, place, "since_log", &run->since);
    if (r.wrong)
        return wrong_use("%s: '%s' is missing or does not fit the data; the file is not a "
                         "checkpoint of this run",
                         path, r.wrong);
    if (run->done >= run->steps)
        return wrong_use(
            "%s: the run is done after %lld steps; go on with more --epochs or --steps", path,
            (long long)run->done);
    const char *commit = json_string_value(json_object_get(o, "commit")),
               *machine = json_string_value(json_object_get(o, "machine"));
    if (!commit || !machine || strcmp(commit, build_commit) || strcmp(machine, run->machine.slug))
        printf("goes on with another build or on another machine: the bits may differ\n");
    return -1;
}
