/* Opens and reads what the user names. */
#include "core/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A text of problems or layers is far shorter. */
static const off_t longest_text = 16 << 20;

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a named pipe"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

int input_open(const char *path, const char *what, off_t *size, char error[ERROR_TEXT])
{
    struct stat at;
    /* Not blocking, for a named pipe that nobody writes to. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &at)) {
        explain(error, "'%.200s': cannot open: %s; give %s that exists and is readable", path,
                strerror(errno), what);
    } else if (!S_ISREG(at.st_mode)) {
        explain(error, "%.200s: is %s and not a regular file; give %s", path, kind_of(at.st_mode),
                what);
    } else {
        *size = at.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Exactly so many bytes, or what went wrong. */
static bool read_all(int fd, const char *path, char *to, size_t size, char error[ERROR_TEXT])
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, to + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return explain(error, "%.200s: cannot read: %s", path,
                           n ? strerror(errno) : "it ends early");
        done += (size_t)n;
    }
    return true;
}

char *input_text(const char *path, const char *what, size_t *length, char error[ERROR_TEXT])
{
    off_t size;
    char *text = NULL;
    int fd = input_open(path, what, &size, error);
    if (fd < 0)
        return NULL;
    *length = (size_t)size;
    bool good = size <= longest_text || explain(error, "%.200s: %lld bytes are too long; give %s",
                                                path, (long long)size, what);
    if (good && !(text = calloc(1, *length + 1)))
        good = explain(error, "%.200s: out of memory; close other programs", path);
    good = good && read_all(fd, path, text, *length, error);
    struct stat at;
    if (good && (fstat(fd, &at) || at.st_size != size))
        good = explain(error, "%.200s: grows while it is read; try again when it is whole", path);
    close(fd);
    if (good)
        return text;
    free(text);
    return NULL;
}

char *system_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return text;
}
