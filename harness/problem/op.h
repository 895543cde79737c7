/* An operation, independent of how it is computed: its operands and its cost. */
#ifndef BATCHMARK_OP_H
#define BATCHMARK_OP_H

#include "kernel.h"

/* One operand of an operation for a given problem. */
struct tensor_spec {
    enum role role;
    bool output;
    bool optional;      /* may be NULL in args */
    enum layout layout; /* NCHW, NHWC, NCHW16C for activations; FLAT: plain in the order of dims */
    int ndim;
    int64_t dims[4]; /* logical: activations N, C, H, W whatever the layout */
};

/* Work and traffic of one call. */
struct cost {
    double flops;         /* useful: direct FLOPs that touch real pixels */
    double flops_nominal; /* padding counted */
    double bytes;         /* compulsory: each operand once */
};

/* Which pass of training an operation belongs to. The gradient of the data is the gradient of src. The
 * backward pass of a batch normalization also gives the gradients of its parameters. */
enum op_pass { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

struct op {
    const char *name;
    enum problem_kind kind;
    enum op_pass pass;
    /* Fills `out` and returns how many operands there are. */
    int (*tensors)(const struct problem *p, struct formats f, struct tensor_spec out[ROLE_COUNT]);
    struct cost (*cost)(const struct problem *p);
    /* NULL, or why the problem makes no sense for the operation ("one value per channel: ..."). May be NULL. */
    const char *(*refuse)(const struct problem *p);
    bool normalizes; /* a batch normalization, alone or folded into a convolution */
    bool statistics; /* computes the mean and the variance of its channels */
    bool relu;       /* a ReLU follows; backward, its mask is applied first */
    bool pools; /* the maximum of windows of 2x2 follows; backward, the gradient goes to it first */
    bool moves; /* copies values and rounds nothing */
    bool ceiling; /* measures what the machine can do at most; other rows are compared with it */
};

/* All operations, in the order of lists and benchmarks; the last one has no name. And one by name, or
 * NULL. */
extern const struct op ops[];
const struct op *op_find(const char *name);

/* Floats that the operand occupies in its layout (nchw16c pads the channels), and without padding. */
int64_t tensor_physical(const struct tensor_spec *t);
int64_t tensor_logical(const struct tensor_spec *t);

/* "src", "diff_weights", ...: the names in files, messages and `run`. */
extern const char *const role_names[ROLE_COUNT];

/* "nchw", ... and "src:dst" where they differ, as row names have it. */
extern const char *const layout_names[LAYOUT_COUNT];
#define FORMATS_TEXT 32
char *formats_print(struct formats f, char text[FORMATS_TEXT]);
/* The reverse of formats_print. False: not the name of a layout or pair. */
bool formats_parse(const char *text, struct formats *out);

#endif
