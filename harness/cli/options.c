/* Options by getopt_long, from a table of rows. */
#include "cli/options.h"
#include "problem/registry.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64, OPTION_TEXT_SIZE = 128 };

/* Help: the column where texts begin, for options that leave room for it, and the last column. */
enum { TEXT_COLUMN = 22, LAST_COLUMN = 100 };

/* What next_option gives besides the number of a row. */
enum { FIRST_ROW = 256, ASKED_HELP = 1000, ASKED_VERSION };

bool read_whole(const char *option, const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    /* strtoll itself would also take leading blanks and a plus sign. */
    bool digits =
        isdigit((unsigned char)text[0]) || (text[0] == '-' && isdigit((unsigned char)text[1]));
    if (!digits || *end || errno || value < least || value > most) {
        wrong_use("%s '%.40s': give a whole number from %lld to %lld", option, text,
                  (long long)least, (long long)most);
        return false;
    }
    *out = value;
    return true;
}

bool read_real(const char *option, const char *text, double least, double most, double *out)
{
    char *end, from[40], to[40];
    double value = strtod(text, &end);
    /* strtod itself would also take leading blanks. */
    if (end == text || *end || isspace((unsigned char)text[0]) ||
        !(value >= least && value <= most)) {
        snprintf(from, sizeof from, least == ABOVE_0 ? "above 0" : "from %g", least);
        snprintf(to, sizeof to, most == BELOW_1 ? "below 1" : "at most %g", most);
        wrong_use("%s '%.40s': give a number %s and %s", option, text, from, to);
        return false;
    }
    *out = value;
    return true;
}

/* The words with a separator between them, and another before the last one. */
static char *join(const char *const words[], const char *separator, const char *last,
                  char text[OPTION_TEXT_SIZE])
{
    int length = snprintf(text, OPTION_TEXT_SIZE, "%s", words[0]);
    for (int i = 1; words[i]; i++)
        length += snprintf(text + length, OPTION_TEXT_SIZE - (size_t)length, "%s%s",
                           words[i + 1] ? separator : last, words[i]);
    return text;
}

static bool read_word(const char *option, const char *text, const char *const words[], int *out)
{
    char given[OPTION_TEXT_SIZE];
    for (int i = 0; words[i]; i++) {
        if (!strcmp(text, words[i])) {
            *out = i;
            return true;
        }
    }
    wrong_use("%s '%.40s': give %s", option, text, join(words, ", ", " or ", given));
    return false;
}

static bool read_isa_cap(const char *option, const char *text, int *cap)
{
    static const char *words[ISA_COUNT + 1];
    memcpy(words, isa_names, sizeof isa_names);
    int have = (int)isa_detect();
    if (!read_word(option, text, words, cap))
        return false;
    *cap = *cap < have ? *cap : have;
    return true;
}

static bool read_value(const char *command, const struct option_row *row, const char *text,
                       void *request)
{
    char option[OPTION_TEXT_SIZE];
    void *to = (char *)request + row->at;
    snprintf(option, sizeof option, "%s: --%s", command, row->name);
    switch (row->type) {
    case OPTION_FLAG: *(bool *)to = true; return true;
    case OPTION_TEXT: *(const char **)to = text; return true;
    case OPTION_WHOLE: return read_whole(option, text, row->least, row->most, to);
    case OPTION_REAL: return read_real(option, text, row->from, row->to, to);
    case OPTION_WORD: return read_word(option, text, row->words, to);
    case OPTION_ISA: return read_isa_cap(option, text, to);
    case OPTION_OWN: return row->read(text, request);
    }
    return false;
}

/* Help */

/* Prints a text whose first line begins at `at`, its other lines at `column`, broken at spaces and at \n. */
static void print_wrapped(const char *text, int at, int column)
{
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (at > column && at + 1 + (int)word > LAST_COLUMN) {
            putchar('\n');
            at = 0;
        }
        int blanks = at < column ? column - at : at > column;
        at += printf("%*s%.*s", blanks, "", (int)word, text);
        text += word;
        if (*text == '\n') {
            putchar('\n');
            at = 0;
        }
        text += *text != '\0';
    }
    putchar('\n');
}

static void print_option(const struct option_row *row)
{
    char words[OPTION_TEXT_SIZE];
    const char *argument =
        row->type == OPTION_WORD ? join(row->words, "|", "|", words) : row->argument;
    int at = printf("  --%s%s%s", row->name, argument ? " " : "", argument ? argument : "");
    if (at >= TEXT_COLUMN) {
        putchar('\n');
        at = 0;
    }
    print_wrapped(row->help, at, TEXT_COLUMN);
}

static void print_help(const struct command_line *line)
{
    fputs(line->usage, stdout);
    for (const struct option_row *row = line->options; row->name; row++)
        if (row->help)
            print_option(row);
    if (line->notes)
        fputs(line->notes, stdout);
    if (line->more)
        line->more();
}

/* Command lines */

/* The next option as FIRST_ROW and more, ASKED_HELP or ASKED_VERSION; -1 at the end, '?' after an error, which has
 * been printed. */
static int next_option(int argc, char **argv, const struct option *options)
{
    opterr = 0;
    int c = getopt_long(argc, argv, ":h", options, NULL);
    if (c == 'h')
        return ASKED_HELP;
    if (c == ':') {
        wrong_use("%s: option %s needs a value; see batchmark %s --help", argv[0], argv[optind - 1],
                  argv[0]);
        return '?';
    }
    if (c == '?') {
        /* getopt leaves a letter in optopt for a short option, an option's val for one with a value
         * too many. */
        if (optopt > 0 && optopt < FIRST_ROW)
            wrong_use("%s: no option -%c; see batchmark %s --help", argv[0], optopt, argv[0]);
        else if (optopt)
            wrong_use("%s: option %.100s takes no value; see batchmark %s --help", argv[0],
                      argv[optind - 1], argv[0]);
        else
            wrong_use("%s: no option %.100s; see batchmark %s --help", argv[0], argv[optind - 1],
                      argv[0]);
    }
    return c;
}

int read_options(int argc, char **argv, const struct command_line *line, void *request)
{
    struct option options[MAX_OPTIONS] = {{"help", no_argument, NULL, ASKED_HELP},
                                          {"version", no_argument, NULL, ASKED_VERSION}};
    int count = 2;
    for (const struct option_row *row = line->options; row->name; row++) {
        if (count == MAX_OPTIONS - 1)
            abort();
        options[count++] =
            (struct option){row->name, row->type == OPTION_FLAG ? no_argument : required_argument,
                            NULL, FIRST_ROW + (int)(row - line->options)};
    }
    for (int c; (c = next_option(argc, argv, options)) != -1;) {
        if (c == ASKED_HELP) {
            print_help(line);
            return EXIT_GOOD;
        }
        if (c == ASKED_VERSION)
            return print_version();
        if (c < FIRST_ROW || !read_value(argv[0], &line->options[c - FIRST_ROW], optarg, request))
            return EXIT_WRONG_USE;
    }
    return -1;
}

bool read_pattern(int argc, char **argv, const char **out)
{
    *out = argv[optind];
    if (optind + 1 < argc)
        wrong_use("%s: one pattern, not also '%.100s'; separate globs by commas", argv[0],
                  argv[optind + 1]);
    return optind + 1 >= argc;
}
