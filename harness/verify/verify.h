/* Proves a variant right: every gate of the verification against the float64 references.
 *
 * hygiene   guard pages, NaN-filled outputs, inputs unchanged, odd addresses, repeated and other-threaded runs
 * exact     small-integer data: equality in any order of summation
 * bound     random data: limits computed by the reference
 * hard      BN: mean far from zero, constant channels, denormals, inf, NaN, eps from 1e-12 to 1; convolutions: inf and NaN
 *           beside padding; those with statistics: mean far from zero
 * gradient  the references' own gradients against finite differences (00_ref only) */
#ifndef BATCHMARK_VERIFY_H
#define BATCHMARK_VERIFY_H

#include "problem/problem.h"
#include "problem/registry.h"

enum gates {
    GATE_HYGIENE = 1,
    GATE_EXACT = 2,
    GATE_BOUND = 4,
    GATE_HARD = 8,
    GATE_GRADIENT = 16,
    GATES_ALL = 31
};

/* A bit set of gates from names separated by commas; 0: `text` has an unknown one. */
unsigned gates_parse(const char *text);

enum verdict_kind {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_UNSUPPORTED,  /* the variant does not do this problem, or cannot run here */
    VERDICT_INAPPLICABLE, /* none of the gates asked for applies */
    VERDICT_MISTRUSTED    /* passed, but the outcome says little: counts as failed */
};
extern const char *const verdict_names[];

#define VERDICT_TEXT 1024
struct verdict {
    enum verdict_kind kind;
    double err_over_limit;      /* the largest seen; 0 where everything was exact */
    char gate[16];              /* the gate that failed, "" where none did */
    char message[VERDICT_TEXT]; /* one line: why it failed or was not run; "" on a plain pass */
};

/* One case. hints are those of the run to be proved: threads is 1 for a variant that is not
 * parallel. max_coordinates bounds the time a large problem takes:
 * verify_sample_size. */
struct verify_case {
    const struct entry *entry;
    struct problem problem;
    struct formats formats;
    uint64_t seed;
    struct hints hints;
    unsigned gates;          /* of enum gates */
    int64_t max_coordinates; /* outputs compared per run, all borders among them; 0 = all */
};

/* Runs one case in this process. Enters OpenMP, and a variant that crashes takes the process with
 * it. */
struct verdict verify_case(const struct entry *e, const struct problem *p, struct formats f,
                           uint64_t seed, struct hints h, unsigned gates, int64_t max_coordinates);

/* Runs cases in supervised children: see supervisor.h. verdicts[count] is the caller's. `done` (may
 * be NULL) is called after each case. To be called before this process has started any thread: a
 * child of a process that has used OpenMP cannot use it. False: `error` says why nothing was run.
 */
bool verify_in_worker(const struct verify_case *cases, int count, struct verdict *verdicts,
                      void (*done)(int index, const struct verdict *v, void *user), void *user,
                      char error[ERROR_TEXT]);

/* The command that repeats a case, as one line to paste. */
#define COMMAND_TEXT 512
char *verify_command(const struct verify_case *c, char text[COMMAND_TEXT]);

/* What one case costs at least: products of a full run times runs. Above `many` coordinates are
 * sampled: the max_coordinates to use for a problem so that verification stays in seconds. */
int64_t verify_sample_size(const struct op *op, const struct problem *p);

#endif
