/* Which variant an operation of a network runs on.
 *
 * A choice is text: groups separated by ';', each OPERATIONS=PATTERNS, or PATTERNS alone for all operations.
 * OPERATIONS is a glob. PATTERNS is an ordered list of globs over variant names, separated by ','.
 * OP/PATTERN limits one pattern to an operation. Example: 'conv_*=direct_*_omp,naive;bn_bwd=welford'
 *
 * The patterns that name an operation are tried in order. The first pattern with a variant that can do the
 * problem on this CPU decides. Of several such variants it takes threads or one thread, as the work is
 * worth it; then the highest ISA level; then the highest rung. A bfloat16 variant is taken only by a
 * pattern that says bf16. The choice depends on nothing else, so a run can be repeated bit-identically. If
 * no pattern names the operation, the default order holds: see default_order() and kernels/README.md. If
 * nothing fits, that is an error; no other variant is taken. */
#ifndef BATCHMARK_KERNEL_CHOICE_H
#define BATCHMARK_KERNEL_CHOICE_H

#include "problem/problem.h"
#include "problem/registry.h"

/* False: `error` names the pattern that matches no variant, or the glob that matches no operation. */
bool kernel_choice_check(const char *choice, char error[ERROR_TEXT]);

/* The variant for one operation and problem, or NULL: `error` says what was looked for and why each candidate
 * was refused. `choice` may be NULL: the default order, which leaves out peers, one-pass statistics and
 * bfloat16. */
const struct entry *kernel_choose(const char *choice, enum isa cap, int threads, const char *op,
                                  const struct problem *p, struct formats f,
                                  char error[ERROR_TEXT]);

/* Does the choice name the variants of batch normalization in training? Then no fused operation replaces it. */
bool kernel_choice_names_bn(const char *choice);

/* Is there a variant for the problem, by the choice, or by the default order if the choice does not name the
 * operation? */
bool kernel_choice_has(const char *choice, enum isa cap, int threads, const char *op,
                       const struct problem *p, struct formats f);

#endif
