/* A folder of the test's own: make_folder and remove_folder as its setup and teardown. */
#ifndef BATCHMARK_TESTS_FOLDER_H
#define BATCHMARK_TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/batchmark_test_XXXXXX";

/* The path of a file in it; good until the call after the next. */
static inline char *in_folder(const char *name)
{
    static char paths[2][128];
    static int next;
    char *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '_') + 1, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#endif
