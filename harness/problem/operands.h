/* The operands of one call: their data, in buffers placed so that accesses out of bounds trap.
 *
 * A guarded buffer has an inaccessible page before and behind it. The bytes between the tensor and these
 * pages hold canary words, which are checked after the run. Values depend only on (seed, role, plain
 * index), so that every variant and layout sees the same numbers. */
#ifndef BATCHMARK_OPERANDS_H
#define BATCHMARK_OPERANDS_H

#include "problem/op.h"
#include "problem/problem.h"

enum operand_flags {
    OPERANDS_GUARDED =
        1, /* inaccessible pages around each tensor; tensors end right at the one behind */
    OPERANDS_ODD = 2,        /* plain tensors begin 4 bytes past a multiple of 64 */
    OPERANDS_FRONT = 4,      /* with GUARDED: tensors begin right at the page before them */
    OPERANDS_NO_OPTIONAL = 8 /* optional operands are NULL */
};

enum fill {
    FILL_RANDOM,  /* zero-mean. Products: magnitudes in [0.5, 1), so that no product is negligible.
                     BN: (-1, 1) */
    FILL_INTEGER, /* small integers: sums of products are exact in float32 in any order. BN: mean
                     and variance too */
    FILL_IMPULSE, /* as RANDOM, but few entries of src (bwd: diff_dst) are not zero */
    FILL_FAR      /* as RANDOM, but the bias is 1e4 times the spread of the sums it is added to */
};

/* Different quiet NaNs mark memory that nobody has written. */
#define NAN_OUTPUT 0x7fc0dead
#define NAN_SCRATCH 0x7fc05c5c
#define NAN_CANARY 0x7fc0ca4a

struct buffer {
    void *map; /* the whole mapping */
    size_t map_bytes, page;
    char *data; /* the tensor */
    size_t bytes;
    bool guarded;
};

struct operands {
    struct args args;
    struct problem
        problem; /* args.problem points here, so the struct must not be moved once made */
    struct tensor_spec specs[ROLE_COUNT];
    int count;
    struct buffer buffers[ROLE_COUNT]; /* as specs */
    struct buffer scratch;
};

/* Bytes that the operands and the scratch of a call take. */
double operands_bytes(const struct op *op, const struct variant *v, const struct problem *p,
                      struct formats f, struct hints h, unsigned flags);

/* Allocates the operands and the scratch of a call. Refuses what does not fit into memory (limits.h).
 * operands_fill touches the pages first. False: `error` holds one line, and nothing is allocated. */
bool operands_make(struct operands *o, const struct op *op, const struct variant *v,
                   const struct problem *p, struct formats f, struct hints h, unsigned flags,
                   char error[ERROR_TEXT]);

/* Writes inputs, and NaN into outputs and scratch. FILL_RANDOM gives bn backward the statistics of
 * its src. */
void operands_fill(struct operands *o, const struct op *op, uint64_t seed, enum fill kind);

/* NaN into outputs and scratch, canaries around them: as before the first run. */
void operands_reset(struct operands *o);

void operands_free(struct operands *o);

/* The index of a role in specs and buffers, or -1 where the operation has none or it is left out.
 */
int operands_find(const struct operands *o, enum role role);

/* Copies an operand from or to plain order. */
void operands_set(struct operands *o, enum role role, const float *plain);
void operands_get(const struct operands *o, enum role role, float *plain);

/* NULL, or the name of the operand ("src", ..., "scratch") whose canary words have been
 * overwritten. */
const char *operands_damage(const struct operands *o);

/* Describes an address that trapped: "4 bytes past the end of src". False: it is not in a guard page.
 * Async-signal-safe. */
bool operands_explain(const struct operands *o, const void *address, char text[128]);

#endif
