/* The options of a subcommand: one table gives their names, their ranges, where their values go, and their help.
 *
 * Each subcommand defines REQUEST as the struct its values go to, and a table of rows, which ends at {0}:
 *     #define REQUEST struct request
 *     static const struct option_row options[] = {WHOLE("batch", "B", batch, 1, 1000000, "images a step"), ... {0}};
 */
#ifndef BATCHMARK_OPTIONS_H
#define BATCHMARK_OPTIONS_H

#include "cli/command.h"

#include <unistd.h> /* optind */

enum option_type {
    OPTION_FLAG, /* bool, set to true */
    OPTION_TEXT, /* const char *, as it is given */
    OPTION_WHOLE,
    OPTION_REAL,
    OPTION_WORD, /* int: which one of `words` */
    OPTION_ISA,  /* enum isa or int: the lower of the level given and what the CPU has */
    OPTION_OWN   /* read by a function of the subcommand */
};

struct option_row {
    const char *name;     /* without the dashes */
    const char *argument; /* of help: "SECONDS"; NULL: none, or the words */
    const char *help;     /* broken into lines where it is printed; NULL: the option is not shown */
    enum option_type type;
    size_t at;           /* of the value in REQUEST */
    int64_t least, most; /* of OPTION_WHOLE, both included */
    double from, to;     /* of OPTION_REAL, both included */
    const char *const *words;
    bool (*read)(const char *text, void *request); /* false: printed what is wrong */
};

/* Where a value goes, checked to be of the type that is written. */
#define OPTION_AT(field, type)                                                                     \
    (offsetof(REQUEST, field) + 0 * sizeof(char[_Generic(((REQUEST *)0)->field, type : 1)]))

#define FLAG(name, field, help)                                                                    \
    {                                                                                              \
        name, NULL, help, OPTION_FLAG, .at = OPTION_AT(field, bool)                                \
    }
#define TEXT(name, argument, field, help)                                                          \
    {                                                                                              \
        name, argument, help, OPTION_TEXT, .at = OPTION_AT(field, const char *)                    \
    }
#define WHOLE(name, argument, field, low, high, help)                                              \
    {                                                                                              \
        name, argument, help, OPTION_WHOLE, OPTION_AT(field, int64_t), .least = low, .most = high  \
    }
#define REAL(name, argument, field, low, high, help)                                               \
    {                                                                                              \
        name, argument, help, OPTION_REAL, OPTION_AT(field, double), .from = low, .to = high       \
    }
#define WORD(name, field, list, help)                                                              \
    {                                                                                              \
        name, NULL, help, OPTION_WORD, OPTION_AT(field, int), .words = list                        \
    }
#define ISA(field)                                                                                 \
    {                                                                                              \
        "isa", "LEVEL", "as if the CPU stopped at base, avx2, avx512 or avx512bf16", OPTION_ISA,   \
            .at = offsetof(REQUEST, field)                                                         \
    }
#define OWN(name, argument, function, help)                                                        \
    {                                                                                              \
        name, argument, help, OPTION_OWN, .read = function                                         \
    }

/* Reads a command line by getopt_long. Every subcommand also takes --help, -h and --version. Returns -1 to go on, with
 * the arguments from argv[optind] on; else the exit status: what is wrong, the help or the version has been printed.
 * The help is `usage`, the options, `notes` (may be NULL), and what `more` prints (may be NULL). */
struct command_line {
    const char *usage, *notes;
    const struct option_row *options;
    void (*more)(void);
};
int read_options(int argc, char **argv, const struct command_line *line, void *request);

/* The one argument that list, verify and bench take, or NULL. False: printed that there are more. */
bool read_pattern(int argc, char **argv, const char **out);

/* Reads the value of an option ("train: --steps") as a whole number from `least` to `most`. False:
 * printed what is wrong. */
bool read_whole(const char *option, const char *text, int64_t least, int64_t most, int64_t *out);

/* The same for a number from least to most. */
bool read_real(const char *option, const char *text, double least, double most, double *out);
/* Just above 0, and just below 1. */
#define ABOVE_0 0x1p-1022
#define BELOW_1 (1 - 0x1p-53)

#endif
