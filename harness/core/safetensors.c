/* The one reader and the one writer of safetensors files. */
#include "core/safetensors.h"
#include "core/limits.h"

#include "core/input_file.h"
#include "core/whole_file.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian");

#define MAX_HEADER 100000000 /* the limit of the format's own reader */
#define METADATA_KEY "__metadata__"

int64_t named_tensor_elements(const struct named_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dims[i];
    return n;
}

char *dims_print(int ndim, const int64_t *dims, char text[DIMS_TEXT])
{
    char *at = text;
    *at++ = '[';
    for (int i = 0; i < ndim; i++)
        at += sprintf(at, "%s%lld", i ? "," : "", (long long)dims[i]);
    strcpy(at, "]");
    return text;
}

/* The element types of the format, except those smaller than a byte. */
struct element {
    const char *name;
    int bytes;
    float (*value)(const void *at); /* as float32; NULL: no float that has to do with networks */
};

static float value_f64(const void *at)
{
    double value;
    memcpy(&value, at, sizeof value);
    return (float)value;
}

static float value_f32(const void *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static float value_bf16(const void *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    return value_f32(&bits);
}

/* Five bits of exponent, ten of mantissa. */
static float value_f16(const void *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float size = exponent == 31 ? mantissa ? NAN : INFINITY
                       : exponent     ? ldexpf((float)(1024 + mantissa), exponent - 25)
                                      : ldexpf((float)mantissa, -24);
    return bits >> 15 ? -size : size;
}

static const struct element elements[] = {
    {"F32", 4, value_f32}, {"F64", 8, value_f64}, {"F16", 2, value_f16}, {"BF16", 2, value_bf16},
    {"I64", 8, NULL},      {"I32", 4, NULL},      {"I16", 2, NULL},      {"I8", 1, NULL},
    {"U64", 8, NULL},      {"U32", 4, NULL},      {"U16", 2, NULL},      {"U8", 1, NULL},
    {"BOOL", 1, NULL},     {"C64", 8, NULL},      {"F8_E4M3", 1, NULL},  {"F8_E5M2", 1, NULL},
    {"F8_E8M0", 1, NULL}};

/* The type of that name, or NULL. */
static const struct element *element_find(const char *name)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (!strcmp(elements[i].name, name))
            return &elements[i];
    return NULL;
}

/* One tensor being read: where its data are, in bytes from the end of the header. */
struct extent {
    struct named_tensor tensor;
    int64_t first, last;
};

/* An array of at most `most` whole numbers, none negative. Returns how many, or -1. */
static int read_numbers(const json_t *list, int most, int64_t *out)
{
    if (!json_is_array(list) || json_array_size(list) > (size_t)most)
        return -1;
    int n = (int)json_array_size(list);
    for (int i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return -1;
        out[i] = json_integer_value(value);
    }
    return n;
}

/* Bytes of that shape with elements of so many each, or -1 where they overflow. */
static int64_t shape_bytes(int ndim, const int64_t *dims, int element)
{
    int64_t bytes = element;
    for (int i = 0; i < ndim; i++)
        if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            return -1;
    return bytes;
}

static bool read_entry(const char *path, const char *name, const json_t *entry, int64_t room,
                       struct extent *out, char error[ERROR_TEXT])
{
    *out = (struct extent){.tensor.name = name};
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_object(entry) || json_object_size(entry) != 3 || !json_is_string(dtype))
        return explain(error,
                       "%.200s: tensor '%.60s': its header entry must hold dtype, shape and "
                       "data_offsets; write the file anew",
                       path, name);
    const struct element *element = element_find(json_string_value(dtype));
    if (!element)
        return explain(error, "%.200s: tensor '%.60s': dtype is %.20s; convert it to float32 (F32)",
                       path, name, json_string_value(dtype));
    int64_t offsets[2];
    out->tensor.ndim =
        read_numbers(json_object_get(entry, "shape"), TENSOR_MAX_RANK, out->tensor.dims);
    if (out->tensor.ndim < 0)
        return explain(
            error,
            "%.200s: tensor '%.60s': shape must be an array of at most %d whole numbers; "
            "write the file anew",
            path, name, TENSOR_MAX_RANK);
    if (read_numbers(json_object_get(entry, "data_offsets"), 2, offsets) != 2)
        return explain(
            error,
            "%.200s: tensor '%.60s': data_offsets must be two whole numbers; write the file anew",
            path, name);
    int64_t bytes = shape_bytes(out->tensor.ndim, out->tensor.dims, element->bytes);
    char dims[DIMS_TEXT];
    if (bytes < 0)
        return explain(error, "%.200s: tensor '%.60s': shape %.120s overflows; write the file anew",
                       path, name, dims_print(out->tensor.ndim, out->tensor.dims, dims));
    if (offsets[0] > offsets[1] || offsets[1] > room)
        return explain(
            error,
            "%.200s: tensor '%.60s': data_offsets %lld to %lld lie outside the file's %lld "
            "bytes of data; is the file truncated?",
            path, name, (long long)offsets[0], (long long)offsets[1], (long long)room);
    if (offsets[1] - offsets[0] != bytes)
        return explain(error,
                       "%.200s: tensor '%.60s': shape %.120s takes %lld bytes, data_offsets hold "
                       "%lld; write the file anew",
                       path, name, dims_print(out->tensor.ndim, out->tensor.dims, dims),
                       (long long)bytes, (long long)(offsets[1] - offsets[0]));
    out->first = offsets[0];
    out->last = offsets[1];
    return true;
}

static bool read_metadata(const char *path, json_t *texts, struct safetensors *out,
                          char error[ERROR_TEXT])
{
    if (!json_is_object(texts))
        return explain(error,
                       "%.200s: " METADATA_KEY " must be an object of strings; write the file anew",
                       path);
    out->metadata = calloc(json_object_size(texts) + 1, sizeof *out->metadata);
    if (!out->metadata)
        return explain(error, "%.200s: out of memory; free some and try again", path);
    const char *key;
    json_t *text;
    json_object_foreach(texts, key, text)
    {
        if (!json_is_string(text))
            return explain(error,
                           "%.200s: " METADATA_KEY
                           ": the value of '%.60s' must be a string; write the file anew",
                           path, key);
        out->metadata[out->metadata_count++] = (struct metadata){key, json_string_value(text)};
    }
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->last > y->last) - (x->last < y->last);
}

/* Fills out->tensors from the header; `room` is how many bytes of data the file has. */
static bool read_entries(const char *path, struct extent *extents, int64_t room,
                         struct safetensors *out, char error[ERROR_TEXT])
{
    const char *name;
    json_t *entry;
    int n = 0;
    json_object_foreach(out->header, name, entry)
    {
        bool good = strcmp(name, METADATA_KEY)
                        ? read_entry(path, name, entry, room, &extents[n++], error)
                        : read_metadata(path, entry, out, error);
        if (!good)
            return false;
    }
    qsort(extents, (size_t)n, sizeof *extents, by_offset);
    int64_t filled = 0;
    for (int i = 0; i < n; i++) {
        if (extents[i].first != filled)
            return explain(
                error,
                "%.200s: tensor '%.60s': its data %s byte %lld of the data; write the file anew",
                path, extents[i].tensor.name,
                extents[i].first < filled ? "overlap others at" : "leave a hole at",
                (long long)(extents[i].first < filled ? extents[i].first : filled));
        filled = extents[i].last;
    }
    if (filled != room)
        return explain(
            error, "%.200s: %lld bytes behind the last tensor belong to none; write the file anew",
            path, (long long)(room - filled));
    out->tensors = calloc((size_t)n + 1, sizeof *out->tensors);
    if (!out->tensors)
        return explain(error, "%.200s: out of memory; free some and try again", path);
    for (int i = 0; i < n; i++)
        out->tensors[i] = extents[i].tensor;
    out->count = n;
    return true;
}

static bool read_bytes(FILE *file, const char *path, void *to, size_t bytes, char error[ERROR_TEXT])
{
    if (fread(to, 1, bytes, file) == bytes)
        return true;
    return ferror(file)
               ? explain(error, "%.200s: cannot read: %s; check the disk", path, strerror(errno))
               : explain(error, "%.200s: ends too early; is the file truncated?", path);
}

static bool read_header(FILE *file, const char *path, int64_t size, int64_t *header_bytes,
                        struct safetensors *out, char error[ERROR_TEXT])
{
    uint64_t length;
    if (size < (int64_t)sizeof length)
        return explain(error,
                       "%.200s: %lld bytes are too few for a safetensors file; is it truncated?",
                       path, (long long)size);
    if (!read_bytes(file, path, &length, sizeof length, error))
        return false;
    if (length > MAX_HEADER)
        return explain(
            error,
            "%.200s: its header claims %llu bytes, the limit is %d; is it a safetensors file?",
            path, (unsigned long long)length, MAX_HEADER);
    if ((int64_t)length > size - (int64_t)sizeof length)
        return explain(error,
                       "%.200s: its header claims %llu bytes, the file has %lld in all; is it a "
                       "truncated or another kind of file?",
                       path, (unsigned long long)length, (long long)size);
    char *text = malloc(length + 1);
    if (!text)
        return explain(error, "%.200s: out of memory; free some and try again", path);
    json_error_t at;
    if (!read_bytes(file, path, text, length, error)) {
        free(text);
        return false;
    }
    bool brace = length && text[0] == '{';
    out->header = brace ? json_loadb(text, length, JSON_REJECT_DUPLICATES, &at) : NULL;
    free(text);
    if (!brace)
        return explain(error, "%.200s: its header does not start with {; is it a safetensors file?",
                       path);
    if (!out->header)
        return explain(
            error, "%.200s: its header is no valid JSON: %.120s at byte %d; write the file anew",
            path, at.text, at.position + (int)sizeof length);
    *header_bytes = (int64_t)sizeof length + (int64_t)length;
    return true;
}

/* The next tensor's elements as float32 into `to`, or past them where it is NULL. */
static bool read_elements(FILE *file, const char *path, const struct named_tensor *t,
                          const struct element *e, float *to, char error[ERROR_TEXT])
{
    char part[1 << 13];
    const int64_t most = (int64_t)sizeof part / e->bytes, count = named_tensor_elements(t);
    if (e->value == value_f32)
        return read_bytes(file, path, to, (size_t)count * sizeof *to, error);
    for (int64_t first = 0; first < count; first += most) {
        const int64_t n = count - first < most ? count - first : most;
        if (!read_bytes(file, path, part, (size_t)(n * e->bytes), error))
            return false;
        for (int64_t i = 0; to && i < n; i++)
            to[first + i] = e->value(part + i * e->bytes);
    }
    return true;
}

static bool read_data(FILE *file, const char *path, struct safetensors *out, char error[ERROR_TEXT])
{
    /* A file's bytes and its elements are as many as its size allows: this cannot overflow. */
    size_t count = 0;
    for (int i = 0; i < out->count; i++)
        if (element_find(safetensors_dtype(out, &out->tensors[i]))->value)
            count += (size_t)named_tensor_elements(&out->tensors[i]);
    if (count > memory_room() / sizeof *out->data)
        return explain(error,
                       "%.200s: its %zu values are more than the memory left here; use smaller "
                       "tensors",
                       path, count);
    out->data = aligned_alloc(64, (count * sizeof *out->data / 64 + 1) * 64);
    if (!out->data)
        return explain(error, "%.200s: out of memory; free some and try again", path);
    float *next = out->data;
    for (int i = 0; i < out->count; i++) {
        struct named_tensor *t = &out->tensors[i];
        const struct element *e = element_find(safetensors_dtype(out, t));
        t->data = e->value ? next : NULL;
        if (!read_elements(file, path, t, e, e->value ? next : NULL, error))
            return false;
        next += e->value ? named_tensor_elements(t) : 0;
    }
    return fgetc(file) == EOF ||
           explain(error, "%.200s: grows while it is read; try again when it is whole", path);
}

static bool read_file(FILE *file, off_t size, const char *path, struct safetensors *out,
                      char error[ERROR_TEXT])
{
    int64_t header_bytes = 0;
    if (!read_header(file, path, size, &header_bytes, out, error))
        return false;
    struct extent *extents = calloc(json_object_size(out->header) + 1, sizeof *extents);
    if (!extents)
        return explain(error, "%.200s: out of memory; free some and try again", path);
    bool good = read_entries(path, extents, size - header_bytes, out, error);
    free(extents);
    return good && read_data(file, path, out, error);
}

bool safetensors_read(const char *path, struct safetensors *out, char error[ERROR_TEXT])
{
    *out = (struct safetensors){0};
    off_t size;
    int fd = input_open(path, "a safetensors file", &size, error);
    if (fd < 0)
        return false;
    FILE *file = fdopen(fd, "rb");
    if (!file) {
        close(fd);
        return explain(error, "%.200s: out of memory; free some and try again", path);
    }
    bool good = read_file(file, size, path, out, error);
    fclose(file);
    if (!good)
        safetensors_free(out);
    return good;
}

void safetensors_free(struct safetensors *file)
{
    free(file->tensors);
    free(file->metadata);
    free(file->data);
    json_decref(file->header);
    *file = (struct safetensors){0};
}

const struct named_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (!strcmp(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

const char *safetensors_dtype(const struct safetensors *file, const struct named_tensor *t)
{
    return json_string_value(json_object_get(json_object_get(file->header, t->name), "dtype"));
}

const char *safetensors_text(const struct safetensors *file, const char *key)
{
    for (int i = 0; i < file->metadata_count; i++)
        if (!strcmp(file->metadata[i].key, key))
            return file->metadata[i].text;
    return NULL;
}

/* Adds key: value to the object and takes the value over. */
static bool put_new(json_t *object, const char *key, json_t *value, const char *path,
                    char error[ERROR_TEXT])
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return explain(error, "%.200s: cannot write: two entries are named '%.60s'; rename one",
                       path, key);
    }
    if (!value || json_object_set_new(object, key, value))
        return explain(error, "%.200s: cannot write: '%.60s' or its text is not UTF-8; rename it",
                       path, key);
    return true;
}

static bool build_header(json_t *header, const char *path, const struct named_tensor *tensors,
                         int count, const struct metadata *metadata, int metadata_count,
                         char error[ERROR_TEXT])
{
    if (metadata_count) {
        json_t *texts = json_object();
        json_object_set_new(header, METADATA_KEY, texts);
        for (int i = 0; i < metadata_count; i++)
            if (!put_new(texts, metadata[i].key, json_string(metadata[i].text), path, error))
                return false;
    }
    json_int_t at = 0;
    for (int i = 0; i < count; i++) {
        const struct named_tensor *t = &tensors[i];
        if (!strcmp(t->name, METADATA_KEY))
            return explain(
                error, "%.200s: cannot write: no tensor may be named " METADATA_KEY "; rename it",
                path);
        json_t *shape = json_array();
        for (int d = 0; d < t->ndim; d++)
            json_array_append_new(shape, json_integer(t->dims[d]));
        json_int_t last = at + shape_bytes(t->ndim, t->dims, (int)sizeof(float));
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                                  "data_offsets", at, last);
        if (!put_new(header, t->name, entry, path, error))
            return false;
        at = last;
    }
    return true;
}

bool safetensors_write(const char *path, const struct named_tensor *tensors, int count,
                       const struct metadata *metadata, int metadata_count, char error[ERROR_TEXT])
{
    json_t *header = json_object();
    char *text = NULL;
    if (build_header(header, path, tensors, count, metadata, metadata_count, error)) {
        text = json_dumps(header, JSON_COMPACT);
        if (!text)
            explain(error, "%.200s: out of memory; free some and try again", path);
    }
    json_decref(header);
    struct piece *pieces = calloc((size_t)count + 3, sizeof *pieces);
    if (!text || !pieces) {
        free(text);
        free(pieces);
        return false;
    }
    /* Padded with blanks so that the data are aligned to 8 bytes in the file. */
    size_t length = strlen(text), blanks = -length % 8;
    uint64_t padded = length + blanks;
    pieces[0] = (struct piece){&padded, sizeof padded};
    pieces[1] = (struct piece){text, length};
    pieces[2] = (struct piece){"       ", blanks};
    for (int i = 0; i < count; i++)
        pieces[i + 3] = (struct piece){tensors[i].data,
                                       (size_t)named_tensor_elements(&tensors[i]) * sizeof(float)};
    bool good = whole_file_write(path, pieces, count + 3, error);
    free(text);
    free(pieces);
    return good;
}
