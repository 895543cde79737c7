/* Tensors in safetensors files, as PyTorch reads and writes them: eight bytes of header length
 * (little-endian), a JSON header {"name": {"dtype": "F32", "shape": [...], "data_offsets": [first,
 * last]}, ..., "__metadata__": {"key": "text"}}, then the data. The writer writes float32 (dtype F32).
 * The reader converts F16, BF16 and F64 to float32; F64 is rounded. Of tensors of other types
 * (integers, booleans, ...) it gives name, shape and type, and no data.
 *
 * Source: the format's description at https://github.com/huggingface/safetensors. Validation is as
 * strict as its own reader's: the data of the tensors must fill the rest of the file without holes
 * or overlaps. */
#ifndef BATCHMARK_SAFETENSORS_H
#define BATCHMARK_SAFETENSORS_H

#include "core/error.h"

#include <stdint.h>

#define TENSOR_MAX_RANK 8

/* A tensor and its name. The file's reader or the caller of the writer owns what it points to. */
struct named_tensor {
    const char *name;
    int ndim; /* 0: a scalar */
    int64_t dims[TENSOR_MAX_RANK];
    const float *data; /* row-major; aligned to 4 bytes; NULL: a type that is not read */
};

struct metadata {
    const char *key, *text;
};

/* A file in memory. Free with safetensors_free. */
struct safetensors {
    struct named_tensor *tensors; /* in the order of their data */
    int count;
    struct metadata *metadata;
    int metadata_count;
    void *header; /* the parsed header, which holds names and texts */
    float *data;
};

/* Number of floats. */
int64_t named_tensor_elements(const struct named_tensor *t);

/* "[2,3,32,32]" into `text`; returns it. */
#define DIMS_TEXT 192
char *dims_print(int ndim, const int64_t *dims, char text[DIMS_TEXT]);

/* Reads a whole file. False: `error` holds one line naming the file, what is wrong in it, and what
 * to do; there is nothing to free. */
bool safetensors_read(const char *path, struct safetensors *out, char error[ERROR_TEXT]);
void safetensors_free(struct safetensors *file);

/* The tensor of that name, or NULL; the text of that key of the metadata, or NULL. */
const struct named_tensor *safetensors_find(const struct safetensors *file, const char *name);
const char *safetensors_text(const struct safetensors *file, const char *key);

/* The type of a tensor in the file, as "F32". */
const char *safetensors_dtype(const struct safetensors *file, const struct named_tensor *t);

/* Writes a file, whole or not at all (whole_file.h). Names and keys must differ from each other,
 * and all text must be UTF-8. False: `error` holds one line. */
bool safetensors_write(const char *path, const struct named_tensor *tensors, int count,
                       const struct metadata *metadata, int metadata_count, char error[ERROR_TEXT]);

#endif
