/* Google Benchmark through a C interface; gbench.cc is the only C++ of the tree. */
#ifndef BATCHMARK_GBENCH_H
#define BATCHMARK_GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One repetition: `iterations` calls in a row took `seconds` of wall time and `cpu_seconds` of the
 * calling thread. */
struct gbench_sample {
    int64_t iterations;
    double seconds, cpu_seconds;
    bool disturbed; /* end() said so */
};

/* One row to time. The callbacks get `context`. */
struct gbench_case {
    const char *name;             /* unique within a call of gbench_run */
    bool (*begin)(void *context); /* untimed, before each repetition; false: the row is given up */
    void (*run)(void *context);   /* one call of what is timed */
    bool (*end)(void *context);   /* untimed, after each repetition; false: it was disturbed */
    void *context;
    int64_t iterations; /* calls a repetition */
    int repetitions;
    struct gbench_sample *samples; /* room for `repetitions`, owned by the caller */
    int sample_count;              /* set: repetitions done, 0 where the row was given up */
};

/* Times all repetitions of all cases in random order, in wall time. */
void gbench_run(struct gbench_case *cases, int count);

#ifdef __cplusplus
}
#endif

#endif
