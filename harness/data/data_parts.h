/* What the sources of images share: files of the known data sets, and the synthetic set. */
#ifndef BATCHMARK_DATA_PARTS_H
#define BATCHMARK_DATA_PARTS_H

#include "data/data.h"

/* Uses of the random streams. */
enum { USE_TRAIN_IMAGES = 1, USE_TEST_IMAGES, USE_SHUFFLE };

/* Is there a folder with the first file of this kind at `dir`, or in the folder its archive unpacks to? Its path. */
bool data_files_find(const char *dir, enum data_kind kind, char folder[DATA_FOLDER]);
/* The files a folder of this kind has, for messages. */
const char *data_files_names(enum data_kind kind);

/* Each fills the two splits of *d, whose shape is set and whose arrays hold the counts they have; the files must
 * agree with both. */
bool data_files_read(enum data_kind kind, const char *folder, struct data *d,
                     char error[ERROR_TEXT]);
/* Ten classes of gratings: the class is the orientation and the fineness of a grating of random phase, colour and
 * contrast under noise. Phase and colour average out, so no linear model of the pixels can tell the classes, while
 * small convolutions can. Image i depends on (seed, split, i) alone: a larger set begins with the smaller. */
void data_synthetic_make(struct data *d, uint64_t seed);
/* Five numbers each, uniform: the class is whether the first two lie on the same side of the middle, wrong once in twenty.
 * No linear model of the numbers can tell. */
void data_numbers_make(struct data *d, uint64_t seed);
/* Ten classes of tones under noise: five frequencies, rising or falling by half. Each channel has a phase, a level and a
 * strength of its own, so that no linear model of the values can tell. */
void data_signals_make(struct data *d, uint64_t seed);

#endif
