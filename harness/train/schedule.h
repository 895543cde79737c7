/* How the learning rate changes over a run: a factor for each step, times the given rate. */
#ifndef BATCHMARK_SCHEDULE_H
#define BATCHMARK_SCHEDULE_H

#include "core/error.h"

#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE };

/* As in PyTorch, stepped after each update. The first `warmup` updates use 1/warmup, 2/warmup, ...
 * (LinearLR). Then
 *   STEP    multiplies by `factor` after every `every` updates (StepLR)
 *   COSINE  follows half a cosine from 1 to 0 (CosineAnnealingLR); it is 0 after update `steps` of the
 *           run, counted with the warmup
 * All fields zero: constant. */
struct schedule {
    enum schedule_kind kind;
    int64_t warmup, every, steps;
    double factor;
};

/* Reads "constant", "step EVERY FACTOR", "cosine [STEPS]" or "warmup N", or "warmup N," and one of the
 * others. For "cosine" without a number, steps is 0 and the caller fills it in. False: `error` says what
 * is wrong. */
bool schedule_parse(const char *text, struct schedule *out, char error[ERROR_TEXT]);
/* The text that schedule_parse reads as `s`; returns `text`. */
#define SCHEDULE_TEXT 128
char *schedule_print(const struct schedule *s, char text[SCHEDULE_TEXT]);

/* The factor of update `step`, counted from 1. */
double schedule_factor(const struct schedule *s, int64_t step);

#endif
