/* batchmark run: one kernel on the user's own tensors. */
#include "cli/options.h"
#include "core/limits.h"
#include "core/safetensors.h"
#include "core/whole_file.h"
#include "machine/machine.h"
#include "problem/crash.h"
#include "problem/layout.h"
#include "problem/op.h"
#include "problem/operands.h"
#include "problem/problem.h"
#include "problem/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the command line asks for. */
struct request {
    const struct entry *entry;
    const struct op *op;
    struct problem problem;
    struct formats formats;
    int64_t threads;
    enum isa cap;
    const char *in, *out, *layout;
};

static const char *sample(enum problem_kind kind)
{
    switch (kind) {
    case PROBLEM_CONV: return "g2mb8ic6ih32iw30oc16oh28ow26kh5";
    case PROBLEM_BN: return "mb8ic6ih32iw30";
    case PROBLEM_GEMM: return "64x784:784x256";
    case PROBLEM_ITERATIONS: return "iter1000000";
    }
    return "";
}

static void print_operations(void)
{
    puts("The tensors of each operation, with the shapes of an example:");
    for (const struct op *op = ops; op->name; op++) {
        struct named_problem p;
        char error[ERROR_TEXT], dims[DIMS_TEXT];
        problem_parse(op->kind, sample(op->kind), &p, error);
        enum layout layout = op->kind == PROBLEM_GEMM ? GEMM_NN : NCHW;
        struct tensor_spec specs[ROLE_COUNT];
        int count = op->tensors(&p.problem, (struct formats){layout, layout}, specs);
        printf("\n  %s %s\n", op->name, sample(op->kind));
        for (int t = 0; t < 2 * count; t++) {
            const struct tensor_spec *spec = &specs[t % count];
            if (spec->output == (t < count))
                continue; /* inputs first */
            printf("    %-13s %-16s %s%s\n", role_names[spec->role],
                   dims_print(spec->ndim, spec->dims, dims), spec->output ? "out" : "in",
                   spec->optional && !spec->output ? ", optional" : "");
        }
    }
    puts("\nIn the layouts nt and tn of gemm, weights and src are stored transposed.");
}

#define REQUEST struct request
static const struct option_row options[] = {
    TEXT("in", "FILE", in,
         "the inputs listed below; optional ones may be missing, unknown ones are refused"),
    TEXT("out", "FILE", out,
         "the outputs; the file appears, or is replaced, when all of them are computed"),
    TEXT("layout", "L", layout,
         "layout of the computation, as batchmark list shows them (default: the first one that "
         "fits)"),
    WHOLE("threads", "T", threads, 1, MAX_CPUS,
          "team size (default 1); only variants marked omp use more"),
    ISA(cap),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark run OP/VARIANT PROBLEM --in FILE --out FILE [OPTIONS]\n\n"
        "Runs one kernel on the tensors of a safetensors file and writes what it computes to\n"
        "another, so that it can be held against NumPy or PyTorch. Tensors in files are float32\n"
        "(F32) and always plain: activations [N,C,H,W], weights [O,I/g,KH,KW]; they are converted\n"
        "to the layout the variant computes in and back. Where H is 1, [N,C,W] is taken as well, and\n"
        "[N,C] where W is 1 too; outputs then have the same rank.\n",
    .notes =
        "\nPROBLEM is written as in benchdnn: mb80ic60ih32oc60kh3ph1 (convolutions), mb80ic60ih32\n"
        "(tensors, with epsN for the epsilon of batch normalization, 1e-5 if not given),\n"
        "64x784:784x256 (gemm), iter1000000 (peak_fma). mean and variance are those of the batch; the\n"
        "variance is biased (divided by n).\n\n",
    .more = print_operations};

/* Finds OP/VARIANT and whether it can run here. */
static int find_variant(const char *text, struct request *out)
{
    char op[64];
    const char *slash = strchr(text, '/');
    if (!slash || slash == text || slash - text >= (int)sizeof op || !slash[1])
        return wrong_use(
            "run: '%.100s' is no OP/VARIANT such as conv_fwd/naive; batchmark list shows them",
            text);
    snprintf(op, sizeof op, "%.*s", (int)(slash - text), text);
    out->op = op_find(op);
    if (!out->op)
        return wrong_use("run: no operation '%s'; batchmark list shows them", op);
    out->entry = registry_find(op, slash + 1);
    if (!out->entry)
        return wrong_use("run: %s has no variant '%.100s'; batchmark list %s shows them", op,
                         slash + 1, op);
    const char *reason = registry_why_not(out->entry, out->cap);
    if (reason)
        return wrong_use("run: %.150s cannot run here: %s; batchmark list %s shows what can", text,
                         reason, op);
    return EXIT_GOOD;
}

/* Chooses the layouts: the ones asked for, else the first of the variant's that fits the problem.
 */
static int choose_layouts(struct request *r)
{
    const char *text = r->layout;
    const struct formats *formats = r->entry->variant->formats;
    char problem[PROBLEM_TEXT];
    problem_print(&r->problem, problem);
    const char *refused = r->op->refuse ? r->op->refuse(&r->problem) : NULL;
    if (refused)
        return wrong_use("run: %s %s: %s", r->op->name, problem, refused);
    const char *first_reason = NULL;
    if (text) {
        if (!formats_parse(text, &r->formats))
            return wrong_use("run: --layout '%.40s': no such layout; batchmark list %s shows those "
                             "of each variant",
                             text, r->op->name);
        first_reason = registry_why_not_problem(r->entry, &r->problem, r->formats);
        if (!first_reason)
            return EXIT_GOOD;
    }
    for (int i = 0; !text && i < MAX_FORMATS && formats[i].src != LAYOUT_NONE; i++) {
        const char *reason = registry_why_not_problem(r->entry, &r->problem, formats[i]);
        if (!reason) {
            r->formats = formats[i];
            return EXIT_GOOD;
        }
        first_reason = first_reason ? first_reason : reason;
    }
    return wrong_use("run: %s/%s cannot do %s%s%s: %s; choose another variant or layout",
                     r->op->name, r->entry->name, problem, text ? " in " : "", text ? text : "",
                     first_reason ? first_reason : "it has no layout");
}

static int read_command_line(int argc, char **argv, struct request *out)
{
    *out = (struct request){.threads = 1, .cap = isa_detect()};
    int status = read_options(argc, argv, &line, out);
    if (status >= 0)
        return status;
    if (argc - optind < 2)
        return wrong_use("run: give OP/VARIANT and PROBLEM; see batchmark run --help");
    if (argc - optind > 2)
        return wrong_use("run: '%.100s' is one argument too many; see batchmark run --help",
                         argv[optind + 2]);
    if (!out->in || !out->out)
        return wrong_use("run: %s is missing; see batchmark run --help",
                         out->in ? "--out FILE" : "--in FILE");
    status = find_variant(argv[optind], out);
    if (status)
        return status;
    struct named_problem named;
    char error[ERROR_TEXT];
    if (!problem_parse(out->op->kind, argv[optind + 1], &named, error))
        return wrong_use("run: %s", error);
    out->problem = named.problem;
    return choose_layouts(out);
}

/* Does a tensor of the file have the shape of the spec, or the same without a height of 1, or
 * without height and width of 1? */
static bool shape_matches(const struct tensor_spec *spec, const struct named_tensor *t)
{
    int64_t dims[4];
    memcpy(dims, spec->dims, sizeof dims);
    if (spec->ndim == 4 && t->ndim == 3 && dims[2] == 1)
        dims[2] = dims[3];
    else if (t->ndim != spec->ndim &&
             !(spec->ndim == 4 && t->ndim == 2 && dims[2] == 1 && dims[3] == 1))
        return false;
    return !memcmp(dims, t->dims, (size_t)t->ndim * sizeof dims[0]);
}

/* The shape an output is written with: of the rank of the inputs where the sizes allow it. */
static void output_shape(const struct tensor_spec *spec, int rank, struct named_tensor *out)
{
    out->ndim = spec->ndim;
    memcpy(out->dims, spec->dims, sizeof spec->dims);
    if (spec->ndim == 4 && rank == 3 && spec->dims[2] == 1) {
        out->ndim = 3;
        out->dims[2] = spec->dims[3];
    } else if (spec->ndim == 4 && rank == 2 && spec->dims[2] == 1 && spec->dims[3] == 1) {
        out->ndim = 2;
    }
}

/* Is every required input there, of the right shape, and nothing else? */
static int check_tensors(const struct request *r, const struct tensor_spec *specs, int count,
                         const struct safetensors *file)
{
    char want[DIMS_TEXT], have[DIMS_TEXT];
    for (int i = 0; i < file->count; i++) {
        const struct named_tensor *t = &file->tensors[i];
        const struct tensor_spec *spec = NULL;
        for (int s = 0; s < count; s++)
            if (!strcmp(role_names[specs[s].role], t->name))
                spec = &specs[s];
        if (!spec || spec->output)
            return wrong_use("run: %.200s: tensor '%.60s' is %s %s; leave it out (batchmark run "
                             "--help lists them)",
                             r->in, t->name, spec ? "an output of" : "unknown to", r->op->name);
        /* What a kernel is given is what the file holds: no rounding on the way. */
        if (strcmp(safetensors_dtype(file, t), "F32"))
            return wrong_use("run: %.200s: tensor '%s': dtype is %s; convert it to float32 (F32)",
                             r->in, t->name, safetensors_dtype(file, t));
        if (!shape_matches(spec, t))
            return wrong_use("run: %.200s: tensor '%s' has shape %s, the problem needs %s; reshape "
                             "it or change the "
                             "problem",
                             r->in, t->name, dims_print(t->ndim, t->dims, have),
                             dims_print(spec->ndim, spec->dims, want));
    }
    for (int s = 0; s < count; s++)
        if (!specs[s].output && !specs[s].optional &&
            !safetensors_find(file, role_names[specs[s].role]))
            return wrong_use("run: %.200s: tensor '%s' of shape %s is missing; add it", r->in,
                             role_names[specs[s].role],
                             dims_print(specs[s].ndim, specs[s].dims, want));
    return EXIT_GOOD;
}

/* Copies the inputs in, leaves out the optional ones that the file does not hold, and computes. */
static void compute(const struct request *r, const struct safetensors *file, struct operands *o)
{
    struct args args = o->args;
    for (int s = 0; s < o->count; s++) {
        const struct tensor_spec *spec = &o->specs[s];
        if (spec->output)
            continue;
        const struct named_tensor *t = safetensors_find(file, role_names[spec->role]);
        if (t)
            layout_from_plain(spec, t->data, args.t[spec->role]);
        else
            args.t[spec->role] = NULL;
    }
    const struct variant *v = r->entry->variant;
    char name[CRASH_TEXT];
    crash_during = crash_name(r->entry, &r->problem, r->formats, (int)r->threads, name);
    crash_watch("run");
    args.handle = v->prepare ? v->prepare(&args) : NULL;
    v->run(&args);
    if (v->finish)
        v->finish(&args);
    if (v->release && args.handle)
        v->release(args.handle);
    crash_during = NULL;
}

/* Writes the outputs, plain again. */
static int write_outputs(const struct request *r, const struct safetensors *file,
                         const struct operands *o)
{
    struct named_tensor outputs[ROLE_COUNT];
    float *plain[ROLE_COUNT] = {0};
    char error[ERROR_TEXT], problem[PROBLEM_TEXT], layout[FORMATS_TEXT], threads[16],
        dims[DIMS_TEXT];
    int count = 0, rank = 4;
    for (int i = 0; i < file->count; i++)
        if (strstr(file->tensors[i].name, "src") || strstr(file->tensors[i].name, "dst"))
            rank = file->tensors[i].ndim;

    bool good = true;
    for (int s = 0; good && s < o->count; s++) {
        const struct tensor_spec *spec = &o->specs[s];
        if (!spec->output)
            continue;
        plain[count] = malloc((size_t)tensor_logical(spec) * sizeof(float));
        good = plain[count] != NULL;
        if (!good)
            break;
        layout_to_plain(spec, o->args.t[spec->role], plain[count]);
        outputs[count] =
            (struct named_tensor){.name = role_names[spec->role], .data = plain[count]};
        output_shape(spec, rank, &outputs[count]);
        count++;
    }
    snprintf(threads, sizeof threads, "%d", (int)r->threads);
    const struct metadata metadata[] = {{"format", "pt"},
                                        {"op", r->op->name},
                                        {"variant", r->entry->name},
                                        {"problem", problem_print(&r->problem, problem)},
                                        {"layout", formats_print(r->formats, layout)},
                                        {"threads", threads}};
    if (!good)
        snprintf(error, sizeof error, "out of memory; use a smaller problem");
    else
        good = safetensors_write(r->out, outputs, count, metadata,
                                 sizeof metadata / sizeof metadata[0], error);
    for (int i = 0; good && i < count; i++)
        printf("%s: %s %s\n", r->out, outputs[i].name,
               dims_print(outputs[i].ndim, outputs[i].dims, dims));
    for (int i = 0; i < ROLE_COUNT; i++)
        free(plain[i]);
    return good ? EXIT_GOOD : wrong_use("run: %s", error);
}

/* The operands, the scratch, and the outputs once more, as they are written. */
static double bytes_needed(const struct request *r, const struct tensor_spec *specs, int count,
                           const struct hints *h)
{
    double bytes = operands_bytes(r->op, r->entry->variant, &r->problem, r->formats, *h, 0);
    for (int i = 0; i < count; i++)
        bytes += specs[i].output ? (double)tensor_logical(&specs[i]) * sizeof(float) : 0;
    return bytes;
}

int cmd_run(int argc, char **argv)
{
    struct request r;
    int status = read_command_line(argc, argv, &r);
    /* Without an operation it was --help. */
    if (status || !r.op)
        return status;

    struct safetensors file;
    struct tensor_spec specs[ROLE_COUNT];
    char error[ERROR_TEXT];
    int count = r.op->tensors(&r.problem, r.formats, specs);
    if (!safetensors_read(r.in, &file, error))
        return wrong_use("run: %s", error);
    status = check_tensors(&r, specs, count, &file);
    if (!status && !whole_file_possible(r.out, error))
        status = wrong_use("run: %s", error);
    struct machine machine = {0};
    if (!status && !machine_detect(&machine, error, sizeof error))
        status = wrong_use("run: %s", error);
    const int threads = (int)r.threads;
    if (!status && team_most(threads, error) < threads)
        status = wrong_use("run: --threads %d: %s", threads, error);
    const struct hints hints = machine_hints(&machine, threads);
    if (!status && !memory_holds(bytes_needed(&r, specs, count, &hints),
                                 "the operands with copies of the outputs", error, sizeof error))
        status = wrong_use("run: %s", error);
    struct operands o;
    if (!status &&
        !operands_make(&o, r.op, r.entry->variant, &r.problem, r.formats, hints, 0, error))
        status = wrong_use("run: %s", error);
    machine_free(&machine);
    if (!status) {
        operands_reset(&o);
        compute(&r, &file, &o);
        status = write_outputs(&r, &file, &o);
        operands_free(&o);
    }
    safetensors_free(&file);
    return status;
}
