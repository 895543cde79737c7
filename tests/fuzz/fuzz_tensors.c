/* Fuzzes tensor files, as they lie on the disk: what is read has data for all its tensors, and writes and reads as the
 * same; as the weights of a small network, and as a checkpoint of it. */
#include "fuzz.h"
#include "train/checkpoint.h"

#include <math.h>

static struct net *network(void)
{
    static struct net *net;
    static struct net_text text;
    char error[ERROR_TEXT];
    if (!net) {
        const struct net_options o = {
            .batch = 2, .classes = 2, .hints.threads = 1, .isa = ISA_BASE};
        must(net_text_parse("conv 2 2x2; bn; flatten; dense 2", (struct shape){1, 3, 3}, &text,
                            error) &&
                 (net = net_create(&text, &o, error)),
             "a small network");
    }
    return net;
}

static void write_again(const struct safetensors *file)
{
    char path[64], error[ERROR_TEXT];
    for (int i = 0; i < file->count; i++)
        if (!file->tensors[i].data)
            return;
    snprintf(path, sizeof path, "/tmp/fuzz_tensors_%d", (int)getpid());
    /* A name may hold what no other reader minds; ours gives it back as it was. */
    must(safetensors_write(path, file->tensors, file->count, file->metadata, file->metadata_count,
                           error),
         "what was read can be written");
    struct safetensors again;
    bool good = safetensors_read(path, &again, error);
    unlink(path);
    must(good && again.count == file->count && again.metadata_count == file->metadata_count,
         "what was written can be read");
    for (int i = 0; i < file->count; i++)
        must(safetensors_find(&again, file->tensors[i].name) != NULL, "no name is lost");
    safetensors_free(&again);
}

static void read_tensors(const char *path, bool write)
{
    struct safetensors file;
    char error[ERROR_TEXT] = "", dims[DIMS_TEXT];
    if (!safetensors_read(path, &file, error)) {
        must(*error, "a file that is refused has a reason");
        return;
    }
    /* Each value is looked at, so that a checker of memory sees where it lies. */
    int finite = 0;
    for (int i = 0; i < file.count; i++) {
        const struct named_tensor *t = &file.tensors[i];
        dims_print(t->ndim, t->dims, dims);
        for (int64_t e = 0; t->data && e < named_tensor_elements(t); e++)
            finite += isfinite(t->data[e]) != 0;
        must(safetensors_find(&file, t->name) == t, "a tensor is found by its name");
    }
    must(finite >= 0, "a count");
    if (write)
        write_again(&file);
    safetensors_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct optimizer adam = {.kind = OPTIMIZER_ADAM};
    struct fuzz_file file = fuzz_file(data, size);
    struct checkpoint c;
    char error[ERROR_TEXT];
    /* Writing syncs the disk, so only now and then. */
    read_tensors(file.path, size && data[size - 1] % 16 == 0);
    weights_load(network(), file.path, error);
    if (checkpoint_read(file.path, &c, error)) {
        checkpoint_restore(network(), &adam, &c, file.path, error);
        checkpoint_free(&c);
    }
    fuzz_file_close(&file);
    return 0;
}
