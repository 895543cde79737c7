/* The one parser and the one printer of problem strings, and the reader of problem sets. */
#include "problem/problem.h"

#include "core/input_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_NUMBER INT32_MAX
#define MAX_ELEMENTS                                                                               \
    ((int64_t)1 << 36) /* of one tensor; four times that in bytes must be addressable */

enum key {
    K_G,
    K_MB,
    K_IC,
    K_OC,
    K_IH,
    K_IW,
    K_OH,
    K_OW,
    K_KH,
    K_KW,
    K_SH,
    K_SW,
    K_DH,
    K_DW,
    K_PH,
    K_PW,
    K_COUNT
};

static const char *const key_names[K_COUNT] = {
    [K_G] = "g",   [K_MB] = "mb", [K_IC] = "ic", [K_OC] = "oc", [K_IH] = "ih", [K_IW] = "iw",
    [K_OH] = "oh", [K_OW] = "ow", [K_KH] = "kh", [K_KW] = "kw", [K_SH] = "sh", [K_SW] = "sw",
    [K_DH] = "dh", [K_DW] = "dw", [K_PH] = "ph", [K_PW] = "pw",
};

#define ABSENT INT64_MIN

struct fields {
    int64_t v[K_COUNT];
    double eps; /* < 0: absent */
    char name[64];
    int multiplicity;
};

/* Reads the digits at *s as a number; false where there are none or too many. */
static bool read_number(const char **s, int64_t *out)
{
    int64_t value = 0;
    const char *p = *s;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        value = value * 10 + (*p - '0');
        if (value > MAX_NUMBER)
            return false;
    }
    *s = p;
    *out = value;
    return true;
}

/* Reads n"name" and *K at the end of a line. */
static bool read_label(const char *text, const char *s, char name[64], int *multiplicity,
                       char error[ERROR_TEXT])
{
    while (*s == '_')
        s++;
    if (s[0] == 'n' && s[1] == '"') {
        const char *close = strchr(s + 2, '"');
        if (!close)
            return explain(error, "'%s': the name after n has no closing quote", text);
        size_t length = (size_t)(close - s - 2);
        if (length > 63)
            return explain(error, "'%s': the name is longer than 63 characters", text);
        memcpy(name, s + 2, length);
        name[length] = '\0';
        s = close + 1;
        /* The multiplicity may stand inside the quotes, as the design has it, or behind them. */
        char *star = strrchr(name, '*');
        if (star) {
            const char *digits = star + 1;
            int64_t k;
            if (read_number(&digits, &k) && !*digits && k > 0) {
                *multiplicity = (int)k;
                *star = '\0';
            }
        }
    }
    if (*s == '*') {
        int64_t k;
        s++;
        if (!read_number(&s, &k) || k < 1)
            return explain(error, "'%s': * needs a multiplicity of 1 or more", text);
        *multiplicity = (int)k;
    }
    if (*s)
        return explain(error, "'%s': cannot read '%s' at character %d", text, s,
                       (int)(s - text) + 1);
    return true;
}

static bool read_fields(const char *text, struct fields *f, char error[ERROR_TEXT])
{
    const char *s = text;
    for (int k = 0; k < K_COUNT; k++)
        f->v[k] = ABSENT;
    f->eps = -1;
    f->name[0] = '\0';
    f->multiplicity = 1;

    while (*s) {
        if (*s == '_') {
            s++;
            continue;
        }
        if ((s[0] == 'n' && s[1] == '"') || *s == '*')
            return read_label(text, s, f->name, &f->multiplicity, error);

        const char *word = s;
        while (isalpha((unsigned char)*s))
            s++;
        size_t length = (size_t)(s - word);
        int at = (int)(word - text) + 1;
        if (length == 3 && !strncmp(word, "eps", 3)) {
            char *end;
            f->eps = strtod(s, &end);
            if (end == s || !(f->eps >= 0 && f->eps <= 1e6))
                return explain(error, "'%s': eps at character %d needs a number from 0 to 1e6",
                               text, at);
            s = end;
            continue;
        }
        int key = K_COUNT;
        for (int k = 0; k < K_COUNT; k++)
            if (strlen(key_names[k]) == length && !strncmp(word, key_names[k], length))
                key = k;
        if (key == K_COUNT) {
            if (length == 2 && word[1] == 'd' && strchr("iokspd", word[0]))
                return explain(error,
                               "'%s': '%.2s' at character %d is of a 3-D problem; only 1-D and 2-D "
                               "are supported",
                               text, word, at);
            if (length == 0)
                return explain(error, "'%s': expected a key at character %d, found '%.8s'", text,
                               at, word);
            return explain(
                error,
                "'%s': unknown key '%.*s' at character %d; keys are g mb ic oc ih iw oh ow "
                "kh kw sh sw "
                "dh dw ph pw eps",
                text, (int)length, word, at);
        }
        if (f->v[key] != ABSENT)
            return explain(error, "'%s': %s is given twice, again at character %d", text,
                           key_names[key], at);
        if (!read_number(&s, &f->v[key]))
            return explain(error, "'%s': %s at character %d needs a whole number from 0 to %d",
                           text, key_names[key], at, MAX_NUMBER);
    }
    return true;
}

static bool positive(const char *text, const struct fields *f, enum key k, char error[ERROR_TEXT])
{
    if (f->v[k] == ABSENT)
        return explain(error, "'%s': %s is missing", text, key_names[k]);
    if (f->v[k] < 1)
        return explain(error, "'%s': %s must be 1 or more", text, key_names[k]);
    return true;
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value == ABSENT ? otherwise : value;
}

/* The product of four sizes, or -1 where it exceeds the limit. */
static int64_t elements(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t product = 1, factors[4] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(product, factors[i], &product) || product > MAX_ELEMENTS)
            return -1;
    return product;
}

/* Square promotion of one pair: a missing width is the height; missing both, `otherwise`. */
static void promote(struct fields *f, enum key h, enum key w, bool one_d, int64_t flat,
                    int64_t otherwise)
{
    if (one_d && f->v[h] == ABSENT)
        f->v[h] = flat;
    if (f->v[w] == ABSENT)
        f->v[w] = one_d ? otherwise : f->v[h];
    if (otherwise != ABSENT) {
        f->v[h] = or_else(f->v[h], otherwise);
        f->v[w] = or_else(f->v[w], otherwise);
    }
}

/* Completes one spatial dimension: input, output or both are given. */
static bool complete(const char *text, const char *dim, int64_t *in, int64_t *out, int64_t k,
                     int64_t s, int64_t d, int64_t pad, char error[ERROR_TEXT])
{
    int64_t extent = (k - 1) * (d + 1) + 1;
    if (*in == ABSENT && *out == ABSENT)
        return explain(error, "'%s': i%s is missing", text, dim);
    if (*in == ABSENT)
        *in = (*out - 1) * s + extent - 2 * pad;
    if (*out == ABSENT)
        *out = *in - extent + 2 * pad < 0 ? 0 : (*in - extent + 2 * pad) / s + 1;
    if (*in < 1)
        return explain(error, "'%s': impossible shape: the input %s would be %lld", text,
                       dim[0] == 'h' ? "height" : "width", (long long)*in);
    if (*out < 1)
        return explain(
            error,
            "'%s': impossible shape: a kernel extent of %lld does not fit into %lld padded "
            "pixels (%s); "
            "use a smaller kernel or more padding",
            text, (long long)extent, (long long)(*in + 2 * pad),
            dim[0] == 'h' ? "height" : "width");
    return true;
}

static bool parse_conv(const char *text, struct named_problem *out, char error[ERROR_TEXT])
{
    struct fields f;
    if (!read_fields(text, &f, error))
        return false;
    f.v[K_G] = or_else(f.v[K_G], 1);
    f.v[K_MB] = or_else(f.v[K_MB], 2);

    bool has_h = f.v[K_IH] != ABSENT || f.v[K_OH] != ABSENT;
    bool one_d = !has_h && (f.v[K_IW] != ABSENT || f.v[K_OW] != ABSENT);
    if (one_d) {
        f.v[K_IH] = f.v[K_OH] = 1;
    } else if (f.v[K_IW] == ABSENT) {
        f.v[K_IW] = f.v[K_IH];
        f.v[K_OW] = or_else(f.v[K_OW], f.v[K_OH]);
    }
    promote(&f, K_KH, K_KW, one_d, 1, ABSENT);
    promote(&f, K_SH, K_SW, one_d, 1, 1);
    promote(&f, K_DH, K_DW, one_d, 0, 0);
    promote(&f, K_PH, K_PW, one_d, 0, 0);
    for (enum key k = K_G; k <= K_OC; k++)
        if (!positive(text, &f, k, error))
            return false;
    for (enum key k = K_IH; k <= K_OW; k++)
        if (f.v[k] != ABSENT && !positive(text, &f, k, error))
            return false;
    for (enum key k = K_KH; k <= K_SW; k++)
        if (!positive(text, &f, k, error))
            return false;
    if (!complete(text, "h", &f.v[K_IH], &f.v[K_OH], f.v[K_KH], f.v[K_SH], f.v[K_DH], f.v[K_PH],
                  error) ||
        !complete(text, "w", &f.v[K_IW], &f.v[K_OW], f.v[K_KW], f.v[K_SW], f.v[K_DW], f.v[K_PW],
                  error))
        return false;
    if (f.v[K_IC] % f.v[K_G] || f.v[K_OC] % f.v[K_G])
        return explain(error, "'%s': g%lld does not divide ic%lld and oc%lld", text,
                       (long long)f.v[K_G], (long long)f.v[K_IC], (long long)f.v[K_OC]);
    if (elements(f.v[K_MB], f.v[K_IC], f.v[K_IH], f.v[K_IW]) < 0 ||
        elements(f.v[K_MB], f.v[K_OC], f.v[K_OH], f.v[K_OW]) < 0 ||
        elements(f.v[K_OC], f.v[K_IC] / f.v[K_G], f.v[K_KH], f.v[K_KW]) < 0)
        return explain(error, "'%s': a tensor has more than 2^36 elements; use smaller sizes",
                       text);
    if (f.v[K_PH] > MAX_NUMBER / 4 || f.v[K_PW] > MAX_NUMBER / 4 || f.v[K_DH] > MAX_NUMBER / 4 ||
        f.v[K_DW] > MAX_NUMBER / 4)
        return explain(error, "'%s': padding or dilation over 2^29; use smaller sizes", text);

    *out = (struct named_problem){
        .problem = {.kind = PROBLEM_CONV,
                    .eps = f.eps < 0 ? DEFAULT_EPS : f.eps,
                    .conv = {f.v[K_MB], f.v[K_G], f.v[K_IC], f.v[K_OC], f.v[K_IH], f.v[K_IW],
                             f.v[K_OH], f.v[K_OW], f.v[K_KH], f.v[K_KW], f.v[K_SH], f.v[K_SW],
                             f.v[K_DH], f.v[K_DW], f.v[K_PH], f.v[K_PW]}},
        .multiplicity = f.multiplicity,
    };
    memcpy(out->name, f.name, sizeof out->name);
    return true;
}

static bool parse_bn(const char *text, struct named_problem *out, char error[ERROR_TEXT])
{
    struct fields f;
    if (!read_fields(text, &f, error))
        return false;
    for (int k = 0; k < K_COUNT; k++)
        if (f.v[k] != ABSENT && k != K_MB && k != K_IC && k != K_IH && k != K_IW)
            return explain(error,
                           "'%s': %s has no meaning for a tensor; its keys are mb ic ih iw eps",
                           text, key_names[k]);
    f.v[K_MB] = or_else(f.v[K_MB], 2);
    if (f.v[K_IW] == ABSENT)
        f.v[K_IW] = or_else(f.v[K_IH], 1);
    f.v[K_IH] = or_else(f.v[K_IH], 1);
    if (!positive(text, &f, K_MB, error) || !positive(text, &f, K_IC, error) ||
        !positive(text, &f, K_IH, error) || !positive(text, &f, K_IW, error))
        return false;
    if (elements(f.v[K_MB], f.v[K_IC], f.v[K_IH], f.v[K_IW]) < 0)
        return explain(error, "'%s': the tensor has more than 2^36 elements; use smaller sizes",
                       text);
    *out = (struct named_problem){
        .problem = {.kind = PROBLEM_BN,
                    .eps = f.eps < 0 ? DEFAULT_EPS : f.eps,
                    .bn = {f.v[K_MB], f.v[K_IC], f.v[K_IH], f.v[K_IW]}},
        .multiplicity = f.multiplicity,
    };
    memcpy(out->name, f.name, sizeof out->name);
    return true;
}

static bool parse_gemm(const char *text, struct named_problem *out, char error[ERROR_TEXT])
{
    const char *s = text;
    int64_t m, k, k2, n;
    if (!read_number(&s, &m) || *s++ != 'x' || !read_number(&s, &k) || *s++ != ':' ||
        !read_number(&s, &k2) || *s++ != 'x' || !read_number(&s, &n))
        return explain(error, "'%s': a gemm is MxK:KxN with whole numbers, as in 64x784:784x256",
                       text);
    *out = (struct named_problem){.problem = {.kind = PROBLEM_GEMM, .gemm = {m, n, k}},
                                  .multiplicity = 1};
    if (!read_label(text, s, out->name, &out->multiplicity, error))
        return false;
    if (k != k2)
        return explain(error, "'%s': the inner sizes %lld and %lld differ", text, (long long)k,
                       (long long)k2);
    if (m < 1 || n < 1 || k < 1)
        return explain(error, "'%s': sizes must be 1 or more", text);
    if (elements(m, k, 1, 1) < 0 || elements(k, n, 1, 1) < 0 || elements(m, n, 1, 1) < 0)
        return explain(error, "'%s': a matrix has more than 2^36 elements; use smaller sizes",
                       text);
    return true;
}

static bool parse_iterations(const char *text, struct named_problem *out, char error[ERROR_TEXT])
{
    const char *s = text;
    int64_t n;
    /* Up to 2^24 a float32 counter is exact. */
    if (strncmp(s, "iter", 4) || (s += 4, !read_number(&s, &n)) || *s || n < 1 || n > 1 << 24)
        return explain(error, "'%s': expected iter and a number from 1 to %d, as in iter1000000",
                       text, 1 << 24);
    *out = (struct named_problem){.problem = {.kind = PROBLEM_ITERATIONS, .iterations = n},
                                  .multiplicity = 1};
    return true;
}

bool problem_parse(enum problem_kind kind, const char *text, struct named_problem *out,
                   char error[ERROR_TEXT])
{
    if (!*text)
        return explain(error, "empty problem; write one like mb80ic60ih32oc60kh3ph1");
    if (strlen(text) > 300)
        return explain(error, "'%.40s...': a problem has at most 300 characters", text);
    switch (kind) {
    case PROBLEM_CONV: return parse_conv(text, out, error);
    case PROBLEM_BN: return parse_bn(text, out, error);
    case PROBLEM_GEMM: return parse_gemm(text, out, error);
    case PROBLEM_ITERATIONS: return parse_iterations(text, out, error);
    }
    return explain(error, "'%s': no such kind of problem", text);
}

bool problem_parse_any(const char *text, struct named_problem *out, char error[ERROR_TEXT])
{
    enum problem_kind kind = PROBLEM_BN;
    size_t descriptor = strcspn(text, "\"");
    if (!strncmp(text, "iter", 4))
        kind = PROBLEM_ITERATIONS;
    else if (memchr(text, ':', descriptor) || isdigit((unsigned char)text[0]))
        kind = PROBLEM_GEMM;
    else
        for (size_t i = 0; i + 1 < descriptor; i++)
            if (text[i] == 'o' && text[i + 1] == 'c')
                kind = PROBLEM_CONV;
    return problem_parse(kind, text, out, error);
}

/* Appends `key` and value. */
static char *put(char *at, enum key k, int64_t value)
{
    return at + sprintf(at, "%s%lld", key_names[k], (long long)value);
}

/* Appends height and width keys, the width only where it differs; neither where both are the default. */
static char *put_pair(char *at, enum key k, int64_t h, int64_t w, int64_t skip)
{
    if (h == skip && w == skip)
        return at;
    at = put(at, k, h);
    return h == w ? at : put(at, k + 1, w);
}

char *problem_print(const struct problem *p, char text[PROBLEM_TEXT])
{
    char *at = text;
    if (p->kind == PROBLEM_GEMM) {
        sprintf(text, "%lldx%lld:%lldx%lld", (long long)p->gemm.m, (long long)p->gemm.k,
                (long long)p->gemm.k, (long long)p->gemm.n);
        return text;
    }
    if (p->kind == PROBLEM_ITERATIONS) {
        sprintf(text, "iter%lld", (long long)p->iterations);
        return text;
    }
    if (p->kind == PROBLEM_BN) {
        at = put(put(at, K_MB, p->bn.mb), K_IC, p->bn.ic);
        at = put_pair(at, K_IH, p->bn.ih, p->bn.iw, 1);
    } else {
        const struct conv *c = &p->conv;
        if (c->g != 1)
            at = put(at, K_G, c->g);
        at = put(put(at, K_MB, c->mb), K_IC, c->ic);
        at = put_pair(at, K_IH, c->ih, c->iw, 0);
        at = put(at, K_OC, c->oc);
        int64_t extent_h = (c->kh - 1) * (c->dh + 1) + 1, extent_w = (c->kw - 1) * (c->dw + 1) + 1;
        bool symmetric = c->ih - extent_h + 2 * c->ph >= 0 && c->iw - extent_w + 2 * c->pw >= 0 &&
                         c->oh == (c->ih - extent_h + 2 * c->ph) / c->sh + 1 &&
                         c->ow == (c->iw - extent_w + 2 * c->pw) / c->sw + 1;
        if (!symmetric && c->ih == c->iw)
            at = put_pair(at, K_OH, c->oh, c->ow, 0);
        else if (!symmetric)
            at = put(put(at, K_OH, c->oh), K_OW, c->ow);
        at = put_pair(at, K_KH, c->kh, c->kw, 0);
        at = put_pair(at, K_SH, c->sh, c->sw, 1);
        at = put_pair(at, K_DH, c->dh, c->dw, 0);
        at = put_pair(at, K_PH, c->ph, c->pw, 0);
    }
    if (p->eps != DEFAULT_EPS)
        sprintf(at, "eps%.17g", p->eps);
    return text;
}

bool problem_equal(const struct problem *a, const struct problem *b)
{
    char s[PROBLEM_TEXT], t[PROBLEM_TEXT];
    return a->kind == b->kind && !strcmp(problem_print(a, s), problem_print(b, t));
}

/* The files of problem/sets/, turned into strings by the Makefile: name, text, name, text, ..., NULL. */
extern const char *const builtin_sets[];

bool problem_set_add(struct problem_set *set, const struct named_problem *p)
{
    if ((set->count & (set->count - 1)) == 0) {
        size_t room = set->count ? 2 * (size_t)set->count : 1;
        struct named_problem *more = realloc(set->items, room * sizeof *more);
        if (!more)
            return false;
        set->items = more;
    }
    set->items[set->count++] = *p;
    return true;
}

/* Reads one line of `source` into the set. */
static bool add_line(struct problem_set *set, const char *source, int number, char *line,
                     char error[ERROR_TEXT])
{
    bool quoted = false;
    for (char *c = line; *c; c++) {
        quoted ^= *c == '"';
        if ((*c == '#' && !quoted) || *c == '\n' || *c == '\r') {
            *c = '\0';
            break;
        }
    }
    while (isspace((unsigned char)*line))
        line++;
    for (size_t n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
        line[n - 1] = '\0';
    if (!*line)
        return true;
    struct named_problem p;
    char why[ERROR_TEXT];
    if (!problem_parse_any(line, &p, why))
        return explain(error, "%.120s:%d: %.350s", source, number, why);
    if (!problem_set_add(set, &p))
        return explain(error, "%.120s:%d: out of memory", source, number);
    return true;
}

/* The text of a set, the caller's. NULL: `error` holds one line. */
static char *set_text(const char *name, size_t *length, char error[ERROR_TEXT])
{
    char sets[128] = "";
    for (int i = 0, used = 0; builtin_sets[i]; i += 2) {
        if (!strcmp(name, builtin_sets[i])) {
            char *text = strdup(builtin_sets[i + 1]);
            *length = strlen(builtin_sets[i + 1]);
            if (!text)
                explain(error, "out of memory for the set %.40s", name);
            return text;
        }
        used += snprintf(sets + used, sizeof sets - (size_t)used, " %s", builtin_sets[i]);
    }
    if (!access(name, F_OK))
        return input_text(name, "a text file with a problem on each line", length, error);
    explain(error, "'%.200s': no such set and no such file (%s); built-in sets:%s", name,
            strerror(errno), sets);
    return NULL;
}

bool problem_set_load(const char *name, struct problem_set *out, char error[ERROR_TEXT])
{
    size_t length = 0;
    *out = (struct problem_set){0};
    char *text = set_text(name, &length, error);
    bool good = text != NULL;
    char *line = text;
    for (int number = 1; good && line < text + length; number++) {
        char *end = line + strcspn(line, "\n"), *next = end + 1;
        if (!*end && end < text + length)
            good = explain(error, "%.120s:%d: holds a zero byte; give a text file", name, number);
        *end = '\0';
        good = good && add_line(out, name, number, line, error);
        line = next;
    }
    free(text);
    if (good && !out->count)
        good = explain(error, "%.200s: holds no problem; write one on each line", name);
    if (!good)
        problem_set_free(out);
    return good;
}

void problem_set_free(struct problem_set *set)
{
    free(set->items);
    *set = (struct problem_set){0};
}
