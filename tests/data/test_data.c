/* Data sets: files that are good, truncated, wrong or missing; the synthetic set; shuffling. */
#include "data/augment.h"
#include "data/data.h"
#include "folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* Files lie in folders inside one of this test's own. They are mostly holes, which take no room and read as zeros. */

static void make_inner(const char *name)
{
    assert_int_equal(mkdir(in_folder(name), 0777), 0);
}

static void make_file(const char *name, const void *head, size_t head_bytes, long bytes)
{
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(head, 1, head_bytes, file), head_bytes);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(in_folder(name), bytes), 0);
}

static void set_byte(const char *name, long at, int value)
{
    FILE *file = fopen(in_folder(name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc(value, file), value);
    assert_int_equal(fclose(file), 0);
}

static bool load(const char *dir, enum data_kind want, struct data *d, char error[ERROR_TEXT])
{
    struct data_source source;
    *d = (struct data){0};
    return data_find(dir, want, &source, error) && data_load(&source, 1, d, error);
}

static void expect_error(const char *dir, enum data_kind want, const char *part, const char *more)
{
    struct data d;
    char error[ERROR_TEXT] = "";
    assert_false(load(dir, want, &d, error));
    assert_null(d.train.pixels);
    if (!strstr(error, part) || !strstr(error, more) || strchr(error, '\n'))
        fail_msg("'%s' should say '%s' and '%s'", error, part, more);
}

static void expect_images(const struct data *d, int64_t train, int64_t test, int64_t channels,
                          int64_t side, int classes, const char *name)
{
    assert_int_equal(d->train.count, train);
    assert_int_equal(d->test.count, test);
    assert_int_equal(d->channels, channels);
    assert_int_equal(d->height, side);
    assert_int_equal(d->width, side);
    assert_int_equal(d->classes, classes);
    assert_string_equal(d->name, name);
}

static void make_cifar10(void)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    for (int i = 0; i < 6; i++)
        make_file(names[i], "", 0, 10000L * 3073);
}

static void cifar_10(void **state)
{
    (void)state;
    struct data d;
    char error[ERROR_TEXT];
    make_cifar10();
    set_byte("data_batch_2.bin", 3073L * 17, 9);
    set_byte("data_batch_2.bin", 3073L * 17 + 1, 200);
    set_byte("data_batch_2.bin", 3073L * 18 - 1, 100);
    assert_true(load(folder, DATA_ANY, &d, error));
    expect_images(&d, 50000, 10000, 3, 32, 10, "cifar-10");
    assert_int_equal(d.train.labels[10017], 9);
    assert_int_equal(d.train.pixels[10017 * 3072], 200);
    assert_int_equal(d.train.pixels[10018 * 3072 - 1], 100);
    data_free(&d);

    set_byte("data_batch_4.bin", 3073L * 9999, 10);
    expect_error(folder, DATA_ANY, "data_batch_4.bin: image 9999", "label 10");
    set_byte("data_batch_4.bin", 3073L * 9999, 0);
    assert_int_equal(truncate(in_folder("test_batch.bin"), 10000L * 3073 - 3073), 0);
    expect_error(folder, DATA_CIFAR10, "test_batch.bin", "30726927 bytes");
    assert_int_equal(unlink(in_folder("test_batch.bin")), 0);
    expect_error(folder, DATA_CIFAR10, "test_batch.bin", "No such file");
    expect_error(in_folder("data_batch_1.bin"), DATA_ANY, "data_batch_1.bin", "not a folder");
}

/* Two classes of CIFAR-10, the middle of each image. */
static void a_pair_of_cifar_10(void **state)
{
    (void)state;
    struct data d;
    char error[ERROR_TEXT];
    make_cifar10();
    /* Image 0 is of a class that is left out, so image 1 becomes the first; its pixel (2, 2) the first of all. */
    set_byte("data_batch_1.bin", 0, 2);
    set_byte("data_batch_1.bin", 3073, 1);
    set_byte("data_batch_1.bin", 3073 + 1 + 2 * 32 + 2, 200);
    set_byte("data_batch_1.bin", 3073 + 1 + 2 * 1024 + 29 * 32 + 29, 100);
    assert_true(load(folder, DATA_CIFAR10_PAIR, &d, error));
    expect_images(&d, 10000, 2000, 3, 28, 2, "cifar-10-pair");
    assert_int_equal(d.train.labels[0], 1);
    assert_int_equal(d.train.labels[1], 0);
    assert_int_equal(d.train.pixels[0], 200);
    assert_int_equal(d.train.pixels[3 * 784 - 1], 100);
    assert_int_equal(d.train.pixels[1], 0);
    data_free(&d);
    assert_int_equal(unlink(in_folder("test_batch.bin")), 0);
    expect_error(folder, DATA_CIFAR10_PAIR, "test_batch.bin", "No such file");
}

static void numbers_are_made(void **state)
{
    (void)state;
    struct data a, b;
    struct data_source source;
    char error[ERROR_TEXT];
    assert_true(data_find("synthetic:4000:100", DATA_NUMBERS, &source, error));
    assert_true(data_load(&source, 5, &a, error));
    assert_true(data_load(&source, 5, &b, error));
    expect_images(&a, 4000, 100, 5, 1, 2, "synthetic");
    assert_memory_equal(a.train.pixels, b.train.pixels, 4000 * 5);
    int64_t ones = 0, rule = 0;
    for (int64_t i = 0; i < a.train.count; i++) {
        const uint8_t *x = a.train.pixels + 5 * i;
        ones += a.train.labels[i];
        rule += a.train.labels[i] == ((x[0] >= 128) == (x[1] >= 128));
    }
    assert_in_range(ones, 1850, 2150);
    assert_in_range(rule, 3740, 3860);
    data_free(&a);
    data_free(&b);
    expect_error(folder, DATA_NUMBERS, folder, "made and not read");
}

static void cifar_100(void **state)
{
    (void)state;
    struct data d;
    char error[ERROR_TEXT];
    make_inner("cifar-100-binary");
    make_file("cifar-100-binary/train.bin", "", 0, 50000L * 3074);
    make_file("cifar-100-binary/test.bin", "", 0, 10000L * 3074);
    /* The coarse label, the fine one, the pixels. */
    set_byte("cifar-100-binary/train.bin", 3074L * 49999, 19);
    set_byte("cifar-100-binary/train.bin", 3074L * 49999 + 1, 99);
    set_byte("cifar-100-binary/train.bin", 3074L * 50000 - 1, 77);
    assert_true(load(folder, DATA_ANY, &d, error));
    expect_images(&d, 50000, 10000, 3, 32, 100, "cifar-100");
    assert_int_equal(d.train.labels[49999], 99);
    assert_int_equal(d.train.labels[49998], 0);
    assert_int_equal(d.train.pixels[50000L * 3072 - 1], 77);
    data_free(&d);
    set_byte("cifar-100-binary/test.bin", 1, 100);
    expect_error(folder, DATA_CIFAR100, "test.bin: image 0", "label 100");
}

/* Images of zeros as an IDX file, and its labels. */
static void make_mnist(const char *split, int count)
{
    char name[64];
    const unsigned char high = (unsigned char)(count >> 8), low = (unsigned char)count;
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, high, low, 0, 0, 0, 28, 0, 0, 0, 28};
    const unsigned char labels[] = {0, 0, 8, 1, 0, 0, high, low};
    snprintf(name, sizeof name, "MNIST/raw/%s-images-idx3-ubyte", split);
    make_file(name, images, sizeof images, 16 + count * 784L);
    snprintf(name, sizeof name, "MNIST/raw/%s-labels-idx1-ubyte", split);
    make_file(name, labels, sizeof labels, 8 + count);
}

/* The file as .gz alone. */
static void compress_file(const char *name, long bytes)
{
    char packed[128];
    snprintf(packed, sizeof packed, "%s.gz", in_folder(name));
    FILE *from = fopen(in_folder(name), "rb");
    gzFile to = gzopen(packed, "wb1");
    assert_true(from && to);
    static char block[1 << 16];
    for (size_t got; (got = fread(block, 1, sizeof block, from)); bytes -= (long)got)
        assert_int_equal(gzwrite(to, block, (unsigned)got), got);
    assert_int_equal(bytes, 0);
    fclose(from);
    assert_int_equal(gzclose(to), Z_OK);
    assert_int_equal(unlink(in_folder(name)), 0);
}

static void mnist(void **state)
{
    (void)state;
    struct data d;
    char error[ERROR_TEXT];
    const char *images = "MNIST/raw/train-images-idx3-ubyte";
    const char *labels = "MNIST/raw/t10k-labels-idx1-ubyte";
    make_inner("MNIST");
    make_inner("MNIST/raw");
    make_mnist("train", 60000);
    make_mnist("t10k", 10000);
    set_byte(images, 16 + 784L * 59999 + 783, 250);
    set_byte(labels, 8 + 9999, 9);
    for (int packed = 0; packed < 2; packed++) {
        if (packed) {
            compress_file(images, 16 + 784L * 60000);
            compress_file(labels, 8 + 10000);
        }
        assert_true(load(folder, DATA_ANY, &d, error));
        expect_images(&d, 60000, 10000, 1, 28, 10, "mnist");
        assert_int_equal(d.train.pixels[784L * 60000 - 1], 250);
        assert_int_equal(d.train.pixels[784L * 60000 - 2], 0);
        assert_int_equal(d.test.labels[9999], 9);
        data_free(&d);
    }
    struct stat status;
    assert_int_equal(stat(in_folder("MNIST/raw/train-images-idx3-ubyte.gz"), &status), 0);
    assert_int_equal(
        truncate(in_folder("MNIST/raw/train-images-idx3-ubyte.gz"), status.st_size - 100), 0);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte.gz", "ends early");
    /* The data are whole, the checksum behind them is another's. */
    make_mnist("train", 60000);
    compress_file(images, 16 + 784L * 60000);
    assert_int_equal(stat(in_folder("MNIST/raw/train-images-idx3-ubyte.gz"), &status), 0);
    set_byte("MNIST/raw/train-images-idx3-ubyte.gz", status.st_size - 8, 0x55);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte.gz: cannot read: incorrect", "check");
    set_byte("MNIST/raw/train-images-idx3-ubyte.gz", status.st_size / 2, 0x55);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte.gz", "cannot read");
    assert_int_equal(unlink(in_folder("MNIST/raw/train-images-idx3-ubyte.gz")), 0);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte", "No such file");

    make_mnist("train", 60000);
    set_byte("MNIST/raw/train-labels-idx1-ubyte", 8 + 12, 10);
    expect_error(folder, DATA_MNIST, "train-labels-idx1-ubyte: label 12 is 10", "0 to 9");
    make_mnist("train", 59999);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte: its size is 59999", "60000");
    make_mnist("train", 60000);
    set_byte(images, 3, 1);
    expect_error(folder, DATA_MNIST, "its magic number is 2049", "2051");
    set_byte(images, 3, 3);
    assert_int_equal(truncate(in_folder(images), 16 + 784L * 60000 - 1), 0);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte", "ends early");
    assert_int_equal(truncate(in_folder(images), 16 + 784L * 60000 + 1), 0);
    expect_error(folder, DATA_MNIST, "train-images-idx3-ubyte", "longer");
    /* What nobody writes to must not be waited for. */
    unlink(in_folder(labels));
    unlink(in_folder("MNIST/raw/t10k-labels-idx1-ubyte.gz"));
    assert_int_equal(mkfifo(in_folder("MNIST/raw/t10k-labels-idx1-ubyte.gz"), 0600), 0);
    make_mnist("train", 60000);
    expect_error(folder, DATA_MNIST, "t10k-labels-idx1-ubyte", "not a regular file");
}

/* A download that broke off within the last bytes: all data are there, the checksum and the length behind them are not. */
static void a_gz_without_its_end_is_refused(void **state)
{
    (void)state;
    struct data d;
    char error[ERROR_TEXT];
    const char *images = "MNIST/raw/t10k-images-idx3-ubyte",
               *packed = "MNIST/raw/t10k-images-idx3-ubyte.gz";
    make_inner("MNIST");
    make_inner("MNIST/raw");
    make_mnist("train", 60000);
    make_mnist("t10k", 10000);
    compress_file(images, 16 + 784L * 10000);
    struct stat status;
    assert_int_equal(stat(in_folder(packed), &status), 0);
    for (int missing = 1; missing <= 9; missing++) {
        assert_int_equal(truncate(in_folder(packed), status.st_size - missing), 0);
        expect_error(folder, DATA_MNIST, packed, "ends early");
    }
    /* What follows a whole file is none of it, compressed or not. */
    make_mnist("t10k", 10000);
    compress_file(images, 16 + 784L * 10000);
    assert_int_equal(truncate(in_folder(packed), status.st_size + 1), 0);
    expect_error(folder, DATA_MNIST, packed, "cannot read its end");
    assert_int_equal(truncate(in_folder(packed), status.st_size), 0);
    assert_true(load(folder, DATA_MNIST, &d, error));
    data_free(&d);
    /* Files of several members are whole files too. */
    char command[512];
    snprintf(command, sizeof command, "printf '' | gzip >> %s", in_folder(packed));
    assert_int_equal(system(command), 0);
    assert_true(load(folder, DATA_MNIST, &d, error));
    data_free(&d);
}

static void the_wanted_kind_is_found(void **state)
{
    (void)state;
    struct data_source source;
    char error[ERROR_TEXT];
    expect_error("/nonexistent", DATA_ANY, "/nonexistent", "No such file");
    expect_error(folder, DATA_ANY, folder, "neither CIFAR-10 nor CIFAR-100 nor MNIST");
    make_cifar10();
    expect_error(folder, DATA_MNIST, folder, "does not hold mnist");
    make_inner("cifar-100-binary");
    make_file("cifar-100-binary/train.bin", "", 0, 50000L * 3074);
    expect_error(folder, DATA_ANY, folder, "cifar-10 and cifar-100");
    assert_true(data_find(folder, DATA_CIFAR10, &source, error));
    assert_string_equal(source.folder, folder);
    assert_true(data_find(folder, DATA_CIFAR100, &source, error));
    assert_string_equal(source.folder, in_folder("cifar-100-binary"));
    assert_true(data_find(in_folder("cifar-100-binary"), DATA_ANY, &source, error));
    assert_int_equal(source.kind, DATA_CIFAR100);
}

static void make_synthetic(const char *text, enum data_kind want, uint64_t seed, struct data *d)
{
    struct data_source source;
    char error[ERROR_TEXT];
    assert_true(data_find(text, want, &source, error));
    assert_true(data_load(&source, seed, d, error));
}

static void synthetic_images_depend_on_the_seed_alone(void **state)
{
    (void)state;
    struct data a, b, c, grey;
    make_synthetic("synthetic:2000:50", DATA_ANY, 5, &a);
    make_synthetic("synthetic:300", DATA_CIFAR100, 5, &b);
    make_synthetic("synthetic:300", DATA_CIFAR10, 6, &c);
    make_synthetic("synthetic:4", DATA_MNIST, 6, &grey);
    expect_images(&a, 2000, 50, 3, 32, 10, "synthetic");
    expect_images(&b, 300, 60, 3, 32, 10, "synthetic");
    expect_images(&grey, 4, 1, 1, 28, 10, "synthetic");
    assert_memory_equal(a.train.pixels, b.train.pixels, 300 * 3072);
    assert_memory_equal(a.train.labels, b.train.labels, 300);
    assert_memory_equal(a.test.pixels, b.test.pixels, 50 * 3072);
    assert_memory_not_equal(a.train.pixels, c.train.pixels, 300 * 3072);
    assert_memory_not_equal(a.train.pixels, a.test.pixels, 50 * 3072);
    int64_t seen[10] = {0};
    for (int64_t i = 0; i < a.train.count; i++)
        seen[a.train.labels[i]]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 140, 260);
    data_free(&a);
    data_free(&b);
    data_free(&c);
    data_free(&grey);
    static const char *const wrong[] = {"synthetic:",   "synthetic:0",
                                        "synthetic:x",  "synthetic:5:5:5",
                                        "synthetic:5:", "synthetic:99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_error(wrong[i], DATA_ANY, wrong[i], "synthetic:TRAIN");
}

enum { SIDE = 24, PLANE = SIDE * SIDE };

static void fill_noise(uint8_t image[2 * PLANE])
{
    for (unsigned i = 0; i < 2 * PLANE; i++)
        image[i] = (uint8_t)(i * 2654435761u >> 24);
}

static void augment(const char *changes, uint64_t key, const uint8_t *src, float *dst)
{
    struct augment a;
    char error[ERROR_TEXT];
    assert_true(augment_parse(changes, &a, error));
    augment_image(&a, key, 2, SIDE, SIDE, src, dst);
}

static void images_are_flipped_and_shifted(void **state)
{
    (void)state;
    static uint8_t src[2 * PLANE];
    static float dst[2 * PLANE];
    fill_noise(src);
    augment("none", 1, src, dst);
    for (int i = 0; i < 2 * PLANE; i++)
        assert_true(dst[i] == src[i]);
    int flips = 0;
    bool seen[5][5] = {0};
    for (uint64_t key = 0; key < 400; key++) {
        augment("flip", key * 0x9e3779b97f4a7c15u, src, dst);
        bool flipped = dst[0] != src[0] || dst[1] != src[1];
        flips += flipped;
        for (int i = 0; i < 2 * PLANE; i++)
            assert_true(dst[i] == src[flipped ? i / SIDE * SIDE + SIDE - 1 - i % SIDE : i]);

        augment("shift 2", key * 0x9e3779b97f4a7c15u, src, dst);
        int found = 0;
        for (int dy = -2; dy <= 2; dy++) {
            for (int dx = -2; dx <= 2; dx++) {
                bool same = true;
                for (int i = 0; i < 2 * PLANE; i++) {
                    int y = i / SIDE % SIDE - dy, x = i % SIDE - dx;
                    bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
                    same &= dst[i] == (inside ? src[i / PLANE * PLANE + y * SIDE + x] : 0);
                }
                seen[dy + 2][dx + 2] |= same;
                found += same;
            }
        }
        assert_int_equal(found, 1);
    }
    assert_in_range(flips, 140, 260);
    for (int i = 0; i < 25; i++)
        assert_true(seen[i / 5][i % 5]);
}

/* Ramps stay ramps: their slopes show the map, and their middle its centre. */
static void images_are_zoomed_and_sheared(void **state)
{
    (void)state;
    static uint8_t src[2 * PLANE];
    static float dst[2 * PLANE];
    for (int i = 0; i < PLANE; i++) {
        src[i] = (uint8_t)(10 * (i % SIDE));
        src[PLANE + i] = (uint8_t)(10 * (i / SIDE));
    }
    double smallest = 2, largest = 0, steepest = 0;
    const int at = SIDE / 2 * SIDE + SIDE / 2;
    for (uint64_t key = 0; key < 400; key++) {
        augment("shear 3, zoom 0.2", key * 0x9e3779b97f4a7c15u, src, dst);
        const float *x = dst, *y = dst + PLANE;
        double xx = (x[at + 1] - x[at]) / 10, xy = (x[at + SIDE] - x[at]) / 10;
        double yx = (y[at + 1] - y[at]) / 10, yy = (y[at + SIDE] - y[at]) / 10;
        double zoom = hypot(xx, yx);
        assert_true(fabs(xy) < 1e-5 && zoom > 0.8 - 1e-4 && zoom < 1.2 + 1e-4);
        assert_true(yy > 0.8 - 1e-4 && yy < 1.2 + 1e-4);
        assert_true(fabs(yx / xx) <= tan(3 * 3.1416 / 180) + 1e-4);
        /* The point between the four pixels in the middle stays where it is. */
        for (int plane = 0; plane < 2; plane++) {
            const float *p = dst + plane * PLANE + at;
            double middle = (p[0] + p[-1] + p[-SIDE] + p[-SIDE - 1]) / 4;
            assert_true(fabs(middle - 10 * (SIDE / 2 - 0.5)) < 1e-3);
        }
        smallest = fmin(smallest, fmin(zoom, yy));
        largest = fmax(largest, fmax(zoom, yy));
        steepest = fmax(steepest, fabs(yx / xx));
    }
    assert_true(smallest < 0.81 && largest > 1.19 && steepest > tan(2.9 * 3.1416 / 180));
    static const char *const wrong[] = {"",         "flop",      "flip 1", "zoom",     "zoom 1",
                                        "shear 90", "shift 1.5", "flip,",  "shear 1 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct augment a;
        char error[ERROR_TEXT] = "";
        assert_false(augment_parse(wrong[i], &a, error));
        assert_non_null(strstr(error, "--augment"));
    }
}

static void images_beyond_the_memory_are_refused(void **state)
{
    (void)state;
    struct data_source source = {.kind = DATA_CIFAR10, .train = INT64_C(1) << 40, .test = 1};
    struct data d;
    char error[ERROR_TEXT];
    assert_false(data_load(&source, 1, &d, error));
    assert_non_null(strstr(error, "images of synthetic; ask for fewer"));
}

static void shuffles_are_permutations(void **state)
{
    (void)state;
    enum { N = 1000 };
    uint32_t first[N], again[N], other[N];
    bool seen[N] = {false};
    data_shuffle(N, 3, 1, first);
    data_shuffle(N, 3, 1, again);
    data_shuffle(N, 3, 2, other);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    int moved = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_true(first[i] < N && !seen[first[i]]);
        seen[first[i]] = true;
        moved += first[i] != i;
    }
    assert_true(moved > 950);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cifar_10, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(cifar_100, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_pair_of_cifar_10, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(numbers_are_made, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(mnist, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_gz_without_its_end_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_wanted_kind_is_found, make_folder, remove_folder),
        cmocka_unit_test(synthetic_images_depend_on_the_seed_alone),
        cmocka_unit_test(images_are_flipped_and_shifted),
        cmocka_unit_test(images_are_zoomed_and_sheared),
        cmocka_unit_test(images_beyond_the_memory_are_refused),
        cmocka_unit_test(shuffles_are_permutations),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
