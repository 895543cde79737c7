/* The subcommands. Each reads its own options, prints, and returns the exit status:
 * 0 all good, 1 a check failed, 2 wrong use or unreadable input. argv[0] is the subcommand's name.
 *
 * One file a command, cmd_<name>.c; with main.c (and progress.c) the only files of the harness that print and decide
 * the status. */
#ifndef BATCHMARK_COMMAND_H
#define BATCHMARK_COMMAND_H

#include "kernel.h"

enum { EXIT_GOOD = 0, EXIT_CHECK_FAILED = 1, EXIT_WRONG_USE = 2 };

int cmd_list(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_infer(int argc, char **argv);

/* Prints "batchmark: <message>" as one line, control characters replaced, on stderr and returns
 * EXIT_WRONG_USE. */
__attribute__((format(printf, 1, 2))) int wrong_use(const char *format, ...);

/* The same, and returns EXIT_CHECK_FAILED: what was asked for was right, and failed or could not be done. */
__attribute__((format(printf, 1, 2))) int check_failed(const char *format, ...);

/* The next option of a subcommand by getopt_long, with unknown options and missing values reported
 * as one line. Returns the option's `val`, -1 at the end, '?' after an error (the caller returns
 * EXIT_WRONG_USE). */
struct option;
int next_option(int argc, char **argv, const struct option *options);

/* What every subcommand takes, for its table of options; next_option takes -h for --help. */
enum { OPTION_HELP = 1000, OPTION_VERSION };
#define HELP_OPTION                                                                                \
    {                                                                                              \
        "help", no_argument, NULL, OPTION_HELP                                                     \
    }
#define VERSION_OPTION                                                                             \
    {                                                                                              \
        "version", no_argument, NULL, OPTION_VERSION                                               \
    }
/* What --version is answered by. Returns EXIT_GOOD. */
int print_version(void);

/* Reads the value of an option ("--threads") as a whole number from `least` to `most`. False:
 * printed what is wrong. */
bool read_whole(const char *option, const char *text, int64_t least, int64_t most, int64_t *out);

/* The same for a number from least to most. */
bool read_real(const char *option, const char *text, double least, double most, double *out);
/* Just above 0, and just below 1. */
#define ABOVE_0 0x1p-1022
#define BELOW_1 (1 - 0x1p-53)

/* Reads --isa's value: the lower of it and what the CPU has. False: printed what is wrong. */
bool read_isa_cap(const char *text, enum isa *cap);

#endif
