/* The folder of a run: bench.json in Google Benchmark's format, system.json, topology.xml, and the link
 * `latest`. results/schema.json describes the files.
 *
 *   results/<machine>/<date>_<commit>/bench.json      (the folder ends in -2, -3 if several runs began in
 *                                                     the same second)
 *   results/<machine>/latest -> <date>_<commit>
 *
 * There is one JSON row per repetition of the round that counts. Its real_time is that of the repetition;
 * cv and counters belong to the median and are the same in each repetition. */
#ifndef BATCHMARK_RESULTS_H
#define BATCHMARK_RESULTS_H

#include "bench/bench_plan.h"

#include <jansson.h>

#define RESULTS_PATH 512

/* The version in results/schema.json. It changes if readers of old files would misunderstand new ones. */
#define RESULTS_SCHEMA 1

struct results {
    char folder[RESULTS_PATH];
    char latest[RESULTS_PATH];      /* the link to set, "" where the folder was the user's choice */
    char machine[RESULTS_PATH / 2]; /* the folder of the machine, "" likewise */
    bool created;                   /* the folder did not exist before */
    size_t there;                   /* length of the part of its path that existed before */
};

/* Makes the folder: `out`, or the default below ./results if NULL. Checks that files can be written there
 * and that there is room for them. Locks the folder until this process ends. Removes empty folders that
 * ended processes left beside it. False: `error` holds one line and nothing new is left. */
bool results_open(struct results *r, const struct machine *m, const char *out,
                  char error[ERROR_TEXT]);

/* Removes the folder and its parents if this run made them and they are empty. May be called in a signal
 * handler. */
void results_abandon(struct results *r);

/* Writes each file whole or not at all, and sets the link. False: `error` holds one line. */
bool results_write(const struct results *r, const struct machine *m, const json_t *document,
                   const json_t *system, char error[ERROR_TEXT]);

/* What the run says about itself, for the context of the JSON. */
struct run_facts {
    int argc;
    char **argv; /* of the subcommand */
    const struct bench_options *options;
    const char *const *warnings; /* besides the machine's */
    int warning_count;
};

/* The whole document, a new reference. */
json_t *results_document(const struct machine *m, const struct run_facts *facts,
                         const struct bench_row *rows, int count);

/* Only the machine, for `info --json` and the context; a new reference. */
json_t *machine_json(const struct machine *m);

#endif
