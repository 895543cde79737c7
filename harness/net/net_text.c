/* Reads networks. */
#include "net/net_text.h"

#include <stdio.h>
#include <string.h>

/* Writes the names of the layers, as "conv, conv1d, dense". */
static void list_layers(char *text, size_t room)
{
    size_t used = 0;
    for (int kind = 0; kind < LAYER_KINDS; kind++) {
        const struct layer_type *type = layer_types[kind];
        for (int line = 0; line <= type->has_line && !type->unlisted; line++)
            used += (size_t)snprintf(text + used, room - used, "%s%s%s", used ? ", " : "",
                                     type->name, line ? "1d" : "");
    }
}

/* What the current word, if another library has such a layer, is called here; or NULL. */
static const char *name_here(const struct reader *r)
{
    for (int kind = 0; kind < LAYER_KINDS; kind++) {
        for (int i = 0; i < 3 && layer_types[kind]->others[i].theirs; i++) {
            char names[128];
            snprintf(names, sizeof names, "%s", layer_types[kind]->others[i].theirs);
            char *rest = names;
            for (const char *name; (name = strtok_r(rest, " ", &rest));)
                if (reader_is(r, name))
                    return layer_types[kind]->others[i].ours;
        }
    }
    return NULL;
}

static bool no_such_layer(const struct reader *r)
{
    const char *ours = name_here(r);
    char why[256] = "no such layer; layers are ";
    const size_t used = strlen(why);
    if (ours)
        snprintf(why, sizeof why, "this layer is called %s here", ours);
    else
        list_layers(why + used, sizeof why - used);
    return reader_wrong(r, why);
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
    while (kind < LAYER_KINDS && strcmp(name, layer_types[kind]->name))
        kind++;
    return kind < LAYER_KINDS && *line && !layer_types[kind]->has_line ? LAYER_KINDS : kind;
}

static struct layer begin(enum layer_kind kind, bool line, struct shape src, int column)
{
    return (struct layer){.kind = kind, .line = line, .src = src, .dst = src, .column = column};
}

static bool read_layer(struct reader *r, struct shape src, int column, struct layer *l)
{
    bool line;
    const int kind = find_kind(r, &line);
    if (kind == LAYER_KINDS)
        return no_such_layer(r);
    const struct reader name = *r;
    if (line && src.h > 1)
        return reader_wrong(&name, "works on signals, and is given images; leave out the 1d");
    reader_next(r);
    r->layer = &name;
    *l = begin((enum layer_kind)kind, line, src, column);
    const bool good = !layer_type(l)->read || layer_type(l)->read(r, l);
    r->layer = NULL;
    return good;
}

/* A layer that overwrites its input would spoil the output by which the activation before it goes back. */
static bool may_follow(const struct net_text *n, const struct layer *l)
{
    int i = n->count - 1;
    while (i >= 0 && n->layers[i].kind == LAYER_FLATTEN)
        i--;
    return i < 0 || !layer_type(l)->spoils_input || !layer_type(&n->layers[i])->by_output;
}

/* Far from where whole numbers overflow, and exact as a double. */
#define MAX_PARAMETERS 0x1p50

bool net_text_parse(const char *text, struct shape input, struct net_text *out,
                    char error[ERROR_TEXT])
{
    struct reader r = {.text = text, .error = error};
    *out = (struct net_text){0};
    reader_next(&r);
    if (!r.word[0])
        return reader_wrong(&r, "write layers, as in 'conv 16 3x3; relu; dense 10'");
    struct shape shape = input;
    double parameters = 0;
    while (r.word[0]) {
        if (out->count + 2 > MAX_LAYERS)
            return reader_wrong(&r, "too many layers; a network has up to 255");
        struct layer *l = &out->layers[out->count];
        const int column = (int)r.start + 1;
        if (!strcmp(r.word, layer_dense.name) && (shape.h > 1 || shape.w > 1)) {
            *l = begin(LAYER_FLATTEN, false, shape, column);
            layer_flatten.read(&r, l);
            shape = l->dst;
            out->count++;
            l++;
        }
        struct reader word = r;
        if (!read_layer(&r, shape, column, l))
            return false;
        if (!may_follow(out, l))
            return reader_wrong(&word, "an activation of an activation; leave one of them out");
        parameters += layer_size(l);
        if (parameters > MAX_PARAMETERS)
            return reader_wrong(&word,
                                "the network would have more than 2^50 weights; write fewer");
        shape = l->dst;
        out->count++;
        if (!reader_at_end(&r))
            return reader_wrong_option(&r, "the layer ends here; layers are separated by ';'");
        if (r.word[0])
            reader_next(&r);
    }
    return true;
}
