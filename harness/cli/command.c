/* What the subcommands share: complaints, the version. */
#include "cli/command.h"
#include "bench/build_info.h"

#include <stdarg.h>
#include <stdio.h>

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

int print_version(void)
{
    printf("batchmark %s%s, built by %s\n", build_commit, build_dirty ? " (modified)" : "",
           build_compiler);
    return EXIT_GOOD;
}
