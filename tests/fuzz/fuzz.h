/* What the fuzz targets share. Each tests/fuzz/fuzz_NAME.c gives the function of libFuzzer, which takes any bytes whatsoever:
 * what it calls may refuse them, and must not crash, leak, or take memory that they do not deserve. `make fuzz` links it to
 * libFuzzer, `make test` to replay.c, which hands it the files of tests/fuzz/corpus/NAME. */
#ifndef BATCHMARK_FUZZ_H
#define BATCHMARK_FUZZ_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that every input must have. */
static inline void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

/* A file in memory with these bytes; `path` opens it, fuzz_file_close forgets it. */
struct fuzz_file {
    int fd;
    char path[32];
};

static inline struct fuzz_file fuzz_file(const void *data, size_t size)
{
    struct fuzz_file f;
    char name[32];
    snprintf(name, sizeof name, "/fuzz-%d", (int)getpid());
    f.fd = shm_open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    /* It lives on as an open file. */
    shm_unlink(name);
    must(f.fd >= 0 && write(f.fd, data, size) == (ssize_t)size, "a file in memory");
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void fuzz_file_close(struct fuzz_file *f)
{
    close(f->fd);
}

/* The bytes as a string; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text != NULL, "memory for a text");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
