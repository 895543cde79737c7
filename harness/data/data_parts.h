/* What the sources of images share: files of the known data sets, and the synthetic set. */
#ifndef BATCHMARK_DATA_PARTS_H
#define BATCHMARK_DATA_PARTS_H

#include "data/data.h"

/* Uses of the random streams. */
enum { USE_TRAIN_IMAGES = 1, USE_TEST_IMAGES, USE_SHUFFLE };

/* Looks for the first file of this kind in `dir`, or in the folder that its archive unpacks to. True:
 * `folder` is the path. */
bool data_files_find(const char *dir, enum data_kind kind, char folder[DATA_FOLDER]);
/* The files a folder of this kind has, for messages. */
const char *data_files_names(enum data_kind kind);

/* Each function fills the two splits of *d. The caller has set the shape and the counts, and allocated
 * the arrays; the files must agree with shape and counts. */
bool data_files_read(enum data_kind kind, const char *folder, struct data *d,
                     char error[ERROR_TEXT]);
/* Ten classes of gratings with noise. The class decides orientation and spatial frequency; phase, colour
 * and contrast are random. Phase and colour average out, so no linear model of the pixels can tell the
 * classes, while small convolutions can. Image i depends only on (seed, split, i): a larger set begins
 * with the images of a smaller one. */
void data_synthetic_make(struct data *d, uint64_t seed);
/* Five uniform numbers each. The class says whether the first two are on the same side of the middle; one
 * label in twenty is wrong. No linear model of the numbers can tell the classes. */
void data_numbers_make(struct data *d, uint64_t seed);
/* Ten classes of tones with noise: five frequencies, rising or falling by half. Each channel has its own
 * phase, level and amplitude, so that no linear model of the values can tell the classes. */
void data_signals_make(struct data *d, uint64_t seed);

#endif
