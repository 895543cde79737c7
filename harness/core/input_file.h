/* Files that the user names, opened to be read: regular ones alone. A pipe would be waited for, a device may never end, and
 * what grows while it is read is no file yet. */
#ifndef BATCHMARK_INPUT_FILE_H
#define BATCHMARK_INPUT_FILE_H

#include "core/error.h"

#include <stddef.h>
#include <sys/types.h>

/* Opens `path`; *size is how long it is. `what` is what to give instead of anything else, as in "a text file". Returns the
 * descriptor, or -1: `error` holds one line. */
int input_open(const char *path, const char *what, off_t *size, char error[ERROR_TEXT]);

/* The whole of a text file with a zero byte behind it, the caller's to free. NULL: `error` holds one line. */
char *input_text(const char *path, const char *what, size_t *length, char error[ERROR_TEXT]);

#endif
