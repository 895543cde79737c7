/* Files that appear whole or not at all: they are written to a temporary file in the same folder,
 * synced, and renamed. If a process is killed, the next write removes its temporary file. If the path
 * is a link, its target is written and the link stays. */
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

/* Can `path` be written? Creates the temporary file and removes it, so that a mistake shows before
 * hours of work. False: `error` holds one line. */
bool whole_file_possible(const char *path, char error[ERROR_TEXT]);

/* Writes the pieces one after the other to the file `path`. An existing file is replaced; it must be a
 * regular file. False: `error` holds one line, the old file is unchanged, and no new file is left. */
bool whole_file_write(const char *path, const struct piece *pieces, int count,
                      char error[ERROR_TEXT]);

/* As mkdir -p: makes the folder `path` and its parents. `created` may be NULL; else *created is true if
 * the folder did not exist before. False: errno says why. */
bool folder_make(const char *path, bool *created);

/* Locks the folder until this process ends in any way; leaves no file in it. False: another process has
 * locked it. On a file system without locks nothing is locked, and the result is true. */
bool folder_lock(const char *path);

#endif
