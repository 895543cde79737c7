/* What batchmark train says about a run: tables, progress, tests, JSON lines. */
#include "bench/build_info.h"
#include "cli/cmd_train.h"
#include "net/net_verify.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void report_layers(const struct run *run)
{
    double flops = 0, bytes = 0;
    const struct data *d = &run->data;
    const double images =
        (double)((d->train.count + d->test.count) * (d->channels * d->height * d->width + 1));
    char idle[LAYER_LIST_TEXT];
    printf("%-3s %-24s %-12s %10s %12s %9s\n", "", "layer", "output", "parameters", "FLOPs/image",
           "MB");
    for (int i = 0; i < run->layers.count; i++) {
        const struct layer *l = &run->layers.layers[i];
        const double own = net_layer_bytes(run->net, i);
        char text[LAYER_TEXT], shape[64];
        snprintf(shape, sizeof shape, l->dst.h * l->dst.w > 1 ? "%lldx%lldx%lld" : "%lld",
                 (long long)l->dst.c, (long long)l->dst.h, (long long)l->dst.w);
        printf("%-3d %-24s %-12s %10lld %12.0f %9.3f\n", i, layer_print(l, text), shape,
               (long long)layer_parameters(l), layer_flops(l), own / 1e6);
        flops += layer_flops(l);
        bytes += own;
    }
    printf("    %-24s %-12s %10lld %12.0f %9.3f\n", "total", "",
           (long long)net_parameters(run->net), flops, bytes / 1e6);
    printf("peak memory: %.1f MB (layers %.1f; gradients between them, input and scratch %.1f; "
           "images %.1f)\n",
           (net_bytes(run->net) + images) / 1e6, bytes / 1e6, (net_bytes(run->net) - bytes) / 1e6,
           images / 1e6);
    if (*net_text_idle_biases(&run->layers, idle))
        printf("note: the bn right after layers %s takes their biases away again; --bias drop, or "
               "nobias, leaves them out\n",
               idle);
}

/* Each layer with the variants of its training pass; calls of other batch sizes only where they differ. */
void report_kernels(const struct run *run)
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
    for (int i = 0; i < run->layers.count; i++)
        if (net_pools(run->net, i))
            printf("  %-3d bn, relu and maxpool as one\n", i);
}

json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

bool log_event(struct run *run, json_t *event)
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

void meter_add(struct meter *m, struct outcome o, int64_t images, double seconds)
{
    m->sum.loss += o.loss;
    m->sum.correct += o.correct;
    m->images += images;
    m->steps++;
    m->seconds += seconds;
}

double printable(double x)
{
    return isnan(x) ? fabs(x) : x;
}

static double mean_loss(const struct meter *m)
{
    return printable(m->sum.loss / (double)m->images);
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
void report_progress(const struct run *run, double elapsed)
{
    enum { WIDTH = 24 };
    double share = (double)run->done / (double)run->steps;
    double left = elapsed * (double)(run->steps - run->done) / (double)(run->done - run->from_step);
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < (int)(share * WIDTH) ? '#' : '.';
    bar[WIDTH] = '\0';
    if (run->request.untimed) {
        printf(run->terminal ? "\repoch %lld [%s] %3.0f %%  loss %.4f  accuracy %.4f \033[K"
                             : "epoch %lld  [%s] %3.0f %%  loss %.4f  accuracy %.4f\n",
               (long long)run->trainer.epoch, bar, 100 * share, mean_loss(&run->epoch),
               accuracy(&run->epoch));
        fflush(stdout);
        return;
    }
    printf(
        run->terminal
            ? "\repoch %lld [%s] %3.0f %%  loss %.4f  accuracy %.4f  %.0f images/s  %d:%02d left "
              "\033[K"
            : "epoch %lld  [%s] %3.0f %%  loss %.4f  accuracy %.4f  %.0f images/s  %d:%02d left\n",
        (long long)run->trainer.epoch, bar, 100 * share, mean_loss(&run->epoch),
        accuracy(&run->epoch), speed(&run->epoch), (int)left / 60, (int)left % 60);
    fflush(stdout);
}

bool report_step(struct run *run)
{
    const struct trainer *t = &run->trainer;
    const double lr = t->optimizer.lr * schedule_factor(&t->schedule, t->optimizer.step);
    json_t *o = json_pack("{s:s, s:I, s:I, s:f, s:o}", "event", "step", "step",
                          (json_int_t)run->done, "epoch", (json_int_t)t->epoch, "lr", lr, "loss",
                          number_json(mean_loss(&run->since)));
    if (!run->request.untimed && run->since.seconds > 0)
        json_object_set_new(o, "images_per_second", json_real(speed(&run->since)));
    return log_event(run, o);
}

/* Adds the mean loss and the accuracy of a test to an event under `name`_loss and `name`_accuracy. */
static void add_test(json_t *o, const char *name, struct outcome test, int64_t images)
{
    char key[48];
    snprintf(key, sizeof key, "%s_loss", name);
    json_object_set_new(o, key, number_json(test.loss / (double)images));
    snprintf(key, sizeof key, "%s_accuracy", name);
    json_object_set_new(o, key, json_real((double)test.correct / (double)images));
}

/* The test with the statistics of batches, if asked for. */
static void add_batch_test(struct run *run, json_t *event)
{
    int64_t images;
    if (!run->request.test_bn)
        return;
    struct outcome test = trainer_test_batches(&run->trainer, &images);
    if (images)
        add_test(event, "test_batch", test, images);
}

bool report_epoch(struct run *run, struct outcome test)
{
    const struct meter *epoch = &run->epoch;
    double images = (double)run->data.test.count;
    if (run->terminal)
        printf("\r\033[K");
    printf("epoch %lld: train loss %.4f accuracy %.4f, test loss %.4f accuracy %.4f",
           (long long)run->trainer.epoch, mean_loss(epoch), accuracy(epoch),
           printable(test.loss / images), (double)test.correct / images);
    if (!run->request.untimed)
        printf(", %.0f images/s, %.1f s", speed(epoch), epoch->seconds);
    printf("\n");
    fflush(stdout);
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:o, s:f}", "event", "epoch", "epoch",
                          (json_int_t)run->trainer.epoch, "step", (json_int_t)run->done, "steps",
                          (json_int_t)epoch->steps, "train_loss", number_json(mean_loss(epoch)),
                          "train_accuracy", accuracy(epoch));
    add_test(o, "test", test, run->data.test.count);
    if (!run->request.untimed) {
        json_object_set_new(o, "images_per_second", json_real(speed(epoch)));
        json_object_set_new(o, "seconds", json_real(epoch->seconds));
    }
    add_batch_test(run, o);
    return log_event(run, o);
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

/* How long the target took. */
static void report_target(const struct run *run, json_t *summary)
{
    if (run->request.target < 0)
        return;
    const bool timed = !run->request.untimed;
    if (run->reached && timed)
        printf("target accuracy %g reached after epoch %lld, %.1f s of training\n",
               run->request.target, (long long)run->reached, run->reached_seconds);
    else if (run->reached)
        printf("target accuracy %g reached after epoch %lld\n", run->request.target,
               (long long)run->reached);
    else
        printf("target accuracy %g not reached\n", run->request.target);
    json_object_set_new(summary, "target_accuracy", json_real(run->request.target));
    json_object_set_new(summary, "target_epoch",
                        run->reached ? json_integer(run->reached) : json_null());
    if (timed)
        json_object_set_new(summary, "target_seconds",
                            run->reached ? json_real(run->reached_seconds) : json_null());
}

/* Where the time went, in print and in the summary. */
static void report_times(const struct run *run, json_t *o)
{
    struct net_seconds s = net_seconds(run->net);
    const double augment = run->trainer.augment_seconds;
    double input = run->trainer.input_seconds, other = s.other + s.loss + s.update;
    double rest = s.dense + s.reorder + other + input, total = s.conv + s.bn + rest;
    print_times(run, run->done - run->from_step);
    printf("time: conv %.1f %%, bn %.1f %%, rest %.1f %% (dense %.1f %%, reorders %.1f %%, "
           "augmentation %.1f %%, input %.1f %%, other %.1f %%)\n",
           100 * s.conv / total, 100 * s.bn / total, 100 * rest / total, 100 * s.dense / total,
           100 * s.reorder / total, 100 * augment / total, 100 * (input - augment) / total,
           100 * other / total);
    json_object_set_new(o, "images_per_second", json_real(speed(&run->all)));
    json_object_set_new(o, "seconds", json_real(run->all.seconds));
    json_object_set_new(o, "share_conv", json_real(s.conv / total));
    json_object_set_new(o, "share_bn", json_real(s.bn / total));
    json_object_set_new(o, "share_rest", json_real(rest / total));
    json_object_set_new(o, "share_dense", json_real(s.dense / total));
    json_object_set_new(o, "share_reorder", json_real(s.reorder / total));
    json_object_set_new(o, "share_input", json_real((input - augment) / total));
    json_object_set_new(o, "share_augment", json_real(augment / total));
}

bool report_summary(struct run *run, struct outcome test)
{
    const struct request *r = &run->request;
    const struct meter *all = &run->all, *epoch = &run->epoch;
    const double images = (double)run->data.test.count;
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:f, s:I, s:I, s:b}", "event", "summary", "preset",
        run->settings.name ? run->settings.name : "", "network", run->text, "data", run->data.name,
        "steps", (json_int_t)all->steps, "batch", (json_int_t)r->batch, "optimizer",
        optimizer_names[run->optimizer.kind], "lr", run->optimizer.lr, "seed", (json_int_t)r->seed,
        "threads", (json_int_t)r->threads, "shuffle", r->shuffle != 0);
    char schedule[SCHEDULE_TEXT], loss[LOSS_TEXT];
    json_object_set_new(o, "schedule", json_string(schedule_print(&r->schedule, schedule)));
    json_object_set_new(o, "loss", json_string(loss_print(&r->loss, loss)));
    json_object_set_new(o, "train_loss", number_json(mean_loss(epoch)));
    json_object_set_new(o, "train_accuracy", json_real(accuracy(epoch)));
    add_test(o, "test", test, run->data.test.count);
    if (r->untimed)
        json_object_set_new(o, "times", json_false());
    else
        report_times(run, o);
    printf("%lld steps, %lld images", (long long)all->steps, (long long)all->images);
    if (!r->untimed)
        printf(" in %.1f s: %.0f images/s", all->seconds, speed(all));
    printf("; test accuracy %.4f\n", (double)test.correct / images);
    json_object_set_new(o, "parameters", json_integer(net_parameters(run->net)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)net_bytes(run->net)));
    json_object_set_new(o, "kernels", kernels_json(run->net));
    json_object_set_new(o, "machine", json_string(run->machine.slug));
    json_object_set_new(o, "commit", json_string(build_commit));
    if (run->diverged)
        json_object_set_new(o, "diverged_step", json_integer(run->diverged));
    report_target(run, o);
    return log_event(run, o);
}

bool report_test(struct run *run)
{
    const int64_t every = run->request.test_every;
    if (every <= 0 || run->done % every)
        return true;
    json_t *o = json_pack("{s:s, s:I}", "event", "test", "step", (json_int_t)run->done);
    if (!run->request.untimed)
        json_object_set_new(o, "seconds", json_real(run->all.seconds));
    add_test(o, "test", trainer_test(&run->trainer), run->data.test.count);
    add_batch_test(run, o);
    return log_event(run, o);
}

bool report_shifts(struct run *run)
{
    const struct request *r = &run->request;
    for (int i = 0; i < r->shift_count; i++) {
        uint8_t map[256];
        shift_map(r->shifts[i].kind, r->shifts[i].amount, map);
        run->trainer.map = map;
        struct outcome test = trainer_test(&run->trainer);
        run->trainer.map = NULL;
        const double images = (double)run->data.test.count;
        printf("test set with %s %g: loss %.4f accuracy %.4f\n", shift_names[r->shifts[i].kind],
               r->shifts[i].amount, printable(test.loss / images), (double)test.correct / images);
        json_t *o = json_pack("{s:s, s:s, s:f}", "event", "shifted", "shift",
                              shift_names[r->shifts[i].kind], "amount", r->shifts[i].amount);
        add_test(o, "test", test, run->data.test.count);
        if (!log_event(run, o))
            return false;
    }
    return true;
}
