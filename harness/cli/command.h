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

/* What --version is answered by. Returns EXIT_GOOD. */
int print_version(void);

#endif
