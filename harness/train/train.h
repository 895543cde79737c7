/* Training: feeds batches of a data set to a network, in order or shuffled, and evaluates it. */
#ifndef BATCHMARK_TRAIN_H
#define BATCHMARK_TRAIN_H

#include "data/augment.h"
#include "data/data.h"
#include "net/net.h"
#include "train/ahead.h"
#include "train/schedule.h"

/* Images of an evaluation batch: enough that a small training batch does not make evaluation slow. */
enum { EVAL_BATCH = 100 };

struct trainer {
    /* Set by the caller before trainer_start. */
    struct net *net;
    const struct data *data;
    struct optimizer optimizer; /* step 0; its rate is what the schedule is a factor of */
    struct schedule schedule;
    int64_t batch;
    bool shuffle;
    uint64_t seed;
    bool centered;          /* pixels less the mean of their split; else over 255 */
    struct augment augment; /* of training images */
    int threads;            /* that augment them; 1 or more */
    bool guarded;           /* by a loss that is inf or NaN no weight is changed */
    bool ahead;    /* instead, a thread of its own prepares a batch while the step before it runs */
    int ahead_cpu; /* where it runs; below 0: anywhere */
    const uint8_t *map; /* [256], of the pixels of the test set; NULL: as they are */
    /* Where training stands. */
    int64_t epoch, next; /* the epoch from 1, and the next image of it */
    uint32_t *order;
    uint8_t *labels;
    struct ahead *helper; /* NULL: none, or it could not be started */
    struct {
        float *images;
        int64_t epoch, first, count; /* count 0: none */
    } prepared;                      /* what the helper made, or is making */
    double step_seconds;             /* of the last step */
    double input_seconds;            /* spent gathering pixels, and changing them */
    double augment_seconds; /* of those, of batches that were changed; ahead, waiting for them */
    float train_mean, test_mean; /* of the pixels of the splits, where they are centered */
};

/* Fills in what the sizes of the data decide: batches and tails of training and evaluation, classes. */
void train_sizes(const struct data *data, int64_t batch, struct net_options *o);

/* Reads "cross-entropy", "smoothing S" or "mse"; prints it back. */
bool loss_parse(const char *text, struct loss *out, char error[ERROR_TEXT]);
#define LOSS_TEXT 64
char *loss_print(const struct loss *l, char text[LOSS_TEXT]);

/* Allocates; free with trainer_finish. The trainer must stay where it is until then. False: out of memory. */
bool trainer_start(struct trainer *t);
void trainer_finish(struct trainer *t);

/* One step on the next batch; the last one of an epoch may be short and counts fully, as in PyTorch's DataLoader.
 * Begins a new epoch where the last one is used up. *images is the size of the batch. */
struct outcome trainer_step(struct trainer *t, int64_t *images);
bool trainer_epoch_done(const struct trainer *t);
/* Goes to image `next` of an epoch (0: before the first), as if it had got there by steps. */
void trainer_seek(struct trainer *t, int64_t epoch, int64_t next);

/* The first mb images of the test set become the network's input, over again where there are fewer. mb: at most the
 * network's largest batch. */
void trainer_fill(struct trainer *t, int64_t mb);

/* Loss and hits over the whole test set. */
struct outcome trainer_test(struct trainer *t);

/* The same with BN by the statistics of each batch, of as many images as a training batch has. What is left at the end
 * and fills no batch is left out; *images says how many were used. */
struct outcome trainer_test_batches(struct trainer *t, int64_t *images);

/* Gradients over the batch of the last step once more, at the weights of now; no step. images: of that batch. */
struct outcome trainer_again(struct trainer *t, int64_t images);

#endif
