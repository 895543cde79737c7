/* Files that appear whole or not at all: written beside their final place, synced, then renamed. What a process that was
 * killed left beside that place goes when the file is written next. Where the place is a link, the file it points to is
 * written and the link stays. */
#ifndef BATCHMARK_WHOLE_FILE_H
#define BATCHMARK_WHOLE_FILE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* One stretch of a file's contents. */
struct piece {
    const void *data;
    size_t size; /* bytes */
};

/* Can `path` be written? Tries the temporary file and removes it, so that wrong use shows before
 * hours of work and not after them. False: `error` holds one line. */
bool whole_file_possible(const char *path, char error[ERROR_TEXT]);

/* Writes the pieces one after the other as the file `path`, replacing it if it exists. What exists
 * already must be a regular file. False: `error` holds one line; the old file, if any, is untouched
 * and nothing new is left behind. */
bool whole_file_write(const char *path, const struct piece *pieces, int count,
                      char error[ERROR_TEXT]);

/* mkdir -p: makes the folder `path` and those above it. *created, unless NULL: it did not exist before. False: errno
 * says why. */
bool folder_make(const char *path, bool *created);

/* Holds the folder against other processes until this one ends, however it ends; nothing is left in it. False: another holds
 * it. Where the file system knows no locks nothing is held. */
bool folder_lock(const char *path);

#endif
