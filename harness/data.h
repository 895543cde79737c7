/* Images to train on: CIFAR-10's binary files, or a built-in synthetic set of the same shape. */
#ifndef BATCHMARK_DATA_H
#define BATCHMARK_DATA_H

#include "problem.h"

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

/* Reads data_batch_1..5.bin and test_batch.bin from DIR or DIR/cifar-10-batches-bin. False: `error` names the file
 * that is missing, truncated or wrong, and nothing is left allocated. */
bool data_load_cifar10(const char *dir, struct data *out, char error[ERROR_TEXT]);

/* Ten classes of 3x32x32 gratings: the class is the orientation and the fineness of a grating of random phase, colour
 * and contrast under noise. Phase and colour average out, so no linear model of the pixels can tell the classes,
 * while small convolutions can. Image i depends on (seed, split, i) alone: a larger set begins with the smaller. */
bool data_make_synthetic(int64_t train, int64_t test, uint64_t seed, struct data *out,
                         char error[ERROR_TEXT]);

/* `text`: a directory, "synthetic" (as many images as CIFAR-10), "synthetic:TRAIN" or "synthetic:TRAIN:TEST". */
bool data_open(const char *text, uint64_t seed, struct data *out, char error[ERROR_TEXT]);

void data_free(struct data *d);

/* The order in which an epoch (from 1) sees `count` images: a permutation that depends on seed and epoch alone. */
void data_shuffle(int64_t count, uint64_t seed, int64_t epoch, uint32_t *order);

#endif
