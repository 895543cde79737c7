/* The parts of batchmark train: its command line (cmd_train_request.c), what it prints and logs
 * (cmd_train_report.c), resuming (cmd_train_resume.c), the folder of checkpoints (cmd_train_folder.c), and
 * the run itself (cmd_train.c). Functions that return int return -1 to continue, or the exit status after
 * they printed what is wrong. */
#ifndef BATCHMARK_CMD_TRAIN_H
#define BATCHMARK_CMD_TRAIN_H

#include "cli/command.h"
#include "machine/machine.h"
#include "net/net_plan.h"
#include "train/checkpoint.h"
#include "train/preset.h"
#include "train/probe.h"
#include "train/train.h"

#include <stdio.h>

/* A test set that is not like the training set. */
struct shift_request {
    enum shift kind;
    double amount;
};
enum { MAX_SHIFTS = 17 };

/* Below 0, but given: unlike an accuracy that is left open, it does not become the checkpoint's. */
#define TARGET_NONE (-2.0)

/* What the command line asks for. Until request_resolve, a number below 0 or NULL means the preset's value,
 * or the checkpoint's. */
struct request {
    const char *network, *data, *init, *save, *gradients, *decisions, *checkpoint, *resume, *json;
    int64_t epochs, steps, batch, seed, threads, log;
    double lr, momentum, rho, decay;
    double target; /* accuracy to end at, or TARGET_NONE */
    int optimizer, initial, pixels, bn, bias, shuffle, isa, fuse; /* of their enumerations */
    struct augment augment;
    struct schedule schedule;
    struct loss loss;
    bool describe, nesterov, augmented, scheduled, loss_given, overwrite, keep_going;
    bool untimed; /* no clock is read into a report: for emulated CPUs */
    const char *kernels;
    /* Looking closer (cmd_train_probe.c). Images: of the splits, 0 all; every so many steps, 0 never. */
    int64_t train_images, test_images, statistics, direction, test_every;
    double initial_scale; /* 0: 1 */
    int test_bn;          /* 1: by the statistics of batches too */
    int verify;           /* 0: the kernels are not proven */
    bool list;
    struct shift_request shifts[MAX_SHIFTS];
    int shift_count;
};

/* Sums over steps. */
struct meter {
    struct outcome sum;
    int64_t images, steps;
    double seconds;
};

enum { RUN_PATH = 1024, RUN_ID = 17 };

/* A run: the request and everything made for it. */
struct run {
    struct request request;
    struct preset settings; /* what it starts from: a preset, that of texts, or a checkpoint's */
    char *text;             /* of the network, as it is trained */
    struct net_text layers;
    struct data_source source;
    struct data data;
    struct optimizer optimizer;
    struct machine machine;
    struct net_plan *plan; /* of --kernels auto; NULL: none */
    struct net *net;
    struct trainer trainer;
    FILE *json;
    bool terminal;
    int64_t steps, done,
        from_step; /* of the whole run; done so far; done by the run it goes on with */
    struct meter all, epoch, since; /* the run, the epoch, since the last step event */
    struct checkpoint from;         /* goes on from there, if from.run */
    char folder[RUN_PATH];          /* of checkpoints; "": none asked for */
    char id[RUN_ID]; /* tells its checkpoints from another run's; "": an earlier version's */
    bool replaces, keeps_best; /* the folder still holds another run's; holds this one's best */
    double best;               /* test accuracy of an epoch so far; below 0: none yet */
    int64_t diverged;          /* step after which the loss or a weight is inf or NaN, or 0 */
    int64_t reached;           /* epoch in which the target was reached, or 0 */
    double reached_seconds;
};

/* Nothing asked for yet. */
void request_clear(struct request *r);
/* Reads the options. Then, with the checkpoint's settings in place, fills in what was not given. */
int request_read(int argc, char **argv, struct request *r);
int request_resolve(struct run *run);
/* Reads the value of --test-shifts, as it is also kept in checkpoints. False: it is wrong. And back. */
bool parse_shifts(const char *text, struct request *r);
#define SHIFTS_TEXT (MAX_SHIFTS * 48)
char *print_shifts(const struct request *r, char text[SHIFTS_TEXT]);
/* An object, the caller's; NULL: out of memory. */
json_t *optimizer_json(const struct optimizer *o);
/* The words of options, by value. */
extern const char *const optimizer_names[],
    *const pixel_words[], *const shuffle_words[], *const fuse_words[], *const test_bn_words[];

/* Tables before the run. */
void report_layers(const struct run *run);
void report_kernels(const struct run *run);
/* Events: a line on the terminal, one in the JSON file. False: the log cannot be written, and said so. */
void report_progress(const struct run *run, double elapsed);
bool report_step(struct run *run);
bool report_epoch(struct run *run, struct outcome test);
bool report_summary(struct run *run, struct outcome test);
/* The test of --test-every where one is due, and those of --test-shifts at the end. False: as log_event. */
bool report_test(struct run *run);
bool report_shifts(struct run *run);
/* A number for print: of a NaN the sign is none. */
double printable(double x);
/* A number for JSON, which has no NaN: a diverged loss is null. The caller owns it, as of all that return json_t. */
json_t *number_json(double x);
/* Writes one event as a line of the JSON file, if there is one, and frees it. False: it cannot be written, and said so. */
bool log_event(struct run *run, json_t *event);
void meter_add(struct meter *m, struct outcome o, int64_t images, double seconds);

/* Looking closer (cmd_train_probe.c), by the events above. */

/* The next step of the run, with what was asked to be seen of it. False: said why. */
bool take_step(struct run *run, int64_t *images, struct outcome *out);
/* Has the run diverged, after a step over so many images with that loss? Checks all weights if the loss is inf
 * or NaN or with `thorough`, else biases and statistics. Reports divergence once; returns -1 with
 * --keep-going. */
int check_numbers(struct run *run, double loss, int64_t images, bool thorough);

/* Finds the machine and pins the team. */
int run_set_threads(struct run *run);
/* Proves every variant of run->net on the problems it was picked for, on sampled outputs; how many there were. False: printed
 * what is wrong. */
bool run_prove(const struct run *run, int *checked);
/* Frees what a run holds, closes its log, and turns -1 into the exit status of success. */
int run_close(struct run *run, int status);

/* Reads the checkpoint that request.resume names; in a folder, the last one or the best one. Takes the settings
 * from it that the command line leaves open. */
int resume_read(struct run *run, bool best);
/* Restores network, optimizer and place in the data from the checkpoint. */
int resume_restore(struct run *run);
/* Makes, locks and inspects the folder of checkpoints, if one is asked for. Refuses a folder with another
 * run's checkpoints. With --overwrite it keeps them until this run writes its first. */
int folder_open(struct run *run);
/* Makes a new folder for a run that is stopped and has none. */
int folder_new(struct run *run);
/* The id in what a checkpoint says of its run; and that in a file, "?" where it is no checkpoint. False: no such file. */
void run_id_read(const json_t *run, char id[RUN_ID]);
bool run_id_of(const char *path, char id[RUN_ID]);
/* Of the files in the folder. */
extern const char *const last_name, *const best_name;
/* Writes FOLDER/last.safetensors, and best.safetensors where the last test was the best. */
int checkpoint_epoch(struct run *run, bool best);

#endif
