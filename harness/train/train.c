/* The training loop's steps. */
#include "train/train.h"
#include "core/clock.h"
#include "core/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Uses of the random stream, beside those of the data. */
enum { USE_AUGMENT = 32 };

/* Pixels that several threads make floats of faster than one: ten times what waking them costs. */
enum { PIXELS_WORTH_A_TEAM = 16384 };

void train_sizes(const struct data *data, int64_t batch, struct net_options *o)
{
    o->batch = min_i64(batch, data->train.count);
    o->tail = data->train.count % o->batch;
    o->eval_batch = min_i64(max_i64(o->batch, EVAL_BATCH), data->test.count);
    o->eval_tail = data->test.count % o->eval_batch;
    o->classes = data->classes;
}

bool loss_parse(const char *text, struct loss *out, char error[ERROR_TEXT])
{
    char rest[2];
    *out = (struct loss){0};
    if (!strcmp(text, "cross-entropy"))
        return true;
    if (!strcmp(text, "mse")) {
        out->kind = LOSS_MEAN_SQUARE;
        return true;
    }
    if (sscanf(text, " smoothing %lf %1s", &out->smoothing, rest) == 1 && out->smoothing >= 0 &&
        out->smoothing < 1)
        return true;
    return explain(
        error,
        "--loss '%.100s': give cross-entropy, mse or 'smoothing S' with a share from 0 to "
        "below 1",
        text);
}

char *loss_print(const struct loss *l, char text[LOSS_TEXT])
{
    if (l->kind == LOSS_MEAN_SQUARE || l->smoothing <= 0)
        snprintf(text, LOSS_TEXT, "%s", l->kind == LOSS_MEAN_SQUARE ? "mse" : "cross-entropy");
    else
        snprintf(text, LOSS_TEXT, "smoothing %.17g", l->smoothing);
    return text;
}

static int64_t image_size(const struct data *d)
{
    return d->channels * d->height * d->width;
}

static float mean_pixel(const struct images *set, int64_t size)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < set->count * size; i++)
        sum += set->pixels[i];
    return (float)((double)sum / (double)(set->count * size));
}

/* One image of the training set, changed at random: which way depends on seed, epoch and place in it alone. */
static void augment_into(const struct trainer *t, int64_t epoch, int64_t place,
                         const uint8_t *pixels, float *to)
{
    const struct data *d = t->data;
    uint64_t key =
        rng_stream(rng_stream(t->seed, USE_AUGMENT, (uint64_t)epoch), USE_AUGMENT, (uint64_t)place);
    augment_image(&t->augment, key, d->channels, d->height, d->width, pixels, to);
    const float shift = t->centered ? t->train_mean : 0, scale = t->centered ? 1 : 255;
    for (int64_t i = 0; i < image_size(d); i++)
        to[i] = (to[i] - shift) / scale;
}

static int64_t image_at(const struct trainer *t, int64_t place)
{
    return t->shuffle ? t->order[place] : place;
}

/* The helper's work. */
static void prepare(void *user)
{
    struct trainer *t = user;
    const int64_t size = image_size(t->data), first = t->prepared.first;
    for (int64_t i = 0; i < t->prepared.count; i++)
        augment_into(t, t->prepared.epoch, first + i,
                     t->data->train.pixels + image_at(t, first + i) * size,
                     t->prepared.images + i * size);
}

/* What the helper is at work on is not wanted any more. */
static void forget_prepared(struct trainer *t)
{
    if (t->helper)
        ahead_wait(t->helper);
    t->prepared.count = 0;
}

/* Takes a batch that the helper made. False: it made another or none. */
static bool take_prepared(struct trainer *t, int64_t count)
{
    if (!t->helper || t->prepared.count != count || t->prepared.first != t->next ||
        t->prepared.epoch != t->epoch)
        return false;
    ahead_wait(t->helper);
    memcpy(net_input(t->net), t->prepared.images,
           (size_t)(count * image_size(t->data)) * sizeof(float));
    for (int64_t i = 0; i < count; i++)
        t->labels[i] = t->data->train.labels[image_at(t, t->next + i)];
    t->prepared.count = 0;
    return true;
}

/* Has the next batch of this epoch prepared. */
static void prepare_next(struct trainer *t)
{
    const int64_t left = t->data->train.count - t->next;
    if (!t->helper || left <= 0)
        return;
    t->prepared.epoch = t->epoch;
    t->prepared.first = t->next;
    t->prepared.count = min_i64(t->batch, left);
    ahead_begin(t->helper);
}

/* Shuffled images are at random places in memory, which the hardware prefetchers cannot predict. */
static void fetch_ahead(const uint8_t *pixels, int64_t size)
{
    enum { LINE = 64 };
    for (int64_t at = 0; at < size; at += LINE)
        __builtin_prefetch(pixels + at);
}

/* Images first to first + count of a split, in the given order (NULL: as stored), become the network's input. */
static void gather(struct trainer *t, bool training, const uint32_t *order, int64_t first,
                   int64_t count)
{
    const struct images *set = training ? &t->data->train : &t->data->test;
    const bool augment = training && augment_any(&t->augment);
    const float mean = training ? t->train_mean : t->test_mean;
    const float shift = t->centered ? mean : 0, scale = t->centered ? 1 : 255;
    int64_t size = image_size(t->data);
    float *input = net_input(t->net);
    const bool share = augment || count * size >= PIXELS_WORTH_A_TEAM;
#pragma omp parallel for schedule(static) num_threads(t->threads) if (share)
    for (int64_t i = 0; i < count; i++) {
        int64_t image = order ? order[first + i] : first + i;
        const uint8_t *pixels = set->pixels + image * size;
        if (order && i + 1 < count)
            fetch_ahead(set->pixels + order[first + i + 1] * size, size);
        t->labels[i] = set->labels[image];
        if (augment)
            augment_into(t, t->epoch, first + i, pixels, input + i * size);
        else if (!training && t->map)
            for (int64_t j = 0; j < size; j++)
                input[i * size + j] = ((float)t->map[pixels[j]] - shift) / scale;
        else
            net_layers(t->net)->pixels(size, pixels, shift, scale, input + i * size);
    }
}

bool trainer_start(struct trainer *t)
{
    int64_t largest = max_i64(t->batch, EVAL_BATCH);
    t->batch = min_i64(t->batch, t->data->train.count);
    t->epoch = 0;
    t->next = t->data->train.count;
    if (t->centered) {
        t->train_mean = mean_pixel(&t->data->train, image_size(t->data));
        t->test_mean = mean_pixel(&t->data->test, image_size(t->data));
    }
    t->order = malloc((size_t)t->data->train.count * sizeof *t->order);
    t->labels = malloc((size_t)largest);
    bool good = t->order && t->labels;
    if (good && t->ahead && augment_any(&t->augment)) {
        t->prepared.images =
            malloc((size_t)(t->batch * image_size(t->data)) * sizeof *t->prepared.images);
        /* Without one each step changes its own images: slower, the same bits. */
        t->helper = t->prepared.images ? ahead_start(t->ahead_cpu, prepare, t) : NULL;
    }
    if (good)
        return true;
    trainer_finish(t);
    return false;
}

void trainer_finish(struct trainer *t)
{
    ahead_stop(t->helper);
    t->helper = NULL;
    free(t->prepared.images);
    t->prepared.images = NULL;
    free(t->order);
    free(t->labels);
    t->order = NULL;
    t->labels = NULL;
}

void trainer_fill(struct trainer *t, int64_t mb)
{
    const int64_t size = image_size(t->data), count = t->data->test.count;
    for (int64_t i = 0; i < mb; i++)
        net_layers(t->net)->pixels(size, t->data->test.pixels + i % count * size,
                                   t->centered ? t->test_mean : 0, t->centered ? 1 : 255,
                                   net_input(t->net) + i * size);
}

bool trainer_epoch_done(const struct trainer *t)
{
    return t->next >= t->data->train.count;
}

void trainer_seek(struct trainer *t, int64_t epoch, int64_t next)
{
    forget_prepared(t);
    t->epoch = epoch;
    t->next = epoch ? next : t->data->train.count;
    if (t->shuffle && epoch)
        data_shuffle(t->data->train.count, t->seed, epoch, t->order);
}

struct outcome trainer_step(struct trainer *t, int64_t *images)
{
    double then = now();
    int64_t count = t->data->train.count;
    if (trainer_epoch_done(t))
        trainer_seek(t, t->epoch + 1, 0);
    int64_t mb = min_i64(t->batch, count - t->next);
    if (!take_prepared(t, mb))
        gather(t, true, t->shuffle ? t->order : NULL, t->next, mb);
    t->next += mb;
    prepare_next(t);
    const double spent = now() - then;
    t->input_seconds += spent;
    t->augment_seconds += augment_any(&t->augment) ? spent : 0;
    struct outcome out = net_gradients(t->net, mb, t->labels);
    if (isfinite(out.loss) || !t->guarded) {
        t->optimizer.step++;
        struct optimizer this = t->optimizer;
        this.lr *= schedule_factor(&t->schedule, this.step);
        net_update(t->net, &this);
    }
    *images = mb;
    t->step_seconds = now() - then;
    return out;
}

struct outcome trainer_test(struct trainer *t)
{
    int64_t count = t->data->test.count, batch = min_i64(max_i64(t->batch, EVAL_BATCH), count);
    struct outcome all = {0};
    for (int64_t first = 0; first < count; first += batch) {
        int64_t mb = min_i64(batch, count - first);
        gather(t, false, NULL, first, mb);
        struct outcome one = net_evaluate(t->net, mb, t->labels);
        all.loss += one.loss;
        all.correct += one.correct;
    }
    return all;
}

struct outcome trainer_test_batches(struct trainer *t, int64_t *images)
{
    struct outcome all = {0};
    *images = t->data->test.count / t->batch * t->batch;
    for (int64_t first = 0; first < *images; first += t->batch) {
        gather(t, false, NULL, first, t->batch);
        struct outcome one = net_evaluate_batch(t->net, t->batch, t->labels);
        all.loss += one.loss;
        all.correct += one.correct;
    }
    return all;
}

struct outcome trainer_again(struct trainer *t, int64_t images)
{
    gather(t, true, t->shuffle ? t->order : NULL, t->next - images, images);
    return net_gradients_again(t->net, images, t->labels);
}
