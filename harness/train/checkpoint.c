/* Tensor files of networks. */
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What PyTorch calls an optimizer's memory of a weight; NULL where the optimizer keeps none. */
enum { MEMORIES = 2 };
static const char *memory_name(const struct optimizer *o, int which)
{
    switch (o->kind) {
    case OPTIMIZER_ADAM: return which ? "exp_avg_sq" : "exp_avg";
    case OPTIMIZER_SGD: return !which && o->beta1 > 0 ? "momentum_buffer" : NULL;
    case OPTIMIZER_RMSPROP: return which ? "square_avg" : NULL;
    case OPTIMIZER_KINDS: break;
    }
    return NULL;
}

#define MEMORY_PREFIX "optimizer."
#define MEMORY_NAME 96
static char *memory_tensor(const struct optimizer *o, int which, const struct net_tensor *t,
                           char name[MEMORY_NAME])
{
    snprintf(name, MEMORY_NAME, MEMORY_PREFIX "%s.%s", memory_name(o, which), t->name);
    return name;
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static int64_t elements(const struct net_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dims[i];
    return n;
}

static bool same_dims(const struct named_tensor *a, const struct net_tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

/* Is the tensor `name` there, of floats, shaped like t? */
static bool check_tensor(const struct safetensors *file, const char *path, const char *name,
                         const struct net_tensor *t, char error[ERROR_TEXT])
{
    char have[DIMS_TEXT], want[DIMS_TEXT];
    const struct named_tensor *found = safetensors_find(file, name);
    if (found && !found->data)
        return explain(error, "%.200s: tensor '%s': dtype is %.20s; convert it to float32 (F32)",
                       path, name, safetensors_dtype(file, found));
    if (found && same_dims(found, t))
        return true;
    return explain(error, "%.200s: tensor '%s' %s%.60s, the network needs it as %.60s", path, name,
                   found ? "is " : "is missing",
                   found ? dims_print(found->ndim, found->dims, have) : "",
                   dims_print(t->ndim, t->dims, want));
}

/* A mean of squares must not be negative: its root is taken. */
static bool is_square(const char *name)
{
    return ends_with(name, ".running_var") || strstr(name, ".exp_avg_sq.") ||
           strstr(name, ".square_avg.");
}

/* NaN, inf, or the root of a negative one makes every output NaN, and any time spent on it is lost. */
static bool check_values(const struct named_tensor *t, const char *path, char error[ERROR_TEXT])
{
    const int64_t count = named_tensor_elements(t);
    const bool square = is_square(t->name);
    for (int64_t i = 0; i < count; i++) {
        const double value = (double)t->data[i];
        if (!isfinite(value))
            return explain(
                error,
                "%.200s: tensor '%.100s' is %g at element %lld, so the run it is from has "
                "diverged; use an earlier file",
                path, t->name, value, (long long)i);
        if (square && value < 0)
            return explain(error,
                           "%.200s: tensor '%.100s' is %g at element %lld, and a mean of squares "
                           "is never below 0; use another file",
                           path, t->name, value, (long long)i);
    }
    return true;
}

static bool check_weights(struct net *n, const struct safetensors *file, const char *path,
                          char error[ERROR_TEXT])
{
    for (int i = 0; i < net_tensor_count(n); i++) {
        const struct net_tensor *t = net_tensor(n, i);
        const struct named_tensor *found = safetensors_find(file, t->name);
        bool optional = !net_gradient(n, i) && !found;
        if (!optional &&
            (!check_tensor(file, path, t->name, t, error) || !check_values(found, path, error)))
            return false;
    }
    for (int i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        bool known = ends_with(name, ".num_batches_tracked") || starts_with(name, MEMORY_PREFIX);
        for (int j = 0; j < net_tensor_count(n) && !known; j++)
            known = !strcmp(name, net_tensor(n, j)->name);
        if (!known)
            return explain(
                error,
                "%.200s: tensor '%.100s' is none of the network's; names are LAYER.weight, "
                "LAYER.bias, LAYER.running_mean and LAYER.running_var with layers counted from 0",
                path, name);
    }
    return true;
}

static void copy_weights(struct net *n, const struct safetensors *file)
{
    for (int i = 0; i < net_tensor_count(n); i++) {
        struct net_tensor *t = net_tensor(n, i);
        const struct named_tensor *found = safetensors_find(file, t->name);
        if (found)
            memcpy(t->data, found->data, (size_t)elements(t) * sizeof *t->data);
    }
}

bool weights_load(struct net *n, const char *path, char error[ERROR_TEXT])
{
    struct safetensors file;
    if (!safetensors_read(path, &file, error))
        return false;
    bool good = check_weights(n, &file, path, error);
    if (good)
        copy_weights(n, &file);
    safetensors_free(&file);
    return good;
}

static void describe(struct named_tensor *to, const struct net_tensor *t, const char *name,
                     const float *data)
{
    *to = (struct named_tensor){.name = name, .ndim = t->ndim, .data = data};
    memcpy(to->dims, t->dims, sizeof t->dims);
}

/* Writes each tensor of the network, and for each tensor with a gradient the optimizer's state, unless `o`
 * is NULL. With `gradients` it writes the gradients instead. */
static bool save(struct net *n, const struct optimizer *o, bool gradients, const char *path,
                 const struct metadata *metadata, int metadata_count, char error[ERROR_TEXT])
{
    const size_t most = (size_t)net_tensor_count(n) * (1 + MEMORIES);
    struct named_tensor *tensors = calloc(most, sizeof *tensors);
    char(*names)[MEMORY_NAME] = calloc(most, sizeof *names);
    bool good = tensors && names;
    int count = 0;
    for (int i = 0; good && i < net_tensor_count(n); i++) {
        const struct net_tensor *t = net_tensor(n, i);
        const float *data = gradients ? net_gradient(n, i) : t->data;
        if (data)
            describe(&tensors[count++], t, t->name, data);
    }
    for (int i = 0; good && o && i < net_tensor_count(n); i++)
        for (int which = 0; which < MEMORIES && net_gradient(n, i); which++)
            if (memory_name(o, which)) {
                const struct net_tensor *t = net_tensor(n, i);
                describe(&tensors[count], t, memory_tensor(o, which, t, names[count]),
                         net_memory(n, i, which));
                count++;
            }
    good = good ? safetensors_write(path, tensors, count, metadata, metadata_count, error)
                : explain(error, "%.300s: out of memory", path);
    free(tensors);
    free(names);
    return good;
}

bool weights_save(struct net *n, const char *path, const char *text, char error[ERROR_TEXT])
{
    const struct metadata metadata[] = {{"format", "pt"}, {"network", text}};
    return save(n, NULL, false, path, metadata, 2, error);
}

bool gradients_save(struct net *n, const char *path, char error[ERROR_TEXT])
{
    const struct metadata metadata[] = {{"format", "pt"}};
    return save(n, NULL, true, path, metadata, 1, error);
}

bool decisions_save(const struct net *n, const struct net_text *text, int64_t mb, const char *path,
                    char error[ERROR_TEXT])
{
    enum { NAME = 32 };
    const size_t most = (size_t)text->count;
    struct named_tensor *tensors = calloc(most, sizeof *tensors);
    char(*names)[NAME] = calloc(most, sizeof *names);
    float **values = calloc(most, sizeof *values);
    bool good = tensors && names && values;
    int count = 0;
    for (int i = 0; good && i < text->count; i++) {
        const struct layer *l = &text->layers[i];
        if (!layer_type(l)->decision)
            continue;
        values[i] = malloc((size_t)(mb * l->dst.c * l->dst.h * l->dst.w) * sizeof **values);
        good = values[i] != NULL;
        if (!good || !net_decisions(n, i, mb, values[i]))
            continue;
        snprintf(names[i], NAME, "%d.%s", i, layer_type(l)->decision);
        tensors[count++] = (struct named_tensor){.name = names[i],
                                                 .ndim = 4,
                                                 .dims = {mb, l->dst.c, l->dst.h, l->dst.w},
                                                 .data = values[i]};
    }
    const struct metadata metadata[] = {{"format", "pt"}};
    good = good ? safetensors_write(path, tensors, count, metadata, 1, error)
                : explain(error, "%.300s: out of memory", path);
    for (size_t i = 0; values && i < most; i++)
        free(values[i]);
    free(values);
    free(names);
    free(tensors);
    return good;
}

bool checkpoint_write(struct net *n, const struct optimizer *o, const char *path, const char *text,
                      const json_t *run, char error[ERROR_TEXT])
{
    char *json = json_dumps(run, JSON_COMPACT | JSON_SORT_KEYS);
    if (!json)
        return explain(error, "%.300s: out of memory", path);
    const struct metadata metadata[] = {{"format", "pt"}, {"network", text}, {"run", json}};
    bool good = save(n, o, false, path, metadata, 3, error);
    free(json);
    return good;
}

bool checkpoint_read(const char *path, struct checkpoint *out, char error[ERROR_TEXT])
{
    *out = (struct checkpoint){0};
    if (!safetensors_read(path, &out->file, error))
        return false;
    const char *json = safetensors_text(&out->file, "run");
    out->run = json ? json_loads(json, 0, NULL) : NULL;
    if (json_is_object(out->run))
        return true;
    checkpoint_free(out);
    return explain(
        error, "%.300s: holds weights and not a run to go on with; --init starts from them", path);
}

void checkpoint_free(struct checkpoint *c)
{
    json_decref(c->run);
    safetensors_free(&c->file);
    *c = (struct checkpoint){0};
}

bool checkpoint_restore(struct net *n, const struct optimizer *o, const struct checkpoint *c,
                        const char *path, char error[ERROR_TEXT])
{
    char name[MEMORY_NAME];
    if (!check_weights(n, &c->file, path, error))
        return false;
    for (int i = 0; i < net_tensor_count(n); i++) {
        const struct net_tensor *t = net_tensor(n, i);
        if (!check_tensor(&c->file, path, t->name, t, error))
            return false;
        for (int which = 0; which < MEMORIES && net_gradient(n, i); which++) {
            if (!memory_name(o, which))
                continue;
            memory_tensor(o, which, t, name);
            if (!check_tensor(&c->file, path, name, t, error) ||
                !check_values(safetensors_find(&c->file, name), path, error))
                return false;
        }
    }
    copy_weights(n, &c->file);
    for (int i = 0; i < net_tensor_count(n); i++)
        for (int which = 0; which < MEMORIES && net_gradient(n, i); which++)
            if (memory_name(o, which)) {
                const struct net_tensor *t = net_tensor(n, i);
                memcpy(net_memory(n, i, which),
                       safetensors_find(&c->file, memory_tensor(o, which, t, name))->data,
                       (size_t)elements(t) * sizeof(float));
            }
    return true;
}
