/* The folder of a run: bench.json in Google Benchmark's format, system.json and topology.xml beside it, and the link
 * `latest`. results/schema.json says what the files hold.
 *
 *   results/<machine>/<date>_<commit>/bench.json      (with -2, -3 behind it where a run began in the same second)
 *   results/<machine>/latest -> <date>_<commit>
 *
 * One JSON row per repetition of the round that counts; the counters and cv of a row are those of its median and
 * the same in each repetition; real_time is the repetition's own. */
#ifndef BATCHMARK_RESULTS_H
#define BATCHMARK_RESULTS_H

#include "bench/bench_plan.h"

#include <jansson.h>

#define RESULTS_PATH 512

/* Of results/schema.json; another number where readers of the old files would misunderstand the new. */
#define RESULTS_SCHEMA 1

struct results {
    char folder[RESULTS_PATH];
    char latest[RESULTS_PATH];      /* the link to set, "" where the folder was the user's choice */
    char machine[RESULTS_PATH / 2]; /* the folder of the machine, "" likewise */
    bool created;                   /* the folder did not exist before */
    size_t there;                   /* so much of its path did */
};

/* Chooses and makes the folder (`out`, or the default below ./results where NULL) and proves that files can be
 * written and that there is room for them. Nobody else gets it while this process lives; empty folders that dead ones left
 * beside it are swept away. False: `error` holds one line and nothing new is left behind. */
bool results_open(struct results *r, const struct machine *m, const char *out,
                  char error[ERROR_TEXT]);

/* Removes the folder again if this run made it, and those it made above, where nothing is in them. May be called in a signal
 * handler. */
void results_abandon(struct results *r);

/* Writes the files, each whole or not at all, and sets the link. False: `error` holds one line. */
bool results_write(const struct results *r, const struct machine *m, const json_t *document,
                   const json_t *system, char error[ERROR_TEXT]);

/* What the run says about itself: becomes the JSON's context. */
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

/* The machine alone, as `info --json` and the context have it; a new reference. */
json_t *machine_json(const struct machine *m);

#endif
