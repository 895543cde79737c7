/* Reads words and numbers, and reports wrong words. */
#include "net/reader.h"
#include "core/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The most that a layer may have of anything that is counted. */
enum { MOST_COUNT = 1000000 };

void reader_next(struct reader *r)
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

bool reader_at_end(const struct reader *r)
{
    return !r->word[0] || r->word[0] == ';';
}

bool reader_wrong(const struct reader *r, const char *what)
{
    if (r->word[0])
        return explain(r->error, "network, column %zu, '%s': %s", r->start + 1, r->word, what);
    return explain(r->error, "network, column %zu, at the end: %s", r->start + 1, what);
}

bool reader_wrong_number(const struct reader *r, const char *what, int most)
{
    char text[256];
    snprintf(text, sizeof text, "%s (from 1 to %d)", what, most);
    return reader_wrong(r, text);
}

bool reader_accept(struct reader *r, const char *word)
{
    if (strcmp(r->word, word))
        return false;
    reader_next(r);
    return true;
}

bool reader_count(struct reader *r, const char *what, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(r->word, &end, 10);
    if (end == r->word || *end || errno || value < 1 || value > MOST_COUNT)
        return reader_wrong_number(r, what, MOST_COUNT);
    *out = value;
    reader_next(r);
    return true;
}

bool reader_real(struct reader *r, double low, double high, const char *what, double *out)
{
    char *end;
    double value = strtod(r->word, &end);
    if (end == r->word || *end || !(value >= low && value <= high))
        return reader_wrong(r, what);
    *out = value;
    reader_next(r);
    return true;
}

bool reader_is(const struct reader *r, const char *name)
{
    const size_t length = strlen(name);
    return !strncasecmp(r->word, name, length) &&
           (!r->word[length] || strchr("=(", r->word[length]));
}

/* What other libraries call our options. */
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

bool reader_wrong_option(const struct reader *r, const char *takes)
{
    char why[320];
    for (size_t i = 0; i < sizeof other_options / sizeof other_options[0]; i++) {
        if (reader_is(r, other_options[i].theirs)) {
            snprintf(why, sizeof why, "%s; %s", other_options[i].ours, takes);
            return reader_wrong(r, why);
        }
    }
    return reader_wrong(r, takes);
}
