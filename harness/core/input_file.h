/* Opens files that the user names. Only regular files are read: a pipe could block for ever, a device
 * may never end, and a file that grows while it is read is not finished. */
#ifndef BATCHMARK_INPUT_FILE_H
#define BATCHMARK_INPUT_FILE_H

#include "core/error.h"

#include <stddef.h>
#include <sys/types.h>

/* Opens `path` and sets *size to its length in bytes. `what` says in messages what kind of file is
 * expected, as in "a text file". Returns the descriptor, or -1: `error` holds one line. */
int input_open(const char *path, const char *what, off_t *size, char error[ERROR_TEXT]);

/* Reads a whole text file and adds a zero byte. The caller frees it. NULL: `error` holds one line. */
char *input_text(const char *path, const char *what, size_t *length, char error[ERROR_TEXT]);

/* The beginning of a file of the system's (/proc, /sys) as text, "" where it cannot be read. Returns `text`. */
char *system_text(const char *path, char *text, size_t size);

#endif
