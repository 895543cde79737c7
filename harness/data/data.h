/* Images to train on: CIFAR's binary files, MNIST's IDX files (plain or .gz), or built-in synthetic sets. */
#ifndef BATCHMARK_DATA_H
#define BATCHMARK_DATA_H

#include "core/error.h"

#include <stdint.h>

/* ANY: any of the kinds before DATA_FILES, which have files of their own. CIFAR10_PAIR: the first two
 * classes of CIFAR-10, cropped to the middle 28x28 pixels. NUMBERS and SIGNALS exist only as synthetic
 * sets: five numbers and two classes; eight channels of 128 values and ten classes. */
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
extern const struct data_shape data_shapes[DATA_KINDS]; /* ANY: the shape of CIFAR-10 */

/* Where images come from, before any is read. */
#define DATA_FOLDER 1024
struct data_source {
    enum data_kind kind;      /* never ANY */
    char folder[DATA_FOLDER]; /* with the files; "": the synthetic set */
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

/* Finds the source that `text` names: a folder, "synthetic" (50000 training and 10000 test images),
 * "synthetic:TRAIN" or "synthetic:TRAIN:TEST"; "signals" instead of "synthetic" gives SIGNALS.
 * A folder holds the files themselves, or the folder that their archive unpacks to
 * (cifar-10-batches-bin, cifar-100-binary, MNIST/raw). `want` is the kind that is needed; other kinds in
 * the folder are ignored. With ANY there must be exactly one kind. Reads no file. False: `error` says
 * what is missing. */
bool data_find(const char *text, enum data_kind want, struct data_source *out,
               char error[ERROR_TEXT]);

/* Reads the files, or makes the synthetic set from `seed`. Free with data_free. False: `error` names the
 * truncated or wrong file and the image in it, and nothing stays allocated. */
bool data_load(const struct data_source *source, uint64_t seed, struct data *out,
               char error[ERROR_TEXT]);
void data_free(struct data *d);

/* The order of `count` images in an epoch (counted from 1): a permutation that depends only on seed and
 * epoch. */
void data_shuffle(int64_t count, uint64_t seed, int64_t epoch, uint32_t *order);

#endif
