/* A layer of a network: its shapes and options, and a table that says for each kind what it does.
 *
 * To add a kind, write its functions and its row in a file layer_*.c, and add its name to the two lists here and
 * to the one in layer.c. Fusion of neighbours concerns two kinds, so it is not in the rows: see net_fuse.c. */
#ifndef BATCHMARK_LAYER_H
#define BATCHMARK_LAYER_H

#include "layers/layers.h"
#include "net/memory.h"
#include "net/reader.h"
#include "problem/crash.h"
#include "problem/problem.h"
#include "problem/registry.h"

/* Of one image; vectors have h = w = 1. */
struct shape {
    int64_t c, h, w;
};

enum layer_kind {
    LAYER_CONV,
    LAYER_DENSE,
    LAYER_BN,
    LAYER_RELU,
    LAYER_SIGMOID,
    LAYER_TANH,
    LAYER_SOFTMAX,
    LAYER_DROPOUT,
    LAYER_MAXPOOL,
    LAYER_AVGPOOL,
    LAYER_FLATTEN,
    LAYER_KINDS /* how many; stays the last */
};

struct layer {
    enum layer_kind kind;
    int64_t kh, kw, stride, ph, pw; /* conv, pooling; padding above and to the left */
    bool line;                      /* conv, pooling: on signals, so kh is 1 */
    bool bias;                      /* conv, dense */
    double eps, momentum;           /* bn */
    /* bn, of its running statistics: the mean over all batches, whatever momentum is; the variance as it is */
    bool cumulative, population;
    bool affine, running,
        frozen;  /* bn: has gamma and beta; has running statistics; keeps to them */
    double rate; /* dropout: the share that is dropped */
    struct shape src, dst;
    int column; /* of its first word in the text, from 1 */
};

/* The calls of a layer. */
enum phase { FWD, BWD_DATA, BWD_WEIGHTS, REORDER_FWD, REORDER_BWD, PHASES };
extern const char *const phase_names[PHASES];

/* One call of a registry variant. */
struct call {
    const struct entry *entry; /* NULL: the layer has no such call */
    struct problem problem;
    struct args args;
    int layer;
    enum phase phase;
    char name[CRASH_TEXT];
};

/* How a layer is fused with its neighbours in a training pass.
 *   gathers   a conv computes the statistics of the bn after it
 *   gathered  a bn whose statistics the conv before it computes
 *   relu      it also does the relu after it
 *   pools     it also does the relu and the maxpool after it */
struct joined {
    bool gathers, gathered, relu, pools;
};

/* Selects one of a layer's calls. */
struct call_site {
    enum phase phase;
    int64_t mb;
    bool training;
    bool bottom; /* no layer below has weights, so none needs a gradient */
    struct joined joined;
    enum layout layout;
};

/* What a layer's call computes. */
struct net_op {
    const char *op; /* NULL: the layer has no such call */
    struct problem problem;
    struct formats formats;
};

/* What a layer owns, independent of the batch. A pointer is NULL if the layer has no such tensor. */
struct layer_state {
    enum layout layout;
    /* Activations and their gradients, in that layout. src is the dst of the layer before, unless a reorder lies
     * between; in-place layers have dst = src and diff_src = diff_dst. */
    float *src, *dst, *diff_src, *diff_dst;
    float *weight, *bias;           /* conv, dense; gamma and beta of bn */
    float *diff_weight, *diff_bias; /* of the loss */
    float *mean, *variance;         /* bn: of the batch */
    float *scale, *shift; /* bn that pools: y = (x - mean) scale + shift in the last pass */
    float *running_mean, *running_var; /* bn, if it has them */
    uint8_t *chosen;                   /* maxpool */
};

/* The present step. */
struct layer_step {
    int64_t number; /* from 1 */
    bool counts;    /* running statistics are updated, and times are counted */
    bool drops;     /* a dropout drops values */
    uint64_t key;   /* decides which values; different for each layer */
};

/* A layer in a pass at one batch size. */
struct layer_pass {
    const struct layer *l;
    struct layer_state *s;
    const struct layers *kernels; /* for this CPU */
    const struct layer_step *step;
    int threads;
    int64_t mb;
    bool training;
    struct joined joined;
    bool done; /* a neighbour does the layer */
    bool relu; /* a maxpool does the relu before it */
    struct call calls[PHASES];
};

/* The trained tensors of a layer. */
struct layer_weights {
    int ndim; /* of the weight; 0: it has none */
    int64_t dims[4];
    int64_t bias; /* values of the bias */
};

/* Where the time of a layer is counted. */
enum layer_clock { CLOCK_OTHER, CLOCK_CONV, CLOCK_BN, CLOCK_DENSE, CLOCKS };

/* A row of the table. A function that is NULL does nothing, or gives nothing. */
struct layer_type {
    /* As text: the name; whether NAME1d on signals exists; whether a list of all layers leaves it out. */
    const char *name;
    bool has_line, unlisted;
    /* What PyTorch, Keras and others call it, words separated by spaces, and what it is here. */
    struct {
        const char *theirs, *ours;
    } others[3];
    /* Reads what follows the name. The layer comes with its kind, src, and dst = src. */
    bool (*read)(struct reader *r, struct layer *l);
    /* Writes what follows the name. */
    void (*print)(const struct layer *l, char *at, size_t room);

    struct layer_weights (*weights)(const struct layer *l);
    double (*flops)(const struct layer *l); /* forward, of one image */
    enum layer_clock clock;

    /* What it does with buffers and layouts. */
    bool in_place;          /* the output overwrites the input */
    bool gradient_in_place; /* the gradient does; in_place implies it */
    bool by_output;         /* the backward pass reads its output, which must stay unchanged */
    bool spoils_input;      /* changes its input, so that a by_output layer before it would fail */
    bool nchw_only;
    bool moves_zero; /* maps 0 to another value, also in the padded channels of a block */

    /* What others may know of its values. */
    bool (*saturated)(
        float y);         /* an activation: does hardly any gradient pass where the output is y? */
    const char *decision; /* the name of what net_decisions gives */
    bool planned;         /* not an operation of the registry, but slow enough to time for a plan */

    /* Allocates and fills what the layer owns besides weights and activations; mb: the largest batch. */
    void (*make)(const struct layer *l, struct layer_state *s, int64_t mb, struct memory *m);
    /* The operation of a call, reorders apart. */
    struct net_op (*op)(const struct layer *l, const struct call_site *at);
    /* Sets the tensors of all calls; a call ignores those that it does not use. */
    void (*bind)(struct layer_pass *p);
    /* The part that is no operation of the registry, after the calls of that direction. Not called if a
     * neighbour does the layer. */
    void (*forward)(const struct layer_pass *p);
    void (*backward)(const struct layer_pass *p);
};

extern const struct layer_type layer_conv, layer_dense, layer_bn, layer_relu, layer_sigmoid,
    layer_tanh, layer_softmax, layer_dropout, layer_maxpool, layer_avgpool, layer_flatten;

const struct layer_type *layer_type(const struct layer *l);
extern const struct layer_type *const layer_types[LAYER_KINDS];

/* One layer as it would be written. */
#define LAYER_TEXT 128
char *layer_print(const struct layer *l, char text[LAYER_TEXT]);
/* A number with enough digits to read back the same number. */
#define REAL_TEXT 32
char *real_print(double x, char text[REAL_TEXT]);

/* Its weights and biases: their shapes, the number of weights, the number of both; layer_size is the latter as
 * a double, so that it cannot overflow. */
struct layer_weights layer_weights(const struct layer *l);
int64_t layer_weight_count(const struct layer *l);
int64_t layer_parameters(const struct layer *l);
double layer_size(const struct layer *l);
/* Multiplications and additions forward for one image. */
double layer_flops(const struct layer *l);

/* Can the layer work in that layout? Layers on plain vectors take only nchw. */
bool layer_takes(const struct layer *l, enum layout layout);
/* Channels that lie side by side in a layout of the layer's input, and floats of an image. */
int64_t layer_lanes(const struct layer *l, enum layout layout);
int64_t shape_floats(const struct shape *s, enum layout layout);
int64_t padded16(int64_t n);

static inline struct formats same_layout(enum layout layout)
{
    return (struct formats){layout, layout};
}

/* bn: as it is without options. */
struct layer layer_plain_bn(void);
/* Does the bn normalize by the statistics of the batch it is given? */
bool layer_by_batch(const struct layer *l, bool training);
/* The problem of a conv; of a bn, or of a reorder, which has no eps. */
struct problem conv_problem(const struct layer *l, int64_t mb);
struct problem plane_problem(const struct layer *l, double eps, int64_t mb);
/* bn that pools: where in window i of channel c it took the maximum, row by row; -1: the ReLU let nothing pass. */
int layer_pooled_place(const struct layer *l, const struct layer_state *s, int64_t image, int64_t c,
                       int64_t i);

#endif
