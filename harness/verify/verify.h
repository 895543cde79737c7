/* Verification: compares a variant with the float64 references in five checks, called gates.
 *
 * hygiene   guard pages, outputs filled with NaN, unchanged inputs, odd addresses, repeated runs, other
 *           thread counts
 * exact     small integers: the results must be equal, in any order of summation
 * bound     random data: the error must be below a limit computed by the reference
 * hard      BN: mean far from zero, constant channels, denormals, inf, NaN, eps from 1e-12 to 1;
 *           convolutions: inf and NaN beside padding; with statistics, also a mean far from zero
 * gradient  the gradients of the references against finite differences (only 00_ref) */
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

/* The bit set of gates that `text` names, separated by commas; 0: a name is unknown. */
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

/* One case. `hints` are the hints of the run; threads is 1 for a variant that is not parallel.
 * max_coordinates limits the time for a large problem; verify_sample_size computes it. */
struct verify_case {
    const struct entry *entry;
    struct problem problem;
    struct formats formats;
    uint64_t seed;
    struct hints hints;
    unsigned gates;          /* of enum gates */
    int64_t max_coordinates; /* outputs compared per run, all borders among them; 0 = all */
};

/* Runs one case in this process. Enters OpenMP; a variant that crashes ends the process. */
struct verdict verify_case(const struct verify_case *c);

/* The command that repeats a case, as one line to paste. */
#define COMMAND_TEXT 512
char *verify_command(const struct verify_case *c, char text[COMMAND_TEXT]);

/* The max_coordinates with which the verification of a problem takes seconds, not minutes; 0: compare all
 * outputs. */
int64_t verify_sample_size(const struct op *op, const struct problem *p);

#endif
