/* Reads networks, prints layers. */
#include "net/net_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const layer_names[] = {
    [LAYER_CONV] = "conv",       [LAYER_DENSE] = "dense",     [LAYER_BN] = "bn",
    [LAYER_RELU] = "relu",       [LAYER_SIGMOID] = "sigmoid", [LAYER_TANH] = "tanh",
    [LAYER_SOFTMAX] = "softmax", [LAYER_DROPOUT] = "dropout", [LAYER_MAXPOOL] = "maxpool",
    [LAYER_AVGPOOL] = "avgpool", [LAYER_FLATTEN] = "flatten",
};
enum { LAYER_KINDS = sizeof layer_names / sizeof layer_names[0] };

/* What others call our layers. */
static const struct {
    const char *theirs, *ours;
} other_names[] = {
    {"conv2d", "conv"},
    {"convolution1d", "conv1d"},
    {"convolution", "conv"},
    {"convolution2d", "conv"},
    {"linear", "dense"},
    {"fc", "dense"},
    {"fullyconnected", "dense"},
    {"gemm", "dense"},
    {"batchnorm", "bn"},
    {"batchnorm2d", "bn"},
    {"batchnorm1d", "bn"},
    {"batch_norm", "bn"},
    {"batchnormalization", "bn"},
    {"maxpool2d", "maxpool"},
    {"maxpooling1d", "maxpool1d"},
    {"maxpooling2d", "maxpool"},
    {"max_pool", "maxpool"},
    {"pool", "maxpool"},
    {"avgpool2d", "avgpool"},
    {"averagepooling1d", "avgpool1d"},
    {"averagepooling2d", "avgpool"},
    {"averagepool", "avgpool"},
    {"avg_pool", "avgpool"},
    {"adaptiveavgpool1d", "avgpool global"},
    {"adaptiveavgpool2d", "avgpool global"},
    {"globalaveragepooling1d", "avgpool global"},
    {"globalaveragepooling2d", "avgpool global"},
    {"globalaveragepool", "avgpool global"},
    {"logistic", "sigmoid"},
    {"dropout1d", "dropout"},
    {"dropout2d", "dropout"},
};

/* The reader: `at` moves over the text; the current word is text[start .. start + length). */
struct reader {
    const char *text;
    size_t start, length;
    char word[64]; /* the current word, cut off if it is longer; "" at the end; ";" is a word */
    char *error;
};

static void next_word(struct reader *r)
{
    size_t at = r->start + r->length;
    while (isspace((unsigned char)r->text[at]))
        at++;
    r->start = at;
    if (r->text[at] == ';')
        at++;
    else
        while (r->text[at] && r->text[at] != ';' && !isspace((unsigned char)r->text[at]))
            at++;
    r->length = at - r->start;
    snprintf(r->word, sizeof r->word, "%.*s", (int)(r->length < 63 ? r->length : 63),
             r->text + r->start);
}

static bool at_end_of_layer(const struct reader *r)
{
    return !r->word[0] || r->word[0] == ';';
}

/* What a layer may have of anything that is counted, and a kernel of rows and columns. */
enum { MOST_COUNT = 1000000, MOST_KERNEL = 1000 };

/* The complaint about the current word. */
static bool wrong(const struct reader *r, const char *what)
{
    if (r->word[0])
        snprintf(r->error, ERROR_TEXT, "network, column %zu, '%s': %s", r->start + 1, r->word,
                 what);
    else
        snprintf(r->error, ERROR_TEXT, "network, column %zu, at the end: %s", r->start + 1, what);
    return false;
}

/* The same about a number, with its bounds. */
static bool out_of_bounds(const struct reader *r, const char *what, int most)
{
    char text[256];
    snprintf(text, sizeof text, "%s (from 1 to %d)", what, most);
    return wrong(r, text);
}

static bool read_count(struct reader *r, const char *what, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(r->word, &end, 10);
    if (end == r->word || *end || errno || value < 1 || value > MOST_COUNT)
        return out_of_bounds(r, what, MOST_COUNT);
    *out = value;
    next_word(r);
    return true;
}

static bool read_real(struct reader *r, double low, double high, const char *what, double *out)
{
    char *end;
    double value = strtod(r->word, &end);
    if (end == r->word || *end || !(value >= low && value <= high))
        return wrong(r, what);
    *out = value;
    next_word(r);
    return true;
}

static bool read_kernel(struct reader *r, const struct shape *src, struct layer *l)
{
    const char *what = l->line ? "write the length of the kernel, as in conv1d 16 3"
                               : "write the size of the kernel, as in conv 16 3x3";
    char *end;
    errno = 0;
    long long kh = strtoll(r->word, &end, 10), kw = kh;
    if (end == r->word || (*end && (*end != 'x' || l->line)))
        return wrong(r, what);
    if (*end == 'x') {
        const char *second = end + 1;
        kw = strtoll(second, &end, 10);
        if (end == second || *end)
            return wrong(r, what);
    } else if (src->h == 1) {
        kh = 1;
    }
    if (errno || kh < 1 || kw < 1 || kh > MOST_KERNEL || kw > MOST_KERNEL)
        return out_of_bounds(r, what, MOST_KERNEL);
    l->kh = kh;
    l->kw = kw;
    return true;
}

static bool accept(struct reader *r, const char *word)
{
    if (strcmp(r->word, word))
        return false;
    next_word(r);
    return true;
}

/* What others call our options: the word up to a '=' or '('. */
static const struct {
    const char *theirs, *ours;
} other_options[] = {
    {"padding", "say same to keep the size, or nothing for none"},
    {"valid", "that is what conv does; leave it out"},
    {"strides", "write stride S"},
    {"kernel_size", "the size follows the filters, as in conv 16 3x3"},
    {"pool_size", "the size follows the name, as in maxpool 2"},
    {"bias", "write nobias for a layer without one"},
    {"use_bias", "write nobias for a layer without one"},
    {"bias_term", "write nobias for a layer without one"},
    {"activation", "an activation is a layer of its own, as in '; relu'"},
    {"stride", "write stride S, as in stride 2"},
    {"eps", "write eps E, as in eps 1e-3"},
    {"epsilon", "write eps E, as in eps 1e-3"},
    {"momentum", "write momentum M, the weight of the new value: 0.01 where Keras says 0.99"},
    {"affine", "write affine off for a bn without gamma and beta"},
    {"center", "write affine off for a bn without gamma and beta"},
    {"scale", "write affine off for a bn without gamma and beta"},
    {"track_running_stats", "write running off for a bn without running statistics"},
    {"trainable", "write frozen for a bn that keeps to its running statistics"},
    {"eval", "write frozen for a bn that keeps to its running statistics"},
};

/* Does the current word begin with `name`, and does the name end there? */
static bool is_named(const struct reader *r, const char *name)
{
    const size_t length = strlen(name);
    return !strncasecmp(r->word, name, length) &&
           (!r->word[length] || strchr("=(", r->word[length]));
}

/* The complaint about an option: how it is written here, if it is known elsewhere, and which there are. */
static bool wrong_option(const struct reader *r, const char *takes)
{
    char why[320];
    for (size_t i = 0; i < sizeof other_options / sizeof other_options[0]; i++) {
        if (is_named(r, other_options[i].theirs)) {
            snprintf(why, sizeof why, "%s; %s", other_options[i].ours, takes);
            return wrong(r, why);
        }
    }
    return wrong(r, takes);
}

static bool read_conv(struct reader *r, struct layer *l)
{
    bool same = false;
    *l = (struct layer){.kind = LAYER_CONV,
                        .line = l->line,
                        .stride = 1,
                        .bias = true,
                        .src = l->src,
                        .column = l->column};
    if (!read_count(r, "write the number of filters, as in conv 16 3x3", &l->dst.c))
        return false;
    struct reader kernel = *r;
    if (!read_kernel(r, &l->src, l))
        return false;
    next_word(r);
    while (!at_end_of_layer(r)) {
        if (accept(r, "same"))
            same = true;
        else if (accept(r, "nobias"))
            l->bias = false;
        else if (!accept(r, "stride"))
            return wrong_option(r, "conv takes same, stride S and nobias");
        else if (!read_count(r, "write the stride as a number", &l->stride))
            return false;
    }
    /* As much padding as keeps ceil(size / stride), the odd one below and to the right. */
    int64_t all_h =
        same ? max_i64(0, (div_up(l->src.h, l->stride) - 1) * l->stride + l->kh - l->src.h) : 0;
    int64_t all_w =
        same ? max_i64(0, (div_up(l->src.w, l->stride) - 1) * l->stride + l->kw - l->src.w) : 0;
    l->ph = all_h / 2;
    l->pw = all_w / 2;
    char why[160];
    if (l->src.h + all_h < l->kh || l->src.w + all_w < l->kw) {
        snprintf(why, sizeof why,
                 "larger than the %lldx%lld image it is given; write same, or a smaller kernel",
                 (long long)l->src.h, (long long)l->src.w);
        return wrong(&kernel, why);
    }
    l->dst.h = (l->src.h + all_h - l->kh) / l->stride + 1;
    l->dst.w = (l->src.w + all_w - l->kw) / l->stride + 1;
    return true;
}

static bool read_dense(struct reader *r, struct layer *l)
{
    *l = (struct layer){.kind = LAYER_DENSE, .bias = true, .src = l->src, .column = l->column};
    l->dst = (struct shape){0, 1, 1};
    if (!read_count(r, "write the number of outputs, as in dense 10", &l->dst.c))
        return false;
    if (accept(r, "nobias"))
        l->bias = false;
    return true;
}

/* What others do by default. */
static const struct {
    const char *name;
    double eps, momentum;
    bool population;
} conventions[] = {{"pytorch", DEFAULT_EPS, 0.1, false},
                   {"keras", 1e-3, 0.01, false},
                   {"keras3", 1e-3, 0.01, true},
                   {"onnx", DEFAULT_EPS, 0.1, true}};
enum { CONVENTIONS = sizeof conventions / sizeof conventions[0] };

static struct layer plain_bn(void)
{
    return (struct layer){.kind = LAYER_BN,
                          .eps = conventions[0].eps,
                          .momentum = conventions[0].momentum,
                          .affine = true,
                          .running = true};
}

/* Takes the current word as a convention, if it is one. */
static bool accept_convention(struct reader *r, struct layer *l)
{
    for (int i = 0; i < CONVENTIONS; i++) {
        if (accept(r, conventions[i].name)) {
            l->eps = conventions[i].eps;
            l->momentum = conventions[i].momentum;
            l->population = conventions[i].population;
            return true;
        }
    }
    return false;
}

/* "off" after the name of something a bn has. */
static bool read_off(struct reader *r, bool *has)
{
    *has = false;
    return accept(r, "off") || wrong(r, "write off, as in bn affine off; on is the default");
}

static bool read_momentum(struct reader *r, struct layer *l)
{
    if ((l->cumulative = accept(r, "cumulative")))
        return true;
    return read_real(r, 0, 1,
                     "momentum is a number from 0 to 1, the weight of the new value, or cumulative",
                     &l->momentum);
}

static bool read_bn(struct reader *r, struct layer *l)
{
    const struct layer given = *l;
    const struct reader name = *r;
    *l = plain_bn();
    l->src = l->dst = given.src;
    l->column = given.column;
    accept_convention(r, l);
    while (!at_end_of_layer(r)) {
        bool good = true;
        if (accept(r, "eps"))
            good = read_real(r, 1e-12, 1, "eps is a number from 1e-12 to 1", &l->eps);
        else if (accept(r, "momentum"))
            good = read_momentum(r, l);
        else if (accept(r, "population"))
            l->population = true;
        else if (accept(r, "affine"))
            good = read_off(r, &l->affine);
        else if (accept(r, "running"))
            good = read_off(r, &l->running);
        else if (accept(r, "frozen"))
            l->frozen = true;
        else
            good = wrong_option(
                r, "bn takes pytorch, keras, keras3 or onnx first, then eps E, momentum M "
                   "or cumulative, population, affine off, running off, frozen");
        if (!good)
            return false;
    }
    return (l->running || !l->frozen) ||
           wrong(&name, "frozen keeps to running statistics, which running off leaves out");
}

static bool read_pool(struct reader *r, enum layer_kind kind, struct layer *l)
{
    *l = (struct layer){
        .kind = kind, .line = l->line, .stride = 1, .src = l->src, .column = l->column};
    struct reader size = *r;
    if (kind == LAYER_AVGPOOL && accept(r, "global")) {
        l->kh = l->src.h;
        l->kw = l->src.w;
        l->dst = (struct shape){l->src.c, 1, 1};
        return true;
    }
    if (!read_count(r,
                    kind == LAYER_MAXPOOL
                        ? "write the size of the window, as in maxpool 2"
                        : "write the size of the window, as in avgpool 2, or avgpool global",
                    &l->kh))
        return false;
    l->kw = l->stride = l->kh;
    if (l->line)
        l->kh = 1;
    if (accept(r, "stride") && !read_count(r, "write the stride as a number", &l->stride))
        return false;
    if (l->kw > 16)
        return wrong(&size, "windows go up to 16");
    char why[160];
    if (l->kh > l->src.h || l->kw > l->src.w) {
        snprintf(why, sizeof why,
                 "larger than the %lldx%lld image it is given; write a smaller window",
                 (long long)l->src.h, (long long)l->src.w);
        return wrong(&size, why);
    }
    l->dst = (struct shape){l->src.c, (l->src.h - l->kh) / l->stride + 1,
                            (l->src.w - l->kw) / l->stride + 1};
    return true;
}

static bool read_plain(enum layer_kind kind, struct layer *l)
{
    *l = (struct layer){.kind = kind, .src = l->src, .column = l->column};
    l->dst = kind == LAYER_FLATTEN ? (struct shape){l->src.c * l->src.h * l->src.w, 1, 1} : l->src;
    return true;
}

static bool read_dropout(struct reader *r, struct layer *l)
{
    const char *what = "write the share of values to drop, from 0 to 0.99, as in dropout 0.15";
    read_plain(LAYER_DROPOUT, l);
    return read_real(r, 0, 0.99, what, &l->rate);
}

/* Nobody is to get it by mistake. */
static bool read_softmax(struct reader *r, const struct reader *name, struct layer *l)
{
    if (!accept(r, "stray"))
        return wrong(name,
                     "the loss applies softmax itself: end with the dense layer that gives the "
                     "logits, or write softmax stray to apply it twice");
    if (l->src.h * l->src.w > 1)
        return wrong(name, "softmax works on vectors; put a dense layer before it");
    return read_plain(LAYER_SOFTMAX, l);
}

static bool no_such_layer(const struct reader *r)
{
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (is_named(r, other_names[i].theirs)) {
            char why[160];
            snprintf(why, sizeof why, "this layer is called %s here", other_names[i].ours);
            return wrong(r, why);
        }
    }
    return wrong(
        r,
        "no such layer; layers are conv, conv1d, dense, bn, relu, sigmoid, tanh, dropout, maxpool, "
        "maxpool1d, avgpool, avgpool1d, flatten");
}

/* The kind of the layer that the current word names, LAYER_KINDS: none; *line: the one on signals. */
static int find_kind(const struct reader *r, bool *line)
{
    char name[sizeof r->word];
    snprintf(name, sizeof name, "%s", r->word);
    const size_t length = strlen(name);
    *line = length > 2 && !strcmp(name + length - 2, "1d");
    if (*line)
        name[length - 2] = '\0';
    int kind = 0;
    while (kind < LAYER_KINDS && strcmp(name, layer_names[kind]))
        kind++;
    const bool has_line = kind == LAYER_CONV || kind == LAYER_MAXPOOL || kind == LAYER_AVGPOOL;
    return *line && !has_line ? LAYER_KINDS : kind;
}

static bool read_layer(struct reader *r, struct layer *l)
{
    const int kind = find_kind(r, &l->line);
    if (kind == LAYER_KINDS)
        return no_such_layer(r);
    const struct reader name = *r;
    if (l->line && l->src.h > 1)
        return wrong(&name, "works on signals, and is given images; leave out the 1d");
    next_word(r);
    switch ((enum layer_kind)kind) {
    case LAYER_CONV: return read_conv(r, l);
    case LAYER_DENSE: return read_dense(r, l);
    case LAYER_BN: return read_bn(r, l);
    case LAYER_MAXPOOL:
    case LAYER_AVGPOOL: return read_pool(r, (enum layer_kind)kind, l);
    case LAYER_DROPOUT: return read_dropout(r, l);
    case LAYER_SOFTMAX: return read_softmax(r, &name, l);
    case LAYER_RELU:
    case LAYER_SIGMOID:
    case LAYER_TANH:
    case LAYER_FLATTEN: return read_plain((enum layer_kind)kind, l);
    }
    return false;
}

/* Activations overwrite what they are given, and go back by what they wrote: the relu before a sigmoid would not find its
 * own output again. A relu after one does no harm. */
static bool may_follow(const struct net_text *n, enum layer_kind kind)
{
    if (kind != LAYER_SIGMOID && kind != LAYER_TANH && kind != LAYER_SOFTMAX)
        return true;
    int i = n->count - 1;
    while (i >= 0 && n->layers[i].kind == LAYER_FLATTEN)
        i--;
    if (i < 0)
        return true;
    enum layer_kind before = n->layers[i].kind;
    return before != LAYER_RELU && before != LAYER_SIGMOID && before != LAYER_TANH &&
           before != LAYER_SOFTMAX;
}

/* Far from where whole numbers overflow, and exact as a double. */
#define MAX_PARAMETERS 0x1p50

/* Not yet held to that: as much as a layer may ask for overflows. */
static double parameters_of(const struct layer *l)
{
    const double in = (double)l->src.c, out = (double)l->dst.c;
    switch (l->kind) {
    case LAYER_CONV: return out * (in * (double)(l->kh * l->kw) + l->bias);
    case LAYER_DENSE: return out * (in + l->bias);
    case LAYER_BN: return l->affine ? 2 * in : 0;
    default: return 0;
    }
}

bool net_text_parse(const char *text, struct shape input, struct net_text *out,
                    char error[ERROR_TEXT])
{
    struct reader r = {.text = text, .error = error};
    *out = (struct net_text){0};
    next_word(&r);
    if (!r.word[0])
        return wrong(&r, "write layers, as in 'conv 16 3x3; relu; dense 10'");
    struct shape shape = input;
    double parameters = 0;
    while (r.word[0]) {
        if (out->count + 2 > MAX_LAYERS)
            return wrong(&r, "too many layers; a network has up to 255");
        struct layer *l = &out->layers[out->count];
        *l = (struct layer){.src = shape, .column = (int)r.start + 1};
        if (!strcmp(r.word, layer_names[LAYER_DENSE]) && (shape.h > 1 || shape.w > 1)) {
            read_plain(LAYER_FLATTEN, l);
            shape = l->dst;
            out->count++;
            l[1] = (struct layer){.src = shape, .column = l->column};
            l++;
        }
        struct reader word = r;
        if (!read_layer(&r, l))
            return false;
        if (!may_follow(out, l->kind))
            return wrong(&word, "an activation of an activation; leave one of them out");
        parameters += parameters_of(l);
        if (parameters > MAX_PARAMETERS)
            return wrong(&word, "the network would have more than 2^50 weights; write fewer");
        shape = l->dst;
        out->count++;
        if (!at_end_of_layer(&r))
            return wrong_option(&r, "the layer ends here; layers are separated by ';'");
        if (r.word[0])
            next_word(&r);
    }
    return true;
}

/* With as many digits as make it the same number again. */
#define REAL_TEXT 32
static char *real_print(double x, char text[REAL_TEXT])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    return text;
}

static void bn_print(const struct layer *l, char *at, size_t room)
{
    char eps[REAL_TEXT], momentum[REAL_TEXT];
    const struct layer plain = plain_bn();
    const bool numbers = l->eps != plain.eps || l->momentum != plain.momentum || l->cumulative;
    real_print(l->eps, eps);
    real_print(l->momentum, momentum);
    snprintf(at, room, "%s%s%s%s%s%s%s%s", numbers ? " eps " : "", numbers ? eps : "",
             numbers ? " momentum " : "",
             !numbers        ? ""
             : l->cumulative ? "cumulative"
                             : momentum,
             l->population ? " population" : "", l->affine ? "" : " affine off",
             l->running ? "" : " running off", l->frozen ? " frozen" : "");
}

bool layer_by_batch(const struct layer *l, bool training)
{
    return !l->running || (training && !l->frozen);
}

char *layer_print(const struct layer *l, char text[LAYER_TEXT])
{
    char number[REAL_TEXT];
    int n = snprintf(text, LAYER_TEXT, "%s%s", layer_names[l->kind], l->line ? "1d" : "");
    char *at = text + n;
    size_t room = LAYER_TEXT - (size_t)n;
    const char *nobias = l->bias ? "" : " nobias";
    if (l->kind == LAYER_CONV) {
        bool same = l->dst.h == div_up(l->src.h, l->stride) &&
                    l->dst.w == div_up(l->src.w, l->stride) && l->kh * l->kw > 1;
        n = l->line ? snprintf(at, room, " %lld %lld", (long long)l->dst.c, (long long)l->kw)
                    : snprintf(at, room, " %lld %lldx%lld", (long long)l->dst.c, (long long)l->kh,
                               (long long)l->kw);
        n += snprintf(at + n, room - (size_t)n, "%s", same ? " same" : "");
        if (l->stride > 1)
            n += snprintf(at + n, room - (size_t)n, " stride %lld", (long long)l->stride);
        snprintf(at + n, room - (size_t)n, "%s", nobias);
    } else if (l->kind == LAYER_DENSE) {
        snprintf(at, room, " %lld%s", (long long)l->dst.c, nobias);
    } else if (l->kind == LAYER_DROPOUT) {
        snprintf(at, room, " %s", real_print(l->rate, number));
    } else if (l->kind == LAYER_SOFTMAX) {
        snprintf(at, room, " stray");
    } else if (l->kind == LAYER_AVGPOOL && !l->line && l->kh == l->src.h && l->kw == l->src.w) {
        snprintf(at, room, " global");
    } else if ((l->kind == LAYER_MAXPOOL || l->kind == LAYER_AVGPOOL) && l->stride != l->kw) {
        snprintf(at, room, " %lld stride %lld", (long long)l->kw, (long long)l->stride);
    } else if (l->kind == LAYER_MAXPOOL || l->kind == LAYER_AVGPOOL) {
        snprintf(at, room, " %lld", (long long)l->kw);
    } else if (l->kind == LAYER_BN) {
        bn_print(l, at, room);
    }
    return text;
}

/* By the mean of the batch: a bias before it changes nothing. */
static bool takes_bias_away(const struct layer *l)
{
    return l->kind == LAYER_BN && layer_by_batch(l, true);
}

char *net_text_idle_biases(const struct net_text *n, char text[LAYER_LIST_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i + 1 < n->count && used < LAYER_LIST_TEXT - 16; i++)
        if (n->layers[i].bias && takes_bias_away(&n->layers[i + 1]))
            used += (size_t)snprintf(text + used, LAYER_LIST_TEXT - used, used ? ", %d" : "%d", i);
    return text;
}

static bool is_activation(const struct layer *l)
{
    return l->kind == LAYER_RELU || l->kind == LAYER_SIGMOID || l->kind == LAYER_TANH;
}

/* Do the bn before and the one after the activation at i belong to it? One between two activations is the later one's. */
static bool has_before(const struct net_text *n, int i)
{
    return i > 0 && n->layers[i - 1].kind == LAYER_BN;
}

static bool has_after(const struct net_text *n, int i)
{
    const struct layer *l = &n->layers[i];
    bool after = i + 1 < n->count && l[1].kind == LAYER_BN;
    return after && !(i + 2 < n->count && is_activation(&l[2]));
}

/* The bn that belongs to the activation at i, or NULL. */
static const struct layer *bn_of(const struct net_text *n, int i)
{
    const struct layer *l = &n->layers[i];
    return has_before(n, i) ? l - 1 : has_after(n, i) ? l + 1 : NULL;
}

/* Does the layer at i belong to an activation beside it? */
static bool beside_activation(const struct net_text *n, int i)
{
    return (i > 0 && is_activation(&n->layers[i - 1])) ||
           (i + 1 < n->count && is_activation(&n->layers[i + 1]));
}

bool net_text_place_bn(const struct net_text *n, enum bn_place place, bool drop_bias,
                       char text[NET_TEXT], char error[ERROR_TEXT])
{
    const struct layer plain = plain_bn();
    static struct layer out[2 * MAX_LAYERS];
    int count = 0;
    bool any = false;
    for (int i = 0; i < n->count; i++)
        any |= n->layers[i].kind == LAYER_BN;
    if (place == BN_KEEP) {
        any = true;
        place = BN_ON;
    }
    for (int i = 0; i < n->count; i++) {
        const struct layer *l = &n->layers[i], *bn = NULL;
        if (is_activation(l) && (place == BN_BEFORE || place == BN_AFTER) && has_before(n, i) &&
            has_after(n, i))
            return explain(error,
                           "network, column %d: this %s has a bn on either side; leave out the one "
                           "that --bn is not about",
                           l->column, layer_names[l->kind]);
        if (l->kind == LAYER_BN && (place == BN_OFF || (place != BN_ON && beside_activation(n, i))))
            continue;
        if (is_activation(l) && place != BN_OFF)
            bn = !any ? &plain : place != BN_ON ? bn_of(n, i) : NULL;
        if (bn && place != BN_AFTER)
            out[count++] = *bn;
        out[count++] = *l;
        if (bn && place == BN_AFTER)
            out[count++] = *bn;
    }
    for (int i = 0; i + 1 < count; i++)
        if (drop_bias && takes_bias_away(&out[i + 1]))
            out[i].bias = false;
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        char layer[LAYER_TEXT];
        int more = snprintf(text + used, NET_TEXT - used, "%s%s", i ? "; " : "",
                            layer_print(&out[i], layer));
        used += (size_t)more;
        if (used >= NET_TEXT || count > MAX_LAYERS)
            return explain(error, "network: too long with the bn of --bn");
    }
    return true;
}

int64_t layer_parameters(const struct layer *l)
{
    return (int64_t)parameters_of(l);
}

double layer_flops(const struct layer *l)
{
    double outputs = (double)(l->dst.c * l->dst.h * l->dst.w);
    switch (l->kind) {
    case LAYER_CONV: return 2 * outputs * (double)(l->src.c * l->kh * l->kw);
    case LAYER_DENSE: return 2 * outputs * (double)l->src.c;
    case LAYER_BN: return 6 * outputs;
    default: return 0;
    }
}
