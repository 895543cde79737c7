/* Problems as strings, in benchdnn's descriptor syntax.
 *
 *   convolution   mb80ic60ih32oc60kh3ph1     keys g mb ic oc ih iw oh ow kh kw sh sw dh dw ph pw eps
 *   tensor        mb80ic60ih32               keys mb ic ih iw eps (batch normalization, reorder, copy)
 *   gemm          64x784:784x256             M x K : K x N
 *   iterations    iter1000000                peak_fma
 *
 * Keys come in any order; `_` between them is ignored. mb is 2 where missing, as in benchdnn. A missing width
 * is the height (square); a problem with no height at all is 1-D (ih = kh = 1). dh is the dilation, 0 = none.
 * oh, ow are computed from symmetric padding where missing; given, they imply the padding below and to the
 * right. A tensor without ih and iw is (N, C). n"name" and a trailing *K (how often a network has the layer)
 * are read and left out of the canonical form. */
#ifndef BATCHMARK_PROBLEM_H
#define BATCHMARK_PROBLEM_H

#include "core/error.h"
#include "kernel.h"

#define PROBLEM_TEXT 192 /* bytes that hold any canonical string */
#define DEFAULT_EPS 1e-5 /* PyTorch's */

/* A problem, and the name and multiplicity that its line gives. */
struct named_problem {
    struct problem problem;
    char name[64];    /* "" where the line gives none */
    int multiplicity; /* >= 1 */
};

/* Reads one descriptor of the given kind. False: `error` holds one line saying what is wrong and where. */
bool problem_parse(enum problem_kind kind, const char *text, struct named_problem *out,
                   char error[ERROR_TEXT]);

/* The same, and guesses the kind: `x` and `:` mean a gemm, oc a convolution, iter iterations; else it is a
 * tensor. */
bool problem_parse_any(const char *text, struct named_problem *out, char error[ERROR_TEXT]);

/* The canonical string: shortest form that parses back to the same problem. Returns `text`. */
char *problem_print(const struct problem *p, char text[PROBLEM_TEXT]);

bool problem_equal(const struct problem *a, const struct problem *b);

/* A list of problems. Free with problem_set_free. */
struct problem_set {
    struct named_problem *items;
    int count;
};

/* Loads a set: `name` is a built-in set (the files of harness/problem/sets, compiled in) or a path. A line is a
 * problem; # starts a comment; empty lines are skipped. False: `error` names file and line. */
bool problem_set_load(const char *name, struct problem_set *out, char error[ERROR_TEXT]);
/* Adds a copy of a problem to a list made by problem_set_load or from {0}. False: out of memory. */
bool problem_set_add(struct problem_set *set, const struct named_problem *p);
void problem_set_free(struct problem_set *set);

#endif
