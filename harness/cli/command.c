/* What the subcommands share: complaints and options. */
#include "cli/command.h"
#include "bench/build_info.h"
#include "problem/registry.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const char *format, va_list list)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, list);
    /* What the user wrote is quoted in messages: whatever it was, the message stays one line. */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    fprintf(stderr, "batchmark: %s\n", text);
}

int wrong_use(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(format, list);
    va_end(list);
    return EXIT_WRONG_USE;
}

int check_failed(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(format, list);
    va_end(list);
    return EXIT_CHECK_FAILED;
}

int next_option(int argc, char **argv, const struct option *options)
{
    opterr = 0;
    int c = getopt_long(argc, argv, ":h", options, NULL);
    if (c == 'h')
        return OPTION_HELP;
    if (c == ':') {
        wrong_use("%s: option %s needs a value; see batchmark %s --help", argv[0], argv[optind - 1],
                  argv[0]);
        return '?';
    }
    if (c == '?') {
        /* getopt leaves a letter in optopt for a short option, an option's val for one with a value
         * too many. */
        if (optopt > 0 && optopt < 256)
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

int print_version(void)
{
    printf("batchmark %s%s, built by %s\n", build_commit, build_dirty ? " (modified)" : "",
           build_compiler);
    return EXIT_GOOD;
}

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

bool read_isa_cap(const char *text, enum isa *cap)
{
    for (int i = 0; i < ISA_COUNT; i++) {
        if (!strcmp(text, isa_names[i])) {
            enum isa have = isa_detect();
            *cap = (enum isa)i < have ? (enum isa)i : have;
            return true;
        }
    }
    wrong_use("--isa '%.40s': no such level; levels are base avx2 avx512 avx512bf16", text);
    return false;
}
