/* What the subcommands share: complaints and options. */
#include "command.h"
#include "registry.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int wrong_use(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("batchmark: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return EXIT_WRONG_USE;
}

int next_option(int argc, char **argv, const struct option *options)
{
    opterr = 0;
    int seen = optind < argc ? optind : argc - 1;
    int c = getopt_long(argc, argv, ":", options, NULL);
    if (c == ':')
        wrong_use("%s: option %s needs a value; see batchmark %s --help", argv[0], argv[optind - 1],
                  argv[0]);
    else if (c == '?')
        wrong_use("%s: no option %s; see batchmark %s --help", argv[0], argv[seen], argv[0]);
    return c == ':' ? '?' : c;
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
    wrong_use("--isa %s: no such level; levels are base avx2 avx512 avx512bf16", text);
    return false;
}
