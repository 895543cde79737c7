/* Prints a last line from a signal handler. */
#include "problem/crash.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

const char *volatile crash_during;
static const char *watched;

static const struct {
    int number;
    const char *what;
} fatal[] = {{SIGSEGV, "SIGSEGV: memory touched that is not there"},
             {SIGBUS, "SIGBUS: memory that cannot be had"},
             {SIGFPE, "SIGFPE: a division by zero"},
             {SIGILL, "SIGILL: an instruction this CPU does not have"},
             {SIGABRT, "SIGABRT: given up"}};
enum { FATAL = sizeof fatal / sizeof fatal[0] };

char *crash_name(const struct entry *e, const struct problem *p, struct formats f, int threads,
                 char text[CRASH_TEXT])
{
    char problem[PROBLEM_TEXT], formats[FORMATS_TEXT];
    snprintf(text, CRASH_TEXT, "%s/%s %s %s t%d", e->op, e->name, problem_print(p, problem),
             formats_print(f, formats), threads);
    return text;
}

/* Appends text, with functions that are safe in a signal handler. */
static size_t add(char *line, size_t at, size_t size, const char *text)
{
    while (*text && at < size)
        line[at++] = *text++;
    return at;
}

static void last_words(int number)
{
    char line[CRASH_TEXT + 256];
    const size_t size = sizeof line - 1;
    const char *during = crash_during, *what = "a signal";
    for (int i = 0; i < FATAL; i++)
        if (fatal[i].number == number)
            what = fatal[i].what;
    size_t n = add(line, 0, size, "batchmark: ");
    n = add(line, n, size, watched);
    n = add(line, n, size, ": ended by ");
    n = add(line, n, size, what);
    n = add(line, n, size, during ? "; in " : "; in no kernel: in what lies between them");
    n = add(line, n, size, during ? during : "");
    n = add(line, n, size, during ? "; hold it to the reference with batchmark verify" : "");
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return;
    /* The handler is gone: this one kills. */
    raise(number);
}

void crash_watch(const char *command)
{
    watched = command;
    const struct sigaction action = {.sa_handler = last_words,
                                     .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    for (int i = 0; i < FATAL; i++)
        sigaction(fatal[i].number, &action, NULL);
}
