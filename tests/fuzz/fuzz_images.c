/* Fuzzes the readers of CIFAR's and MNIST's files. The first byte picks the kind of files and whether MNIST's are named
 * .gz, the next two say how many bytes belong to the files of the training split (MNIST: of images); the rest is those of
 * the test split (of labels). Images are 2x2 and few, so that a fuzzer gets past the sizes. */
#include "data/data_parts.h"
#include "fuzz.h"

#include <sys/stat.h>

enum { TRAIN = 5, TEST = 2, SIDE = 2 };

static char folder[] = "/tmp/fuzz_images_XXXXXX";

static void put(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    must(file && fwrite(data, 1, size, file) == size && !fclose(file), "a file can be written");
}

static void clear(void)
{
    static const char *const names[] = {"data_batch_1.bin",
                                        "data_batch_2.bin",
                                        "data_batch_3.bin",
                                        "data_batch_4.bin",
                                        "data_batch_5.bin",
                                        "test_batch.bin",
                                        "train.bin",
                                        "test.bin",
                                        "train-images-idx3-ubyte",
                                        "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte",
                                        "train-images-idx3-ubyte.gz",
                                        "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz",
                                        "t10k-labels-idx1-ubyte.gz"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static void remove_folder(void)
{
    clear();
    rmdir(folder);
}

static void write_files(enum data_kind kind, bool packed, const uint8_t *first, size_t first_size,
                        const uint8_t *second, size_t second_size)
{
    char name[64];
    clear();
    if (kind == DATA_MNIST) {
        for (int test = 0; test < 2; test++) {
            const char *split = test ? "t10k" : "train", *end = packed ? ".gz" : "";
            snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", split, end);
            put(name, first, first_size);
            snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", split, end);
            put(name, second, second_size);
        }
        return;
    }
    if (kind == DATA_CIFAR100)
        put("train.bin", first, first_size);
    else
        for (int i = 1; i <= 5; i++) {
            snprintf(name, sizeof name, "data_batch_%d.bin", i);
            put(name, first, first_size);
        }
    put(kind == DATA_CIFAR100 ? "test.bin" : "test_batch.bin", second, second_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum data_kind kinds[] = {DATA_CIFAR10, DATA_CIFAR100, DATA_MNIST};
    if (size < 3)
        return 0;
    if (folder[sizeof folder - 2] == 'X') {
        must(mkdtemp(folder) != NULL, "a folder of its own");
        atexit(remove_folder);
    }
    const enum data_kind kind = kinds[data[0] & 3 ? (data[0] & 3) - 1 : 0];
    size_t first = (size_t)data[1] << 8 | data[2];
    size -= 3;
    data += 3;
    first = first < size ? first : size;
    write_files(kind, data[-3] & 4, data, first, data + first, size - first);

    struct data d = {.channels = data_shapes[kind].channels,
                     .height = SIDE,
                     .width = SIDE,
                     .classes = data_shapes[kind].classes};
    snprintf(d.name, sizeof d.name, "%s", data_shapes[kind].name);
    const size_t pixels = (size_t)d.channels * SIDE * SIDE;
    /* MNIST's splits are the same files. */
    d.train.count = TRAIN;
    d.test.count = kind == DATA_MNIST ? TRAIN : TEST;
    d.train.pixels = malloc(TRAIN * pixels);
    d.test.pixels = malloc((size_t)d.test.count * pixels);
    d.train.labels = malloc(TRAIN);
    d.test.labels = malloc((size_t)d.test.count);
    char found[DATA_FOLDER], error[ERROR_TEXT] = "";
    must(data_files_find(folder, kind, found), "the files are found");
    if (data_files_read(kind, found, &d, error)) {
        for (int64_t i = 0; i < d.train.count; i++)
            must(d.train.labels[i] < d.classes, "a label is one of the classes");
        for (int64_t i = 0; i < d.test.count; i++)
            must(d.test.labels[i] < d.classes, "a label is one of the classes");
    } else {
        must(*error && !strchr(error, '\n'), "files that are refused have a reason of one line");
    }
    data_free(&d);
    return 0;
}
