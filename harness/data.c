/* Loads CIFAR-10, makes the synthetic set, shuffles. */
#include "data.h"
#include "rng.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CHANNELS = 3,
    SIDE = 32,
    PIXELS = CHANNELS * SIDE * SIDE,
    CLASSES = 10,
    FILE_IMAGES = 10000, /* in each file of CIFAR-10 */
    RECORD = 1 + PIXELS  /* a label, then the pixels */
};

/* Uses of the random streams. */
enum { USE_TRAIN_IMAGES = 1, USE_TEST_IMAGES, USE_SHUFFLE };

__attribute__((format(printf, 2, 3))) static bool fail(char error[ERROR_TEXT], const char *format,
                                                       ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(error, ERROR_TEXT, format, list);
    va_end(list);
    return false;
}

static bool allocate(struct images *s, int64_t count)
{
    s->count = count;
    s->pixels = malloc((size_t)count * PIXELS);
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

/* CIFAR-10 */

static bool read_records(FILE *file, const char *path, struct images *to, int64_t first,
                         char error[ERROR_TEXT])
{
    unsigned char record[RECORD];
    for (int64_t i = 0; i < FILE_IMAGES; i++) {
        if (fread(record, 1, RECORD, file) != RECORD)
            return fail(error, "%.300s: cannot read image %lld: %s", path, (long long)i,
                        ferror(file) ? strerror(errno) : "the file ends early");
        if (record[0] >= CLASSES)
            return fail(
                error, "%.300s: image %lld has label %d, CIFAR-10 has 0 to 9; fetch the file again",
                path, (long long)i, record[0]);
        to->labels[first + i] = record[0];
        memcpy(to->pixels + (first + i) * PIXELS, record + 1, PIXELS);
    }
    return true;
}

static bool read_file(const char *path, struct images *to, int64_t first, char error[ERROR_TEXT])
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(error,
                    "%.300s: cannot open: %s; --data takes the folder of CIFAR-10's binary files",
                    path, strerror(errno));
    struct stat status;
    bool good = true;
    if (!fstat(fileno(file), &status) && S_ISREG(status.st_mode) &&
        status.st_size != (off_t)FILE_IMAGES * RECORD)
        good = fail(error, "%.300s: %lld bytes, a file of CIFAR-10 has %lld; fetch it again", path,
                    (long long)status.st_size, (long long)FILE_IMAGES * RECORD);
    good = good && read_records(file, path, to, first, error);
    fclose(file);
    return good;
}

bool data_load_cifar10(const char *dir, struct data *out, char error[ERROR_TEXT])
{
    *out = (struct data){.channels = CHANNELS,
                         .height = SIDE,
                         .width = SIDE,
                         .classes = CLASSES,
                         .name = "cifar-10"};
    struct stat status;
    if (stat(dir, &status))
        return fail(error, "%.300s: %s; --data takes a folder or 'synthetic'", dir,
                    strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return fail(
            error, "%.300s: not a folder; --data takes the folder of CIFAR-10's binary files", dir);
    char path[4096];
    const char *inner = "/cifar-10-batches-bin";
    snprintf(path, sizeof path, "%s%s", dir, inner);
    if (stat(path, &status) || !S_ISDIR(status.st_mode))
        inner = "";
    if (!allocate(&out->train, 5 * FILE_IMAGES) || !allocate(&out->test, FILE_IMAGES)) {
        data_free(out);
        return fail(error, "out of memory for the images of %.300s", dir);
    }
    bool good = true;
    for (int i = 0; good && i < 5; i++) {
        snprintf(path, sizeof path, "%s%s/data_batch_%d.bin", dir, inner, i + 1);
        good = read_file(path, &out->train, (int64_t)i * FILE_IMAGES, error);
    }
    if (good) {
        snprintf(path, sizeof path, "%s%s/test_batch.bin", dir, inner);
        good = read_file(path, &out->test, 0, error);
    }
    if (!good)
        data_free(out);
    return good;
}

/* The synthetic set */

enum { WAVE = 1024 }; /* steps of one period of the sine table */

static float between(struct rng *r, float low, float high)
{
    return low + (high - low) * rng_next_unit(r);
}

/* Classes 0 to 4: five orientations at 36 degrees, 7 pixels a period; 5 to 9: the same at 4.5. Both fit the
 * receptive field of two 5x5 convolutions. */
static void grating(int class, struct rng *r, const float *wave, uint8_t *pixels)
{
    const float periods[] = {7.0f, 4.5f};
    float angle = (float)(class % 5) * 0.62831853f + between(r, -0.15f, 0.15f);
    float period = periods[class / 5] * between(r, 0.9f, 1.1f);
    float step_x = cosf(angle) / period * WAVE, step_y = sinf(angle) / period * WAVE;
    float phase = between(r, 0, WAVE) + 64 * WAVE; /* stays positive over the image */
    for (int c = 0; c < CHANNELS; c++) {
        float level = between(r, 80, 176), depth = between(r, -70, 70);
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                int at = (int)(phase + step_x * (float)x + step_y * (float)y) % WAVE;
                float noise = (rng_next_unit(r) + rng_next_unit(r) - 1) * 90;
                float value = level + depth * wave[at] + noise;
                pixels[(c * SIDE + y) * SIDE + x] = (uint8_t)(value < 0     ? 0
                                                              : value > 255 ? 255
                                                                            : value);
            }
        }
    }
}

static void make_split(struct images *s, uint64_t seed, uint64_t use, const float *wave)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->count; i++) {
        struct rng r = {rng_stream(seed, use, (uint64_t)i)};
        s->labels[i] = (uint8_t)rng_next_below(&r, CLASSES);
        grating(s->labels[i], &r, wave, s->pixels + i * PIXELS);
    }
}

bool data_make_synthetic(int64_t train, int64_t test, uint64_t seed, struct data *out,
                         char error[ERROR_TEXT])
{
    *out = (struct data){.channels = CHANNELS,
                         .height = SIDE,
                         .width = SIDE,
                         .classes = CLASSES,
                         .name = "synthetic"};
    if (!allocate(&out->train, train) || !allocate(&out->test, test)) {
        data_free(out);
        return fail(error, "out of memory for %lld synthetic images; ask for fewer",
                    (long long)(train + test));
    }
    float wave[WAVE];
    for (int i = 0; i < WAVE; i++)
        wave[i] = sinf((float)i * (6.2831853f / WAVE));
    make_split(&out->train, seed, USE_TRAIN_IMAGES, wave);
    make_split(&out->test, seed, USE_TEST_IMAGES, wave);
    return true;
}

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

bool data_open(const char *text, uint64_t seed, struct data *out, char error[ERROR_TEXT])
{
    size_t word = strlen("synthetic");
    if (strncmp(text, "synthetic", word) || (text[word] && text[word] != ':'))
        return data_load_cifar10(text, out, error);
    const char *at = text + word;
    int64_t train = 5 * FILE_IMAGES, test = 0;
    if (!read_count(&at, &train) || !read_count(&at, &test) || *at)
        return fail(error,
                    "--data %.200s: write synthetic, synthetic:TRAIN or synthetic:TRAIN:TEST with "
                    "1 to 10000000 "
                    "images each",
                    text);
    return data_make_synthetic(train, test ? test : div_up(train, 5), seed, out, error);
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
