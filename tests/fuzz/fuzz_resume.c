/* Fuzzes what a checkpoint says of its run: JSON, in a file whose tensors are right for a small network and each optimizer.
 * The file is read as train --resume and infer read it, its plan held against the network, and the run put where it
 * stopped. */
#include "cli/cmd_train.h"
#include "fuzz.h"

static const char network[] = "conv 2 2x2 stride 16; bn; relu; flatten; dense 2";

/* A run that has everything but what a checkpoint says. */
static struct run *start(void)
{
    enum { IMAGES = 8, PIXELS = 3 * 32 * 32 };
    static uint8_t pixels[IMAGES * PIXELS], labels[IMAGES];
    static struct run run;
    char error[ERROR_TEXT];
    if (!run.net) {
        run.data = (struct data){.train = {pixels, labels, IMAGES},
                                 .test = {pixels, labels, IMAGES},
                                 .channels = 3,
                                 .height = 32,
                                 .width = 32,
                                 .classes = 2};
        struct net_options o = {.hints.threads = 1, .isa = ISA_BASE};
        train_sizes(&run.data, 2, &o);
        must(net_text_parse(network, (struct shape){3, 32, 32}, &run.layers, error) &&
                 (run.net = net_create(&run.layers, &o, error)),
             "a small network");
        run.trainer = (struct trainer){
            .net = run.net, .data = &run.data, .batch = 2, .shuffle = true, .threads = 1};
        must(trainer_start(&run.trainer), "memory for the order of images");
        run.plan = malloc(sizeof *run.plan);
        must(run.plan != NULL, "memory for a plan");
    }
    run.steps = 100;
    *run.folder = '\0';
    request_clear(&run.request);
    return &run;
}

static void add(json_t *header, const struct net_tensor *t, const char *memory, int64_t *bytes)
{
    char name[96];
    int64_t end = *bytes + (int64_t)sizeof(float);
    json_t *dims = json_array();
    snprintf(name, sizeof name, "%s%s%s%s", memory ? "optimizer." : "", memory ? memory : "",
             memory ? "." : "", t->name);
    for (int i = 0; i < t->ndim; i++) {
        json_array_append_new(dims, json_integer(t->dims[i]));
        end = *bytes + (end - *bytes) * t->dims[i];
    }
    json_object_set_new(header, name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims,
                                  "data_offsets", (json_int_t)*bytes, (json_int_t)end));
    *bytes = end;
}

/* The bytes of a checkpoint with these words of its run, or NULL where they are no text. */
static char *checkpoint(struct run *run, const char *words, size_t length, size_t *size)
{
    static const char *const memories[] = {"exp_avg", "exp_avg_sq", "momentum_buffer",
                                           "square_avg"};
    json_t *header = json_pack("{s:{s:s%}}", "__metadata__", "run", words, length);
    if (!header)
        return NULL;
    int64_t bytes = 0;
    for (int i = 0; i < net_tensor_count(run->net); i++) {
        add(header, net_tensor(run->net, i), NULL, &bytes);
        for (int m = 0; m < 4 && net_gradient(run->net, i); m++)
            add(header, net_tensor(run->net, i), memories[m], &bytes);
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!text)
        return NULL;
    uint64_t header_bytes = strlen(text);
    *size = sizeof header_bytes + header_bytes + (size_t)bytes;
    char *file = calloc(1, *size);
    must(file != NULL, "memory for a file");
    memcpy(file, &header_bytes, sizeof header_bytes);
    memcpy(file + sizeof header_bytes, text, header_bytes);
    free(text);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = start();
    size_t bytes;
    char *made = checkpoint(run, (const char *)data, size, &bytes);
    if (!made)
        return 0;
    struct fuzz_file file = fuzz_file(made, bytes);
    free(made);
    run->request.resume = file.path;
    if (resume_read(run, true) < 0) {
        run->optimizer = run->settings.optimizer;
        const json_t *plan = json_object_get(json_object_get(run->from.run, "settings"), "plan");
        net_plan_read(plan, &run->layers, run->plan);
        if (resume_restore(run) < 0)
            must(run->trainer.next >= 0 && run->trainer.next <= run->data.train.count &&
                     run->done < run->steps,
                 "a run that goes on has images and steps left");
    }
    if (run->from.run)
        checkpoint_free(&run->from);
    fuzz_file_close(&file);
    return 0;
}
