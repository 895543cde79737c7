/* Random changes of training images, so that no epoch sees the same pixels. */
#ifndef BATCHMARK_AUGMENT_H
#define BATCHMARK_AUGMENT_H

#include "core/error.h"

#include <stdint.h>

/* The changes are defined as in Keras' ImageDataGenerator: bilinear interpolation; pixels outside the
 * image take the value of the nearest pixel. `shift` is the random crop of a padded image that is usual
 * in training on CIFAR. All fields zero: images stay as they are. */
struct augment {
    double shear; /* degrees: the angle is uniform in -shear .. shear */
    double
        zoom; /* height and width are each scaled by a factor uniform in 1 - zoom .. 1 + zoom; below 1 */
    bool flip;     /* left to right, with probability 1/2 */
    int64_t shift; /* pixels: up to this many in each direction; the gap is black */
};

/* Reads "none", or any of "flip", "shear DEGREES", "zoom SHARE" and "shift PIXELS" separated by commas. False: `error`
 * names the part that is wrong. */
bool augment_parse(const char *text, struct augment *out, char error[ERROR_TEXT]);
/* The text that augment_parse reads as `a`; returns `text`. */
#define AUGMENT_TEXT 128
char *augment_print(const struct augment *a, char text[AUGMENT_TEXT]);
/* Does it change images? */
bool augment_any(const struct augment *a);

/* dst = src[channels][height][width], changed; `key` seeds the random choices. Values are 0 to 255, and
 * no longer integers. */
void augment_image(const struct augment *a, uint64_t key, int64_t channels, int64_t height,
                   int64_t width, const uint8_t *src, float *dst);

#endif
