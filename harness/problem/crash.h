/* Reports what a command was doing when a fatal signal ended it. */
#ifndef BATCHMARK_CRASH_H
#define BATCHMARK_CRASH_H

#include "problem/problem.h"
#include "problem/registry.h"

#define CRASH_TEXT (PROBLEM_TEXT + 160)

/* The present kernel call in the words of crash_name, NULL between calls. The caller of a kernel sets it. */
extern const char *volatile crash_during;

/* "conv_fwd/naive mb1ic1ih4oc1kh1 nchw t2" */
char *crash_name(const struct entry *e, const struct problem *p, struct formats f, int threads,
                 char text[CRASH_TEXT]);

/* From now on a fatal signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) first prints one line: the
 * command, the signal, and the present kernel call. `command` must stay valid. */
void crash_watch(const char *command);

#endif
