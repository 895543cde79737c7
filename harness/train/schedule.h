/* How the learning rate goes over the steps of a run: a factor of the rate that was given. */
#ifndef BATCHMARK_SCHEDULE_H
#define BATCHMARK_SCHEDULE_H

#include "core/error.h"

#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE };

/* As PyTorch has them, stepped after each update: the first `warmup` updates at 1/warmup, 2/warmup, ... (LinearLR), then
 *   STEP    times `factor` after every `every` updates (StepLR)
 *   COSINE  half a cosine from 1 to 0 (CosineAnnealingLR), 0 after update `steps` of the run, which warmup is part of
 * All zero: constant. */
struct schedule {
    enum schedule_kind kind;
    int64_t warmup, every, steps;
    double factor;
};

/* Reads "constant", "step EVERY FACTOR" or "cosine [STEPS]", or "warmup N" or one of them after "warmup N,". COSINE
 * without a number has steps 0, for the caller to fill in. False: `error` says what is wrong. */
bool schedule_parse(const char *text, struct schedule *out, char error[ERROR_TEXT]);
/* The text that schedule_parse reads as `s`; returns `text`. */
#define SCHEDULE_TEXT 128
char *schedule_print(const struct schedule *s, char text[SCHEDULE_TEXT]);

/* The factor of update `step`, counted from 1. */
double schedule_factor(const struct schedule *s, int64_t step);

#endif
