/* Temporary file in the same folder, locked while it is written, fsync, rename. */
#include "core/whole_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* The folder of a file, with the slash behind it; "./" where the path names none. */
static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
}

/* Is `name` that of a temporary file of `base`: BASE.PROCESS-ATTEMPT.tmp? */
static bool is_temporary(const char *name, const char *base)
{
    const size_t length = strlen(base);
    if (strncmp(name, base, length) || name[length] != '.')
        return false;
    const char *at = name + length + 1;
    const size_t process = strspn(at, "0123456789");
    const size_t attempt = at[process] == '-' ? strspn(at + process + 1, "0123456789") : 0;
    return process && attempt && !strcmp(at + process + 1 + attempt, ".tmp");
}

/* Removes temporary files of `path` that killed processes left. A living writer holds a lock on its file;
 * the lock of a killed process is gone. */
static void sweep(const char *path)
{
    char folder[PATH_MAX], left[PATH_MAX];
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    folder_of(path, folder);
    DIR *entries = opendir(folder);
    if (!entries)
        return;
    for (const struct dirent *e; (e = readdir(entries));) {
        if (!is_temporary(e->d_name, base) ||
            snprintf(left, sizeof left, "%s%s", folder, e->d_name) >= (int)sizeof left)
            continue;
        int fd = open(left, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
            unlink(left);
        if (fd >= 0)
            close(fd);
    }
    closedir(entries);
}

/* Marks a new file as being written. False: another process takes it for a dead one's and removes it. */
static bool claim(int fd)
{
    struct stat s;
    /* Where the file system knows no locks, others cannot sweep either. */
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return false;
    return !fstat(fd, &s) && s.st_nlink > 0;
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
    sweep(path);
    for (int attempt = 0; attempt < 100; attempt++) {
        int n = snprintf(temporary, PATH_MAX, "%s.%ld-%d.tmp", path, (long)getpid(), attempt);
        if (n < 0 || n >= PATH_MAX) {
            fail_errno(error, path, ENAMETOOLONG);
            return -1;
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 && claim(fd))
            return fd;
        if (fd >= 0)
            close(fd);
        else if (errno != EEXIST)
            break;
    }
    fail_errno(error, path, errno);
    return -1;
}

/* The file to write: the target of `path` through symbolic links, which stay. It need not exist. NULL:
 * `error` holds one line. */
static const char *behind_links(const char *path, char target[PATH_MAX], char error[ERROR_TEXT])
{
    enum { MOST_LINKS = 40 };
    int code = snprintf(target, PATH_MAX, "%s", path) < PATH_MAX ? ELOOP : ENAMETOOLONG;
    for (int i = 0; code == ELOOP && i < MOST_LINKS; i++) {
        char link[PATH_MAX];
        ssize_t length = readlink(target, link, sizeof link - 1);
        if (length < 0)
            return target;
        link[length] = '\0';
        /* A relative one begins at the folder of the link. */
        const char *slash = link[0] == '/' ? NULL : strrchr(target, '/');
        size_t folder = slash ? (size_t)(slash + 1 - target) : 0;
        if (folder + (size_t)length < PATH_MAX)
            memcpy(target + folder, link, (size_t)length + 1);
        else
            code = ENAMETOOLONG;
    }
    fail_errno(error, path, code);
    return NULL;
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

/* Makes the rename survive a power cut, on file systems that can sync a folder. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool whole_file_possible(const char *path, char error[ERROR_TEXT])
{
    char temporary[PATH_MAX], target[PATH_MAX];
    path = behind_links(path, target, error);
    int fd = path ? open_beside(path, temporary, error) : -1;
    if (fd < 0)
        return false;
    unlink(temporary);
    close(fd);
    return true;
}

bool whole_file_write(const char *path, const struct piece *pieces, int count,
                      char error[ERROR_TEXT])
{
    char temporary[PATH_MAX], target[PATH_MAX];
    path = behind_links(path, target, error);
    int fd = path ? open_beside(path, temporary, error) : -1;
    if (fd < 0)
        return false;
    bool good = true;
    for (int i = 0; good && i < count; i++)
        good = write_all(fd, pieces[i].data, pieces[i].size);
    /* Closed last: until it has its name, the lock keeps it from being swept. fsync told of what a close could. */
    good = good && !fsync(fd) && !rename(temporary, path);
    const int code = errno;
    close(fd);
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

bool folder_lock(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Kept open. What cannot be locked here, another process cannot have locked. */
    if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        return true;
    close(fd);
    return false;
}
