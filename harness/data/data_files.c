/* Reads CIFAR-10 and CIFAR-100 in their binary form, and MNIST in IDX files as they are or compressed by gzip. */
#include "core/input_file.h"
#include "data/data_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const struct layout_of_files {
    const char *inner; /* the folder its archive unpacks to */
    /* The files of the splits, those of a split of equal size; MNIST: what the names of its files begin with. */
    const char *train[5], *test;
    int train_files,
        label_bytes; /* CIFAR: before each image's pixels; the last of them is the label */
} layouts[DATA_KINDS] = {
    [DATA_CIFAR10] = {"cifar-10-batches-bin",
                      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                       "data_batch_4.bin", "data_batch_5.bin"},
                      "test_batch.bin",
                      5,
                      1},
    [DATA_CIFAR100] = {"cifar-100-binary", {"train.bin"}, "test.bin", 1, 2},
    [DATA_MNIST] = {"MNIST/raw", {"train"}, "t10k", 1, 0},
    [DATA_CIFAR10_PAIR] = {"cifar-10-batches-bin", {"data_batch_1.bin"}, "test_batch.bin", 1, 1},
};

const char *data_files_names(enum data_kind kind)
{
    return kind == DATA_CIFAR10 || kind == DATA_CIFAR10_PAIR
               ? "data_batch_1.bin to data_batch_5.bin and test_batch.bin"
           : kind == DATA_CIFAR100 ? "train.bin and test.bin"
                                   : "train-images-idx3-ubyte, train-labels-idx1-ubyte and the "
                                     "same of t10k, or these with .gz";
}

/* Paths: false where one is too long. */
#define PATH 2048

static bool is_file(const char *folder, const char *name, char path[PATH])
{
    struct stat status;
    return snprintf(path, PATH, "%s/%s", folder, name) < PATH && !stat(path, &status) &&
           S_ISREG(status.st_mode);
}

/* Why is_file did not find one. A pipe would be waited for, a device never ends. */
static const char *absence(const char *path)
{
    struct stat status;
    return stat(path, &status) ? strerror(errno) : "not a regular file";
}

/* Finds MNIST's file of images or labels of a split, compressed or not. False: there is none, and `path` is
 * the one that exists and is no regular file, else the name of the uncompressed one. */
static bool idx_file(const char *folder, const char *split, const char *what, char path[PATH])
{
    char name[64], packed[68];
    snprintf(name, sizeof name, "%s-%s-ubyte", split, what);
    snprintf(packed, sizeof packed, "%s.gz", name);
    if (is_file(folder, name, path) || is_file(folder, packed, path))
        return true;
    if (access(path, F_OK))
        is_file(folder, name, path);
    return false;
}

bool data_files_find(const char *dir, enum data_kind kind, char folder[DATA_FOLDER])
{
    const struct layout_of_files *l = &layouts[kind];
    for (int inside = 1; inside >= 0; inside--) {
        int length = inside ? snprintf(folder, DATA_FOLDER, "%s/%s", dir, l->inner)
                            : snprintf(folder, DATA_FOLDER, "%s", dir);
        char path[PATH];
        if (length >= DATA_FOLDER)
            continue;
        /* Any of the files will do: that another is missing is told when it is read. */
        if (kind == DATA_MNIST
                ? idx_file(folder, l->train[0], "images-idx3", path) ||
                      idx_file(folder, l->test, "images-idx3", path)
                : is_file(folder, l->train[0], path) || is_file(folder, l->test, path))
            return true;
    }
    return false;
}

/* Reads a file from beginning to end, compressed or not. It does not use zlib's gzread, which accepts a
 * file without the checksum at its end as complete. */
struct input {
    FILE *file;
    z_stream stream;
    bool packed,
        whole; /* whole: the last byte read was the last of a compressed member, whose checksum is right */
    char path[PATH];
    char *error;
    uint8_t chunk[1 << 14]; /* of a compressed file */
};

/* The first two bytes of a compressed file. No file of the data sets begins so. */
static bool is_packed(const uint8_t *bytes)
{
    return bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static bool open_input(struct input *in)
{
    off_t size;
    int fd = input_open(in->path, "a file of the data set", &size, in->error);
    if (fd < 0)
        return false;
    if (!(in->file = fdopen(fd, "rb"))) {
        close(fd);
        return explain(in->error, "%.300s: out of memory to read it; close other programs",
                       in->path);
    }
    in->packed = fread(in->chunk, 1, 2, in->file) == 2 && is_packed(in->chunk);
    rewind(in->file);
    const int gzip_only = 16;
    if (!in->packed || inflateInit2(&in->stream, MAX_WBITS + gzip_only) == Z_OK)
        return true;
    fclose(in->file);
    return explain(in->error, "%.300s: out of memory to unpack it; close other programs", in->path);
}

static void input_close(struct input *in)
{
    if (in->packed)
        inflateEnd(&in->stream);
    fclose(in->file);
}

/* Gets the stream something to unpack. False: the file is at its end. */
static bool refill(struct input *in)
{
    z_stream *z = &in->stream;
    if (!z->avail_in) {
        z->next_in = in->chunk;
        z->avail_in = (unsigned)fread(in->chunk, 1, sizeof in->chunk, in->file);
    }
    return z->avail_in > 0;
}

/* Unpacks `size` bytes, or fewer where the file ends with a whole member; *got says how many. NULL, or what is wrong. */
static const char *unpack(struct input *in, void *to, unsigned size, unsigned *got)
{
    z_stream *z = &in->stream;
    z->next_out = to;
    for (z->avail_out = size; z->avail_out; *got = size - z->avail_out) {
        if (!refill(in))
            return ferror(in->file) ? strerror(errno) : in->whole ? NULL : "the file ends early";
        /* Members may follow each other. */
        if (in->whole)
            inflateReset(z);
        const int code = inflate(z, Z_NO_FLUSH);
        in->whole = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END)
            return z->msg ? z->msg : "it is damaged";
    }
    return NULL;
}

/* The next bytes, `size` of them or all that are left; *got says how many. NULL, or what is wrong. */
static const char *next_bytes(struct input *in, void *to, unsigned size, unsigned *got)
{
    *got = 0;
    if (in->packed)
        return unpack(in, to, size, got);
    *got = (unsigned)fread(to, 1, size, in->file);
    return ferror(in->file) ? strerror(errno) : NULL;
}

/* The next `size` bytes. */
static bool input_read(struct input *in, void *to, unsigned size)
{
    unsigned got;
    const char *why = next_bytes(in, to, size, &got);
    if (!why && got < size)
        why = "the file ends early";
    return !why || explain(in->error, "%.300s: cannot read: %s; fetch it again", in->path, why);
}

/* Nothing is left, and of a compressed file the checksum at its end was right. */
static bool input_ends(struct input *in)
{
    uint8_t more;
    unsigned got;
    const char *why = next_bytes(in, &more, 1, &got);
    if (got)
        return explain(in->error, "%.300s: longer than it should be; fetch it again", in->path);
    return !why ||
           explain(in->error, "%.300s: cannot read its end: %s; fetch it again", in->path, why);
}

/* CIFAR: records of a label or two and the pixels. */

static bool read_records(struct input *in, const struct data *d, int label_bytes, struct images *to,
                         int64_t first, int64_t count)
{
    unsigned size = (unsigned)(d->channels * d->height * d->width);
    for (int64_t i = first; i < first + count; i++) {
        uint8_t labels[2];
        if (!input_read(in, labels, (unsigned)label_bytes) ||
            !input_read(in, to->pixels + i * size, size))
            return false;
        to->labels[i] = labels[label_bytes - 1];
        if (to->labels[i] >= d->classes)
            return explain(
                in->error, "%.300s: image %lld has label %d, %s has 0 to %d; fetch the file again",
                in->path, (long long)(i - first), to->labels[i], d->name, d->classes - 1);
    }
    return true;
}

/* One file of `count` images. Its size tells at once. */
static bool read_cifar(enum data_kind kind, const char *folder, const char *name,
                       const struct data *d, struct images *to, int64_t first, int64_t count,
                       char error[ERROR_TEXT])
{
    struct input in = {.error = error};
    struct stat status;
    const int label_bytes = layouts[kind].label_bytes;
    long long wanted = (long long)count * (label_bytes + d->channels * d->height * d->width);
    if (!is_file(folder, name, in.path))
        return explain(error, "%.300s: %s; %s is made of %s", in.path, absence(in.path), d->name,
                       data_files_names(kind));
    if (!open_input(&in))
        return false;
    bool good = !fstat(fileno(in.file), &status) && status.st_size == wanted
                    ? read_records(&in, d, label_bytes, to, first, count) && input_ends(&in)
                    : explain(error, "%.300s: %lld bytes, this file of %s has %lld; fetch it again",
                              in.path, (long long)status.st_size, d->name, wanted);
    input_close(&in);
    return good;
}

/* MNIST: a magic number, then the sizes, each four bytes, the highest first; then the bytes. */

static bool read_header(struct input *in, int count, const uint32_t *wanted)
{
    uint8_t bytes[16];
    if (!input_read(in, bytes, 4 * (unsigned)count))
        return false;
    for (int i = 0; i < count; i++) {
        const uint8_t *b = bytes + (ptrdiff_t)4 * i;
        uint32_t value = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        if (value != wanted[i])
            return explain(in->error, "%.300s: its %s is %u, MNIST has %u here; fetch it again",
                           in->path, i == 0 ? "magic number" : "size", value, wanted[i]);
    }
    return true;
}

static bool read_idx(const char *folder, const char *split, const char *what, int sizes,
                     const uint32_t *header, uint8_t *to, size_t bytes, struct input *in)
{
    if (!idx_file(folder, split, what, in->path))
        return explain(in->error, "%.300s: %s; MNIST is made of %s", in->path, absence(in->path),
                       data_files_names(DATA_MNIST));
    if (!open_input(in))
        return false;
    bool good =
        read_header(in, sizes, header) && input_read(in, to, (unsigned)bytes) && input_ends(in);
    input_close(in);
    return good;
}

static bool read_mnist(const char *folder, const char *split, const struct data *d,
                       struct images *to, char error[ERROR_TEXT])
{
    struct input in = {.error = error};
    uint32_t count = (uint32_t)to->count;
    const uint32_t images[] = {0x803, count, (uint32_t)d->height, (uint32_t)d->width};
    const uint32_t labels[] = {0x801, count};
    if (!read_idx(folder, split, "images-idx3", 4, images, to->pixels,
                  (size_t)(count * d->height * d->width), &in) ||
        !read_idx(folder, split, "labels-idx1", 2, labels, to->labels, count, &in))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (to->labels[i] >= d->classes)
            return explain(error, "%.300s: label %u is %d, MNIST has 0 to 9; fetch the file again",
                           in.path, i, to->labels[i]);
    return true;
}

bool data_files_read(enum data_kind kind, const char *folder, struct data *d,
                     char error[ERROR_TEXT])
{
    const struct layout_of_files *l = &layouts[kind];
    if (kind == DATA_MNIST)
        return read_mnist(folder, l->train[0], d, &d->train, error) &&
               read_mnist(folder, l->test, d, &d->test, error);
    const int64_t share = d->train.count / l->train_files;
    for (int i = 0; i < l->train_files; i++)
        if (!read_cifar(kind, folder, l->train[i], d, &d->train, i * share, share, error))
            return false;
    return read_cifar(kind, folder, l->test, d, &d->test, 0, d->test.count, error);
}
