/* Temporary file in the same folder, fsync, rename. */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *advice(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return "make the folder first";
    case EACCES:
    case EPERM:
    case EROFS: return "choose a folder you may write to";
    case ENOSPC:
    case EDQUOT: return "free some space or choose another disk";
    case EFBIG: return "raise the limit on file sizes (ulimit -f)";
    case ENAMETOOLONG: return "choose a shorter name";
    default: return "choose another place";
    }
}

static bool fail_errno(char error[ERROR_TEXT], const char *path, int code)
{
    return explain(error, "%.300s: cannot write: %s; %s", path, strerror(code), advice(code));
}

/* Opens a new file beside `path` and writes its name to `temporary`. Returns the descriptor or -1.
 */
static int open_beside(const char *path, char temporary[PATH_MAX], char error[ERROR_TEXT])
{
    struct stat at;
    size_t length = strlen(path);
    if (!length || path[length - 1] == '/') {
        explain(error, "'%.300s' is no file name; name a file inside the folder", path);
        return -1;
    }
    /* Renaming over a device or a folder would do harm, as root above all. */
    if (!stat(path, &at) && !S_ISREG(at.st_mode)) {
        explain(error, "%.300s: exists and is not a regular file; choose another name", path);
        return -1;
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        int n = snprintf(temporary, PATH_MAX, "%s.%ld-%d.tmp", path, (long)getpid(), attempt);
        if (n < 0 || n >= PATH_MAX) {
            fail_errno(error, path, ENAMETOOLONG);
            return -1;
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            break;
    }
    fail_errno(error, path, errno);
    return -1;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Makes the rename survive a power cut; file systems that cannot sync a folder are none the worse.
 */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool whole_file_possible(const char *path, char error[ERROR_TEXT])
{
    char temporary[PATH_MAX];
    int fd = open_beside(path, temporary, error);
    if (fd < 0)
        return false;
    close(fd);
    unlink(temporary);
    return true;
}

bool whole_file_write(const char *path, const struct piece *pieces, int count,
                      char error[ERROR_TEXT])
{
    char temporary[PATH_MAX];
    int fd = open_beside(path, temporary, error);
    if (fd < 0)
        return false;
    bool good = true;
    for (int i = 0; good && i < count; i++)
        good = write_all(fd, pieces[i].data, pieces[i].size);
    good = good && !fsync(fd);
    int code = errno;
    if (close(fd) && good) {
        good = false;
        code = errno;
    }
    if (good && rename(temporary, path)) {
        good = false;
        code = errno;
    }
    if (!good) {
        unlink(temporary);
        return fail_errno(error, path, code);
    }
    sync_folder(path);
    return true;
}

bool folder_make(const char *path, bool *created)
{
    char part[PATH_MAX];
    bool made = false;
    size_t length = strlen(path);
    if (length >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] && path[i] != '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        made = !mkdir(part, 0777);
        if (!made && errno != EEXIST)
            return false;
    }
    struct stat s;
    if (stat(path, &s) || !S_ISDIR(s.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    if (created)
        *created = made;
    return true;
}
