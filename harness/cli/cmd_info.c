/* batchmark info: the machine, and what it can do at most. */
#include "bench/bench.h"
#include "bench/build_info.h"
#include "bench/results.h"
#include "cli/options.h"
#include "machine/cpu_name.h"

#include <stdio.h>

struct request {
    bool quick, json;
    struct bench_options bench;
};

#define REQUEST struct request
static const struct option_row options[] = {FLAG("quick", quick, "do not measure the ceilings"),
                                            FLAG("json", json, "one JSON object"),
                                            ISA(bench.cap),
                                            {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark info [OPTIONS]\n\n"
        "Shows the machine as cpuid, hwloc and the control group describe it, and its ceilings,\n"
        "measured: the FMA peak of each ISA level, and copy and triad bandwidth at L1, L2,\n"
        "last-level and memory footprints.\n"};

static void print_bytes(const char *what, size_t bytes)
{
    if (bytes >= 1 << 20)
        printf(", %s %.4g MiB", what, (double)bytes / 0x1p20);
    else
        printf(", %s %.4g KiB", what, (double)bytes / 0x1p10);
}

static void print_machine(const struct machine *m)
{
    char numbers[CPU_NUMBERS_TEXT];
    cpu_numbers(m, numbers);
    printf("%s\n%s: %s%s%s%sISA level %s\n", m->brand, m->microarch, m->vendor,
           *m->vendor ? " " : "", numbers, *numbers ? ", " : "", isa_names[m->isa]);
    printf("%d sockets, %d cores of %d kinds, %d hardware threads, %d NUMA nodes\n", m->sockets,
           m->cores, m->core_kinds, m->hardware_threads, m->numa_nodes);
    printf("per core");
    print_bytes("L1d", m->l1);
    print_bytes("L2", m->l2);
    print_bytes("last level (shared)", m->llc);
    print_bytes("memory", m->memory);
    printf("\n%d usable, one thread a core, on CPUs", m->cpu_count);
    for (int i = 0; i < m->cpu_count; i++)
        printf(" %d", m->cpus[i].pu);
    if (m->quota > 0)
        printf("; the control group pays for %.2f CPUs", m->quota);
    printf("\ngovernor %s, turbo %s, huge pages %s, %s%s%s\n",
           *m->governor ? m->governor : "unknown", *m->turbo ? m->turbo : "unknown",
           *m->huge_pages ? m->huge_pages : "unknown",
           m->virtualised ? "virtual machine " : "not virtualised", m->hypervisor,
           m->emulated ? ", EMULATED" : "");
    printf("built from %s%s by %s\n", build_commit, build_dirty ? " (modified)" : "",
           build_compiler);
    for (int i = 0; i < m->warning_count; i++)
        printf("warning: %s\n", m->warnings[i]);
}

/* Where a footprint lies. */
static const char *level_of(const struct machine *m, double bytes)
{
    return bytes <= (double)m->l1    ? "L1"
           : bytes <= (double)m->l2  ? "L2"
           : bytes <= (double)m->llc ? "LLC"
                                     : "memory";
}

static void print_ceilings(const struct machine *m, const struct bench_rows *rows)
{
    printf("\n%-10s %-20s %-8s %12s %9s %8s %6s\n", "ceiling", "variant", "level", "footprint",
           "GFLOP/s", "GB/s", "cv %");
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->state != ROW_TIMED) {
            printf("%s: not measured: %s%s\n", r->name, r->verdict.message, r->why);
            continue;
        }
        bool peak = r->op->kind == PROBLEM_ITERATIONS;
        double bytes = row_footprint(r), scale = r->median / r->best;
        printf("%-10s %-17s t%-2d %-7s", r->op->name, r->entry->name, r->threads,
               peak ? "" : level_of(m, bytes));
        if (peak)
            printf(" %12s %9.1f %8s", "", r->counters.gflops_actual * scale, "");
        else
            printf(" %8.0f KiB %9s %8.1f", bytes / 1024, "", r->counters.gbps * scale);
        printf(" %6.1f\n", 100 * r->cv);
    }
}

static json_t *ceilings_json(const struct machine *m, const struct bench_rows *rows)
{
    json_t *list = json_array();
    for (int i = 0; i < rows->count; i++) {
        const struct bench_row *r = &rows->items[i];
        if (r->state != ROW_TIMED)
            continue;
        bool peak = r->op->kind == PROBLEM_ITERATIONS;
        double scale = r->median / r->best;
        json_t *o =
            json_pack("{s:s, s:s, s:s, s:i, s:f}", "op", r->op->name, "variant", r->entry->name,
                      "isa", isa_names[r->entry->variant->isa], "threads", r->threads, "cv", r->cv);
        if (peak) {
            json_object_set_new(o, "gflops", json_real(r->counters.gflops_actual * scale));
        } else {
            json_object_set_new(o, "level", json_string(level_of(m, row_footprint(r))));
            json_object_set_new(o, "footprint_bytes", json_real(row_footprint(r)));
            json_object_set_new(o, "gbps", json_real(r->counters.gbps * scale));
        }
        json_array_append_new(list, o);
    }
    return list;
}

/* Measures the ceilings, and prints them or adds them to the document. Returns the exit status. */
static int measure(struct request *q, const struct machine *m, json_t *document)
{
    char error[ERROR_TEXT];
    struct bench_rows rows;
    struct bench_options *o = &q->bench;
    int status = EXIT_GOOD;
    o->threads[o->thread_counts++] = 1;
    if (m->team > 1)
        o->threads[o->thread_counts++] = m->team;
    plan_ceilings(o, m, &rows);
    if (bench_verify(o, m, &rows, NULL, NULL, error)) {
        bench_time(o, m, &rows, NULL, NULL);
        if (q->json)
            json_object_set_new(document, "ceilings", ceilings_json(m, &rows));
        else
            print_ceilings(m, &rows);
        for (int i = 0; i < rows.count; i++)
            if (rows.items[i].state == ROW_FAILED)
                status = EXIT_CHECK_FAILED;
    } else {
        status = wrong_use("info: %s", error);
    }
    rows_free(&rows);
    return status;
}

int cmd_info(int argc, char **argv)
{
    struct request q = {.bench = {.warm = true, .cap = isa_detect(), .budget = 0.3, .seed = 1}};
    int status = read_options(argc, argv, &line, &q);
    if (status >= 0)
        return status;
    if (optind < argc)
        return wrong_use("info: takes no argument '%s'; see batchmark info --help", argv[optind]);

    static struct machine m;
    char error[ERROR_TEXT];
    if (!machine_detect(&m, error, sizeof error))
        return wrong_use("info: %s", error);
    json_t *document = machine_json(&m);
    if (!q.json) {
        print_machine(&m);
        fflush(stdout);
    }
    status = EXIT_GOOD;
    if (m.emulated && !q.quick)
        fprintf(stderr, "batchmark: info: the CPU is emulated, so nothing is measured\n");
    else if (!q.quick)
        status = measure(&q, &m, document);
    if (q.json && status != EXIT_WRONG_USE) {
        json_dumpf(document, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(document);
    machine_free(&m);
    return status;
}
