/* The safetensors reader and writer: round trips, and malformed files of every kind. */
#include "core/safetensors.h"
#include "core/whole_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_safetensors_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Names in the folder apart from "." and "..". */
static int files_in(const char *name)
{
    DIR *dir = opendir(name);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Writes a file of that header length field, header text and number of zero bytes of data. */
static void write_raw(uint64_t length, const void *header, size_t header_size, size_t data_size)
{
    static const char zeros[4096];
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(data_size <= sizeof zeros);
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_int_equal(fwrite(header, 1, header_size, file), header_size);
    assert_int_equal(fwrite(zeros, 1, data_size, file), data_size);
    assert_int_equal(fclose(file), 0);
}

static void expect_error(const char *part)
{
    struct safetensors file;
    char error[ERROR_TEXT] = "";
    if (safetensors_read(path, &file, error))
        fail_msg("accepted, but should say: %s", part);
    if (!strstr(error, part))
        fail_msg("says '%s', not '%s'", error, part);
    assert_non_null(strstr(error, path));
    assert_null(strchr(error, '\n'));
    assert_null(file.tensors);
    assert_null(file.data);
    assert_null(file.header);
}

static void round_trip(void **state)
{
    (void)state;
    const float a[6] = {1, -2, 3.5f, 1e-45f, -0.0f, 6}, b = 7;
    const struct named_tensor tensors[] = {{"src", 4, {1, 2, 3, 1}, a},
                                           {"scalar", 0, {0}, &b},
                                           {"empty", 2, {0, 5}, a},
                                           {"größe", 1, {6}, a}};
    const struct metadata metadata[] = {{"format", "pt"}, {"epoch", "3"}, {"quote", "a \"b\"\nc"}};
    char error[ERROR_TEXT] = "";
    assert_true(safetensors_write(path, tensors, 4, metadata, 3, error));
    assert_int_equal(files_in(folder), 1);

    struct safetensors file;
    assert_true(safetensors_read(path, &file, error));
    assert_int_equal(file.count, 4);
    assert_int_equal(file.metadata_count, 3);
    for (int i = 0; i < 4; i++) {
        const struct named_tensor *t = safetensors_find(&file, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->ndim, tensors[i].ndim);
        assert_memory_equal(t->dims, tensors[i].dims, sizeof t->dims);
        assert_memory_equal(t->data, tensors[i].data,
                            (size_t)named_tensor_elements(t) * sizeof(float));
    }
    for (int i = 0; i < 3; i++)
        assert_string_equal(safetensors_text(&file, metadata[i].key), metadata[i].text);
    assert_null(safetensors_find(&file, "dst"));
    assert_null(safetensors_text(&file, "src"));
    safetensors_free(&file);
}

static void data_are_aligned_in_the_file(void **state)
{
    (void)state;
    char name[] = "aaaaaaaaaaaaaaaa", error[ERROR_TEXT];
    const float value = 1;
    for (size_t length = 1; length < sizeof name; length++) {
        name[length] = '\0';
        const struct named_tensor t = {name, 1, {1}, &value};
        assert_true(safetensors_write(path, &t, 1, NULL, 0, error));
        FILE *file = fopen(path, "rb");
        uint64_t header;
        assert_int_equal(fread(&header, sizeof header, 1, file), 1);
        assert_int_equal(header % 8, 0);
        assert_int_equal(fgetc(file), '{');
        fclose(file);
        name[length] = 'a';
    }
}

static void many_tensors(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct named_tensor tensors[COUNT];
    static char names[COUNT][24];
    static float values[COUNT];
    char error[ERROR_TEXT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "layer%d.w", i);
        values[i] = (float)i;
        tensors[i] = (struct named_tensor){names[i], 1, {1}, &values[i]};
    }
    assert_true(safetensors_write(path, tensors, COUNT, NULL, 0, error));
    struct safetensors file;
    assert_true(safetensors_read(path, &file, error));
    assert_int_equal(file.count, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_true(safetensors_find(&file, names[i])->data[0] == values[i]);
    safetensors_free(&file);
}

static void no_tensors(void **state)
{
    (void)state;
    char error[ERROR_TEXT];
    struct safetensors file;
    assert_true(safetensors_write(path, NULL, 0, NULL, 0, error));
    assert_true(safetensors_read(path, &file, error));
    assert_int_equal(file.count, 0);
    safetensors_free(&file);
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* Headers that are wrong, each with the bytes of data behind it and what the message must say. */
static const struct {
    const char *header;
    size_t data;
    const char *says;
} malformed[] = {
    {"", 0, "does not start with {"},
    {"[1]", 0, "does not start with {"},
    {" {}", 0, "does not start with {"},
    {"{", 0, "no valid JSON"},
    {"{} x", 0, "no valid JSON"},
    {"{\"a\":1", 0, "no valid JSON"},
    {"{\"a\xff\":1}", 0, "no valid JSON"},
    {"{\"a\\u0000b\":1}", 0, "no valid JSON"},
    {"{\"a\":" F32("[99999999999999999999]", "[0,4]") "}", 4, "no valid JSON"},
    {"{\"a\":" F32("[1]", "[0,4]") ",\"a\":" F32("[1]", "[4,8]") "}", 8, "duplicate"},
    {"{\"a\":1}", 0, "must hold dtype, shape and data_offsets"},
    {"{\"a\":{}}", 0, "must hold dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "must hold dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "must hold dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offset\":[0,4]}}", 4,
     "data_offsets must be two"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":0}}", 4,
     "must hold dtype"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1,
     "dtype is F4; convert it"},
    {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "takes 4 bytes, data_offsets hold 8"},
    {"{\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
     "takes 8 bytes, data_offsets hold 4"},
    {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1152921504606846976],\"data_offsets\":[0,0]}}", 0,
     "overflows"},
    {"{\"a\":" F32("1", "[0,4]") "}", 4, "shape must be an array"},
    {"{\"a\":" F32("[-1]", "[0,4]") "}", 4, "shape must be an array"},
    {"{\"a\":" F32("[1.0]", "[0,4]") "}", 4, "shape must be an array"},
    {"{\"a\":" F32("[\"1\"]", "[0,4]") "}", 4, "shape must be an array"},
    {"{\"a\":" F32("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "shape must be an array of at most 8"},
    {"{\"a\":" F32("[1]", "[0]") "}", 4, "data_offsets must be two"},
    {"{\"a\":" F32("[1]", "[0,4,8]") "}", 4, "data_offsets must be two"},
    {"{\"a\":" F32("[1]", "[-4,0]") "}", 4, "data_offsets must be two"},
    {"{\"a\":" F32("[1]", "4") "}", 4, "data_offsets must be two"},
    {"{\"a\":" F32("[1]", "[4,0]") "}", 4, "lie outside"},
    {"{\"a\":" F32("[2]", "[0,8]") "}", 4, "lie outside the file's 4 bytes"},
    {"{\"a\":" F32("[1]", "[0,9223372036854775807]") "}", 4, "lie outside"},
    {"{\"a\":" F32("[2]", "[0,4]") "}", 4, "takes 8 bytes, data_offsets hold 4"},
    {"{\"a\":" F32("[]", "[0,8]") "}", 8, "takes 4 bytes"},
    {"{\"a\":" F32("[0]", "[0,4]") "}", 4, "takes 0 bytes"},
    {"{\"a\":" F32("[4611686018427387904]", "[0,0]") "}", 0, "overflows"},
    {"{\"a\":" F32("[4294967296,1073741824]", "[0,0]") "}", 0, "overflows"},
    {"{\"a\":" F32("[2]", "[0,8]") ",\"b\":" F32("[2]", "[4,12]") "}", 12, "overlap"},
    {"{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[0,4]") "}", 4, "overlap"},
    {"{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[8,12]") "}", 12,
     "leave a hole at byte 4"},
    {"{\"a\":" F32("[1]", "[4,8]") "}", 8, "leave a hole at byte 0"},
    {"{\"a\":" F32("[1]", "[0,4]") "}", 5, "1 bytes behind the last tensor"},
    {"{}", 4, "4 bytes behind the last tensor"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ must be an object"},
    {"{\"__metadata__\":{\"epoch\":3}}", 0, "the value of 'epoch' must be a string"},
    {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "duplicate"},
};

static void malformed_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        size_t length = strlen(malformed[i].header);
        write_raw(length, malformed[i].header, length, malformed[i].data);
        expect_error(malformed[i].says);
    }
}

static void accepted_headers(void **state)
{
    (void)state;
    /* In any order, blanks behind, tensors without elements anywhere. */
    static const char header[] = "{\"b\":" F32("[1]", "[4,8]") ",\"a\":" F32(
        "[1]", "[0,4]") ",\"e\":" F32("[3,0]", "[4,4]") ",\"__metadata__\":{}}   ";
    write_raw(strlen(header), header, strlen(header), 8);
    struct safetensors file;
    char error[ERROR_TEXT] = "";
    assert_true(safetensors_read(path, &file, error));
    assert_int_equal(file.count, 3);
    assert_ptr_equal(safetensors_find(&file, "a")->data, file.data);
    assert_ptr_equal(safetensors_find(&file, "b")->data, file.data + 1);
    safetensors_free(&file);
}

/* The bits of every float16, and of bfloat16, one after the other: each value is that of its definition. */
static void types_of_two_bytes(void **state)
{
    (void)state;
    for (int bfloat = 0; bfloat < 2; bfloat++) {
        char header[128];
        const int length =
            snprintf(header, sizeof header,
                     "{\"a\":{\"dtype\":\"%s\",\"shape\":[65536],\"data_offsets\":[0,131072]}}",
                     bfloat ? "BF16" : "F16");
        write_raw((uint64_t)length, header, (size_t)length, 0);
        FILE *file = fopen(path, "ab");
        assert_non_null(file);
        for (int bits = 0; bits < 65536; bits++)
            assert_int_equal(fwrite(&(uint16_t){(uint16_t)bits}, 2, 1, file), 1);
        assert_int_equal(fclose(file), 0);
        struct safetensors read;
        char error[ERROR_TEXT];
        assert_true(safetensors_read(path, &read, error));
        const int width = bfloat ? 7 : 10, bias = bfloat ? 127 : 15, top = bfloat ? 255 : 31;
        for (int bits = 0; bits < 65536; bits++) {
            const int exponent = bits >> width & top, mantissa = bits & ((1 << width) - 1);
            const double sign = bits >> 15 ? -1 : 1, share = (double)mantissa / (1 << width);
            const double want = exponent == top ? mantissa ? (double)NAN : sign * (double)INFINITY
                                : exponent      ? sign * ldexp(1 + share, exponent - bias)
                                                : sign * ldexp(share, 1 - bias);
            const float got = read.tensors[0].data[bits];
            if (isnan(want) ? !isnan(got) : (double)got != want || !signbit(got) != !signbit(want))
                fail_msg("bits %04x: %g, not %g", (unsigned)bits, (double)got, want);
        }
        safetensors_free(&read);
    }
}

/* Elements of other types before, between and behind floats, which lie at odd addresses in the file then. */
static void types_are_mixed(void **state)
{
    (void)state;
    static const char header[] =
        "{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[8,11]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[11,27]},"
        "\"e\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[27,28]},"
        "\"a\":" F32("[2]", "[28,36]") "}";
    const double d[2] = {0.1, -3e300};
    const float a[2] = {1.5f, -2};
    write_raw(strlen(header), header, strlen(header), 11);
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fwrite(d, sizeof d, 1, file);
    fwrite("", 1, 1, file);
    fwrite(a, sizeof a, 1, file);
    assert_int_equal(fclose(file), 0);
    struct safetensors read;
    char error[ERROR_TEXT] = "";
    assert_true(safetensors_read(path, &read, error));
    assert_int_equal(read.count, 5);
    const struct named_tensor *doubles = safetensors_find(&read, "d");
    assert_true(doubles->data[0] == (float)0.1 && doubles->data[1] == -INFINITY);
    assert_memory_equal(safetensors_find(&read, "a")->data, a, sizeof a);
    assert_null(safetensors_find(&read, "n")->data);
    assert_null(safetensors_find(&read, "b")->data);
    assert_string_equal(safetensors_dtype(&read, safetensors_find(&read, "n")), "I64");
    assert_string_equal(safetensors_dtype(&read, doubles), "F64");
    safetensors_free(&read);
    assert_int_equal(truncate(path, (off_t)(8 + strlen(header) + 35)), 0);
    expect_error("lie outside");
}

static void header_lengths(void **state)
{
    (void)state;
    write_raw(100, "{}", 2, 0);
    expect_error("claims 100 bytes");
    write_raw(3, "{}", 2, 0);
    expect_error("claims 3 bytes");
    write_raw(UINT64_MAX, "{}", 2, 0);
    expect_error("the limit is");
    write_raw(INT64_MAX, "{}", 2, 0);
    expect_error("the limit is");
    write_raw(100000001, "{}", 2, 0);
    expect_error("the limit is");
    write_raw(0, "", 0, 0);
    expect_error("does not start with {");
}

/* Every shorter version of a good file is refused. */
static void truncations(void **state)
{
    (void)state;
    const float a[3] = {1, 2, 3};
    const struct named_tensor t = {"a", 1, {3}, a};
    char error[ERROR_TEXT];
    assert_true(safetensors_write(path, &t, 1, NULL, 0, error));
    struct stat at;
    assert_int_equal(stat(path, &at), 0);
    for (off_t size = at.st_size - 1; size >= 0; size--) {
        assert_int_equal(truncate(path, size), 0);
        struct safetensors file;
        assert_false(safetensors_read(path, &file, error));
    }
}

static void what_is_no_file(void **state)
{
    (void)state;
    struct safetensors file;
    char error[ERROR_TEXT];
    assert_false(safetensors_read("/nonexistent/a.safetensors", &file, error));
    assert_non_null(strstr(error, "No such file"));
    assert_false(safetensors_read(folder, &file, error));
    assert_non_null(strstr(error, "not a regular file"));
    assert_false(safetensors_read("/dev/zero", &file, error));
    assert_non_null(strstr(error, "not a regular file"));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_error("not a regular file");
    unlink(path);
}

static void refused_writes(void **state)
{
    (void)state;
    const float a = 1;
    const struct named_tensor good = {"a", 1, {1}, &a};
    char error[ERROR_TEXT];
    const struct named_tensor twice[] = {good, good}, reserved = {"__metadata__", 1, {1}, &a},
                              bytes = {"a\xff", 1, {1}, &a};
    unlink(path);
    assert_false(safetensors_write(path, twice, 2, NULL, 0, error));
    assert_non_null(strstr(error, "two entries are named 'a'"));
    assert_false(safetensors_write(path, &reserved, 1, NULL, 0, error));
    assert_non_null(strstr(error, "__metadata__"));
    assert_false(safetensors_write(path, &bytes, 1, NULL, 0, error));
    assert_non_null(strstr(error, "UTF-8"));
    assert_false(safetensors_write(path, &good, 1, &(struct metadata){"k", "\xff"}, 1, error));
    assert_non_null(strstr(error, "UTF-8"));
    assert_false(safetensors_write(folder, &good, 1, NULL, 0, error));
    assert_non_null(strstr(error, "not a regular file"));
    assert_false(safetensors_write("/dev/full", &good, 1, NULL, 0, error));
    assert_non_null(strstr(error, "not a regular file"));
    assert_false(safetensors_write("/nonexistent/a", &good, 1, NULL, 0, error));
    assert_non_null(strstr(error, "make the folder first"));
    assert_false(safetensors_write("", &good, 1, NULL, 0, error));
    assert_false(safetensors_write("/tmp/", &good, 1, NULL, 0, error));
    assert_non_null(strstr(error, "no file name"));
    assert_int_equal(files_in(folder), 0);
}

/* A write that fails leaves the old file as it was and nothing beside it. */
static void a_failed_write_changes_nothing(void **state)
{
    (void)state;
    const float a = 1;
    const struct named_tensor t = {"a", 1, {1}, &a};
    char error[ERROR_TEXT];
    assert_true(safetensors_write(path, &t, 1, NULL, 0, error));
    /* An address that write() cannot read from fails with EFAULT in the middle of the file. */
    const struct piece pieces[] = {{"half", 4}, {(const void *)8, 4096}};
    assert_false(whole_file_write(path, pieces, 2, error));
    assert_int_equal(files_in(folder), 1);
    struct safetensors file;
    assert_true(safetensors_read(path, &file, error));
    safetensors_free(&file);
}

static void possible_leaves_nothing(void **state)
{
    (void)state;
    char error[ERROR_TEXT];
    unlink(path);
    assert_true(whole_file_possible(path, error));
    assert_int_equal(files_in(folder), 0);
    assert_false(whole_file_possible("/nonexistent/a", error));
    assert_false(whole_file_possible("/dev/null", error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(data_are_aligned_in_the_file),
        cmocka_unit_test(many_tensors),
        cmocka_unit_test(no_tensors),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(accepted_headers),
        cmocka_unit_test(types_of_two_bytes),
        cmocka_unit_test(types_are_mixed),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(truncations),
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(refused_writes),
        cmocka_unit_test(a_failed_write_changes_nothing),
        cmocka_unit_test(possible_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
