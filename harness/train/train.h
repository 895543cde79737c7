/* Training: feeds batches of a data set to a network, in order or shuffled, and evaluates it. */
#ifndef BATCHMARK_TRAIN_H
#define BATCHMARK_TRAIN_H

#include "data/augment.h"
#include "data/data.h"
#include "net/net.h"
#include "train/ahead.h"
#include "train/schedule.h"

/* Images of an evaluation batch. It is independent of the training batch, because a small one would make
 * evaluation slow. */
enum { EVAL_BATCH = 100 };

struct trainer {
    /* Set by the caller before trainer_start. */
    struct net *net;
    const struct data *data;
    struct optimizer optimizer; /* step 0; the schedule multiplies its rate */
    struct schedule schedule;
    int64_t batch;
    bool shuffle;
    uint64_t seed;
    bool centered;          /* pixels minus the mean of their split; else divided by 255 */
    struct augment augment; /* of training images */
    int threads;            /* that augment images; 1 or more */
    bool guarded;           /* a loss of inf or NaN changes no weight */
    bool ahead;         /* instead, a separate thread prepares a batch during the step before it */
    int ahead_cpu;      /* of that thread; below 0: any */
    const uint8_t *map; /* [256], maps pixels of the test set; NULL: unchanged */
    /* Where training stands. */
    int64_t epoch, next; /* the epoch, from 1, and its next image */
    uint32_t *order;
    uint8_t *labels;
    struct ahead *helper; /* NULL: none, or it could not be started */
    struct {
        float *images;
        int64_t epoch, first, count; /* count 0: none */
    } prepared;                      /* the batch that the helper made, or is making */
    double step_seconds;             /* of the last step */
    double input_seconds;            /* spent gathering pixels, and changing them */
    double augment_seconds; /* the part of it for augmented batches; if `ahead`: waiting for them */
    float train_mean, test_mean; /* of the pixels of the splits, if centered */
};

/* Fills in what follows from the sizes of the data: batches and tails of training and evaluation, and
 * the number of classes. */
void train_sizes(const struct data *data, int64_t batch, struct net_options *o);

/* Reads "cross-entropy", "smoothing S" or "mse"; prints it back. */
bool loss_parse(const char *text, struct loss *out, char error[ERROR_TEXT]);
#define LOSS_TEXT 64
char *loss_print(const struct loss *l, char text[LOSS_TEXT]);

/* Allocates; free with trainer_finish. The trainer must stay where it is until then. False: out of memory. */
bool trainer_start(struct trainer *t);
void trainer_finish(struct trainer *t);

/* One step on the next batch. The last batch of an epoch may be smaller and counts as a whole step, as in
 * PyTorch's DataLoader. Begins a new epoch if the last one is used up. *images is the size of the batch. */
struct outcome trainer_step(struct trainer *t, int64_t *images);
bool trainer_epoch_done(const struct trainer *t);
/* Goes to image `next` of an epoch (0: before the first), as if training had reached it step by step. */
void trainer_seek(struct trainer *t, int64_t epoch, int64_t next);

/* Fills the network's input with the first mb images of the test set; repeats them if there are fewer.
 * mb: at most the network's largest batch. */
void trainer_fill(struct trainer *t, int64_t mb);

/* Loss and correct answers over the whole test set. */
struct outcome trainer_test(struct trainer *t);

/* The same, with BN normalizing by the statistics of each batch. Batches have the size of a training
 * batch. Images at the end that fill no batch are left out; *images says how many were used. */
struct outcome trainer_test_batches(struct trainer *t, int64_t *images);

/* Computes the gradients over the batch of the last step again, at the present weights; takes no step.
 * images: the size of that batch. */
struct outcome trainer_again(struct trainer *t, int64_t images);

#endif
