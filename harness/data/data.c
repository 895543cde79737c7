/* Finds and loads images, and shuffles them. */
#include "core/limits.h"
#include "core/rng.h"
#include "data/data_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CIFAR(name, classes)                                                                       \
    {                                                                                              \
        name, 3, 32, 32, classes, 50000, 10000                                                     \
    }
const struct data_shape data_shapes[DATA_KINDS] = {
    [DATA_ANY] = CIFAR("cifar-10", 10),
    [DATA_CIFAR10] = CIFAR("cifar-10", 10),
    [DATA_CIFAR100] = CIFAR("cifar-100", 100),
    [DATA_MNIST] = {"mnist", 1, 28, 28, 10, 60000, 10000},
    [DATA_CIFAR10_PAIR] = {"cifar-10-pair", 3, 28, 28, 2, 10000, 2000},
    [DATA_NUMBERS] = {"numbers", 5, 1, 1, 2, 50000, 10000},
    [DATA_SIGNALS] = {"signals", 8, 1, 128, 10, 50000, 10000}};

/* Finding */

/* Reads the count after a colon at *at and moves past it; leaves *count where there is none. */
static bool read_count(const char **at, int64_t *count)
{
    if (**at != ':')
        return **at == '\0';
    char *end;
    errno = 0;
    long long value = strtoll(*at + 1, &end, 10);
    if (end == *at + 1 || errno || value < 1 || value > 10000000)
        return false;
    *count = value;
    *at = end;
    return true;
}

/* "synthetic" is over at `at`. */
static bool find_synthetic(const char *text, const char *at, struct data_source *out,
                           char error[ERROR_TEXT])
{
    int64_t train = 50000, test = 0;
    if (!read_count(&at, &train) || !read_count(&at, &test) || *at)
        return explain(error,
                       "--data %.200s: write synthetic, synthetic:TRAIN or synthetic:TRAIN:TEST "
                       "with 1 to 10000000 images each, or signals in the same way",
                       text);
    out->train = train;
    out->test = test ? test : (train + 4) / 5;
    return true;
}

static bool find_files(const char *dir, enum data_kind want, struct data_source *out,
                       char error[ERROR_TEXT])
{
    struct stat status;
    if (want == DATA_NUMBERS || want == DATA_SIGNALS)
        return explain(error, "%.300s: %s are made and not read; give --data %s", dir,
                       data_shapes[want].name, want == DATA_SIGNALS ? "signals" : "synthetic");
    if (stat(dir, &status))
        return explain(error, "%.300s: %s; --data takes a folder or 'synthetic'", dir,
                       strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return explain(error, "%.300s: not a folder; --data takes the folder of a data set's files",
                       dir);
    enum data_kind first = want == DATA_ANY ? DATA_ANY + 1 : want;
    enum data_kind last = want == DATA_ANY ? DATA_FILES - 1 : want;
    for (enum data_kind kind = first; kind <= last; kind++) {
        char folder[DATA_FOLDER];
        if (!data_files_find(dir, kind, folder))
            continue;
        if (*out->folder)
            return explain(error,
                           "%.200s: holds %s and %s; give the folder with the files of the one "
                           "that is meant",
                           dir, data_shapes[out->kind].name, data_shapes[kind].name);
        out->kind = kind;
        strcpy(out->folder, folder);
    }
    if (*out->folder)
        return true;
    if (want == DATA_ANY)
        return explain(error,
                       "%.200s: holds neither CIFAR-10 nor CIFAR-100 nor MNIST; 'batchmark "
                       "train --help' says which files these are",
                       dir);
    return explain(error, "%.200s: does not hold %s, which is made of %s; make data fetches it",
                   dir, data_shapes[want].name, data_files_names(want));
}

bool data_find(const char *text, enum data_kind want, struct data_source *out,
               char error[ERROR_TEXT])
{
    *out = (struct data_source){.kind = want == DATA_ANY ? DATA_CIFAR10 : want};
    const size_t word = strcspn(text, ":");
    const bool signals = word == strlen("signals") && !strncmp(text, "signals", word);
    if (signals && (want == DATA_ANY || want == DATA_SIGNALS)) {
        out->kind = DATA_SIGNALS;
        return find_synthetic(text, text + word, out, error);
    }
    if (word == strlen("synthetic") && !strncmp(text, "synthetic", word))
        return find_synthetic(text, text + word, out, error);
    return find_files(text, want, out, error);
}

/* Loading */

/* Would the images of both splits fill the memory there is? */
static bool too_many(const struct data *d, int64_t count)
{
    int64_t bytes = count * (d->channels * d->height * d->width + 1);
    return (uint64_t)bytes > memory_room();
}

static bool allocate(const struct data *d, struct images *s, int64_t count)
{
    s->count = count;
    s->pixels = malloc((size_t)(count * d->channels * d->height * d->width));
    s->labels = malloc((size_t)count);
    return s->pixels && s->labels;
}

void data_free(struct data *d)
{
    free(d->train.pixels);
    free(d->train.labels);
    free(d->test.pixels);
    free(d->test.labels);
    *d = (struct data){0};
}

/* Keeps the images of the first classes, and of them the middle. */
static void take_middle(const struct images *from, const struct data_shape *shape,
                        const struct data *d, struct images *to)
{
    const int64_t top = (shape->height - d->height) / 2, left = (shape->width - d->width) / 2;
    int64_t count = 0;
    for (int64_t i = 0; i < from->count && count < to->count; i++) {
        if (from->labels[i] >= d->classes)
            continue;
        to->labels[count] = from->labels[i];
        for (int64_t c = 0; c < d->channels; c++)
            for (int64_t y = 0; y < d->height; y++)
                memcpy(to->pixels + ((count * d->channels + c) * d->height + y) * d->width,
                       from->pixels +
                           ((i * d->channels + c) * shape->height + top + y) * shape->width + left,
                       (size_t)d->width);
        count++;
    }
    to->count = count;
}

static bool read_pair(const struct data_source *source, struct data *out, char error[ERROR_TEXT])
{
    struct data_source whole = *source;
    struct data all;
    whole.kind = DATA_CIFAR10;
    if (!data_load(&whole, 0, &all, error))
        return false;
    take_middle(&all.train, &data_shapes[DATA_CIFAR10], out, &out->train);
    take_middle(&all.test, &data_shapes[DATA_CIFAR10], out, &out->test);
    data_free(&all);
    return (out->train.count && out->test.count) ||
           explain(error, "%.300s: holds no image of the first two classes; fetch the files again",
                   source->folder);
}

bool data_load(const struct data_source *source, uint64_t seed, struct data *out,
               char error[ERROR_TEXT])
{
    const struct data_shape *s = &data_shapes[source->kind];
    bool files = *source->folder;
    /* The gratings have ten classes, whatever they stand in for; or the two that are asked for. */
    *out = (struct data){.channels = s->channels,
                         .height = s->height,
                         .width = s->width,
                         .classes = files             ? s->classes
                                    : s->classes < 10 ? s->classes
                                                      : 10};
    snprintf(out->name, sizeof out->name, "%s", files ? s->name : "synthetic");
    const int64_t train = files ? s->train : source->train, test = files ? s->test : source->test;
    if (too_many(out, train + test) || !allocate(out, &out->train, train) ||
        !allocate(out, &out->test, test)) {
        explain(error, "out of memory for %lld images of %.60s; %s", (long long)(train + test),
                out->name, files ? "close other programs" : "ask for fewer");
        data_free(out);
        return false;
    }
    if (!files) {
        if (source->kind == DATA_NUMBERS)
            data_numbers_make(out, seed);
        else if (source->kind == DATA_SIGNALS)
            data_signals_make(out, seed);
        else
            data_synthetic_make(out, seed);
        return true;
    }
    bool good = source->kind == DATA_CIFAR10_PAIR
                    ? read_pair(source, out, error)
                    : data_files_read(source->kind, source->folder, out, error);
    if (!good)
        data_free(out);
    return good;
}

void data_shuffle(int64_t count, uint64_t seed, int64_t epoch, uint32_t *order)
{
    struct rng r = {rng_stream(seed, USE_SHUFFLE, (uint64_t)epoch)};
    for (int64_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)rng_next_below(&r, (uint64_t)i + 1);
        uint32_t other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}
