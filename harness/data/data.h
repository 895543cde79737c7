/* Images to train on: CIFAR's binary files, MNIST's IDX files (plain or .gz), or built-in synthetic sets. */
#ifndef BATCHMARK_DATA_H
#define BATCHMARK_DATA_H

#include "core/error.h"

#include <stdint.h>

/* ANY: a source that may be any of those before DATA_FILES, which have files of their own. CIFAR10_PAIR: the first two
 * classes of CIFAR-10, the middle 28x28 pixels. NUMBERS: five numbers and two classes, made only.
 * SIGNALS: eight channels of 128 values and ten classes, made only. */
enum data_kind {
    DATA_ANY,
    DATA_CIFAR10,
    DATA_CIFAR100,
    DATA_MNIST,
    DATA_FILES,
    DATA_CIFAR10_PAIR = DATA_FILES,
    DATA_NUMBERS,
    DATA_SIGNALS,
    DATA_KINDS
};

/* What is known of a kind before a file is read. */
struct data_shape {
    const char *name; /* "cifar-10" */
    int64_t channels, height, width;
    int classes;
    int64_t train, test; /* images of the splits */
};
extern const struct data_shape data_shapes[DATA_KINDS]; /* ANY: that of CIFAR-10 */

/* Where images come from, before any is read. */
#define DATA_FOLDER 1024
struct data_source {
    enum data_kind kind;      /* never ANY */
    char folder[DATA_FOLDER]; /* that holds the files; "": the synthetic set */
    int64_t train, test;      /* images of the synthetic set */
};

/* pixels[count][channels][height][width] and labels[count], as stored: bytes. */
struct images {
    uint8_t *pixels, *labels;
    int64_t count;
};

struct data {
    struct images train, test;
    int64_t channels, height, width;
    int classes;
    char name[64];
};

/* What `text` means: a folder, "synthetic" (50000 images and 10000), "synthetic:TRAIN" or "synthetic:TRAIN:TEST"; the
 * same with "signals" for SIGNALS.
 * A folder holds the files themselves or the folder its archive unpacks to (cifar-10-batches-bin, cifar-100-binary,
 * MNIST/raw). want: the kind that is needed, whatever else lies there; with ANY there must be one alone. Looks for the
 * files and reads none. False: `error` says what is missing. */
bool data_find(const char *text, enum data_kind want, struct data_source *out,
               char error[ERROR_TEXT]);

/* Reads the files, or makes the synthetic set by `seed`. False: `error` names the file that is truncated or wrong and the
 * image in it, and nothing is left allocated. Free with data_free. */
bool data_load(const struct data_source *source, uint64_t seed, struct data *out,
               char error[ERROR_TEXT]);
void data_free(struct data *d);

/* The order in which an epoch (from 1) sees `count` images: a permutation that depends on seed and epoch alone. */
void data_shuffle(int64_t count, uint64_t seed, int64_t epoch, uint32_t *order);

#endif
