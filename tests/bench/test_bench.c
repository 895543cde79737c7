/* What the figures of a run mean: costs, names, counters, statistics, the JSON, the folder. Nothing here asserts
 * how long anything takes. */
#include "bench/bench.h"
#include "bench/results.h"
#include "core/clock.h"
#include "core/stat.h"
#include "folder.h"
#include "machine/calm.h"
#include "machine/system.h"
#include "problems.h"

#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cost cost_of(const char *op, const char *problem)
{
    struct problem p = parse(problem).problem;
    return op_find(op)->cost(&p);
}

static void near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-9 * fabs(b));
}

/* Costs, computed by hand. */

static void padding_is_not_useful_work(void **state)
{
    (void)state;
    /* 3x3 image, 3x3 kernel, padding 1: the three positions of a dimension see 2, 3 and 2 real pixels. */
    struct cost c = cost_of("conv_fwd", "mb1ic2ih3oc4kh3ph1");
    near(c.flops, 2.0 * 4 * 2 * 7 * 7);
    near(c.flops_nominal, 2.0 * 4 * 2 * 9 * 9);
    near(c.bytes, 4.0 * (2 * 9 + 4 * 2 * 9 + 4 * 9));
    /* Without padding both counts are one. */
    c = cost_of("conv_bwd_weights", "mb3ic1ih5oc1kh3sh2");
    near(c.flops, 2.0 * 3 * 4 * 9);
    near(c.flops_nominal, c.flops);
    /* Groups divide the input channels. */
    c = cost_of("conv_bwd_data", "g2mb1ic4ih4oc4kh1");
    near(c.flops, 2.0 * 4 * 2 * 16);
}

static void other_costs(void **state)
{
    (void)state;
    struct cost c = cost_of("bn_fwd_train", "mb2ic3ih4");
    near(c.flops, 6.0 * 96);
    near(c.bytes, 2.0 * 4 * 96);
    c = cost_of("bn_bwd", "mb2ic3ih4");
    near(c.bytes, 3.0 * 4 * 96);
    c = cost_of("gemm", "2x3:3x4");
    near(c.flops, 2.0 * 2 * 3 * 4);
    near(c.bytes, 4.0 * (6 + 12 + 8));
}

static const struct entry *base_peak(void)
{
    for (int i = 0; i < registry_count; i++)
        if (!strcmp(registry[i].op, "peak_fma") && registry[i].rung >= 40 && registry[i].variant &&
            registry[i].variant->isa == ISA_BASE && !registry[i].variant->parallel)
            return &registry[i];
    return NULL;
}

static struct bench_row make(const struct entry *e, const char *problem, double seconds)
{
    struct bench_row row;
    struct problem p = parse(problem).problem;
    assert_non_null(e);
    row_init(&row, e, &p, e->variant->formats[0], false, 1);
    if (seconds > 0) {
        const struct gbench_sample samples[] = {{10, 10 * seconds, 10 * seconds, false},
                                                {20, 20 * seconds, 20 * seconds, false}};
        row_take_round(&row, samples, 2);
    }
    return row;
}

static void names(void **state)
{
    (void)state;
    struct bench_row row;
    struct problem p = parse("ic60mb80ih32oc60kh3ph1n\"vgg\"*2").problem;
    row_init(&row, registry_find("conv_fwd", "naive"), &p, (struct formats){NCHW, NCHW}, true, 2);
    char expected[ROW_NAME], text[PROBLEM_TEXT];
    snprintf(expected, sizeof expected, "conv_fwd/naive/%s/nchw/cold/t2", problem_print(&p, text));
    assert_string_equal(row.name, expected);
    assert_null(strstr(row.name, "vgg"));
    /* The number of the rung is no part of the name. */
    assert_null(strstr(row.name, "10_"));
}

static void statistics(void **state)
{
    (void)state;
    const double odd[] = {9, 11, 10}, even[] = {4, 1, 3, 2}, same[] = {5, 5, 5};
    near(stat_median(odd, 3), 10);
    near(stat_median(even, 4), 2.5);
    near(stat_min(even, 4), 1);
    near(stat_cv(odd, 3), 0.1);
    assert_true(stat_cv(same, 3) == 0);
    assert_true(stat_cv(odd, 1) == 0);
    assert_true(odd[0] == 9 && even[0] == 4);
}

/* Repetitions beside which a probe found the cores slowed count only where there are no others. */
static void calm_rounds_count(void **state)
{
    (void)state;
    const struct gbench_sample mixed[] = {
        {1, 1, 1, false}, {1, 9, 9, true}, {1, 1.2, 1.2, false}, {1, 1.1, 1.1, false}};
    const struct gbench_sample slowed[] = {{1, 5, 5, true}, {1, 5, 5, true}, {1, 5, 5, false}};
    for (int add = 0; add < 2; add++) {
        void (*take)(struct bench_row *, const struct gbench_sample *, int) =
            add ? row_add_round : row_take_round;
        struct bench_row row = make(registry_find("gemm", "naive"), "2x3:3x4", 0);
        take(&row, slowed, 3);
        near(row.median, 5);
        assert_false(row.calm);
        assert_true(row_unstable(&row));
        assert_int_equal(row.sample_count, 3);
        take(&row, mixed, 4); /* though it varies more */
        near(row.median, 1.1);
        assert_true(row.calm);
        assert_int_equal(row.disturbed, 1);
        assert_int_equal(row.sample_count, 3);
        take(&row, slowed, 3);
        near(row.median, 1.1);
        assert_true(row.calm);
        assert_int_equal(row.sample_count, 3);
        take(&row, mixed, 4);
        near(row.median, 1.1);
        assert_int_equal(row.sample_count, add ? 6 : 3);
        assert_int_equal(row.disturbed, 2);
        assert_int_equal(row.rounds, 4);
        row_free(&row);
    }
}

/* A probe is quick, finds an idle moment calm, and gives up waiting when its share is spent. */
static void probes(void **state)
{
    (void)state;
    struct machine m;
    char error[ERROR_TEXT];
    assert_true(machine_detect(&m, error, sizeof error));
    struct calm *c = calm_open(&m, m.cpu_count, 0);
    assert_non_null(c);
    int calm = 0;
    for (int threads = 1; threads <= m.cpu_count; threads += m.cpu_count > 1 ? m.cpu_count - 1 : 1)
        for (int i = 0; i < 200; i++)
            calm += calm_now(c, threads);
    assert_true(calm > 0);
    double start = now();
    while (calm_waited(c) == 0 && now() < start + 0.2)
        calm_wait(c, 1);
    assert_true(calm_waited(c) < 1.5);
    assert_true(calm_now(c, m.cpu_count + 1)); /* nobody asked for such teams */
    calm_close(c);
    assert_true(calm_now(NULL, 1) && calm_wait(NULL, 1) && calm_waited(NULL) == 0);
    calm_close(NULL);
}

static void the_quietest_round_counts(void **state)
{
    (void)state;
    struct bench_row row = make(registry_find("gemm", "naive"), "2x3:3x4", 0);
    const struct gbench_sample noisy[] = {{1, 1, 1, false}, {1, 3, 3, false}, {1, 2, 2, false}};
    const struct gbench_sample quiet[] = {{2, 4, 4, false}, {2, 4.2, 4, false}, {2, 4.1, 4, false}};
    row_take_round(&row, noisy, 3);
    near(row.median, 2);
    assert_true(row.cv > CV_UNSTABLE);
    row_take_round(&row, quiet, 3);
    near(row.median, 2.05);
    near(row.min, 2);
    assert_true(row.cv < CV_UNSTABLE);
    row_take_round(&row, noisy, 3);
    near(row.median, 2.05);
    assert_int_equal(row.rounds, 3);
    assert_int_equal(row.sample_count, 3);
    /* The best of all rounds is kept apart: ceilings need it. */
    near(row.best, 1);
    assert_int_equal(row.state, ROW_TIMED);
    row_free(&row);
}

static void counters(void **state)
{
    (void)state;
    char copy[64];
    struct bench_row conv = make(registry_find("conv_fwd", "naive"), "mb1ic2ih3oc4kh3ph1", 1e-6);
    snprintf(copy, sizeof copy, "mb1ic1ih1iw%lld",
             (long long)footprint_problem(footprint_step(row_footprint(&conv))).bn.iw);
    struct bench_row rows[] = {
        conv,
        make(registry_find("conv_fwd", "ref"), "mb1ic2ih3oc4kh3ph1", 4e-6),
        make(base_peak(), "iter100", 1e-3),
        make(registry_find("copy", "naive"), copy, 1e-6),
        make(registry_find("conv_fwd", "naive"), "mb1ic2ih3oc4kh3", 1e-6),
        make(registry_find("conv_fwd", "ref"), "mb1ic3ih3oc4kh3", 1e-6),
    };
    rows_count(rows, 6);
    near(rows[0].counters.gflops, 784e-9 / 1e-6);
    near(rows[0].counters.gflops_nominal, 1296e-9 / 1e-6);
    near(rows[0].counters.gbps, 504e-9 / 1e-6);
    near(rows[0].counters.speedup_naive, 1);
    near(rows[1].counters.speedup_naive, 0.25);
    double peak = base_peak()->variant->flops(&rows[2].problem, rows[2].formats) * 1e-9 / 1e-3;
    near(rows[2].counters.gflops_actual, peak);
    near(rows[2].counters.pct_peak, 100);
    near(rows[0].counters.pct_peak, 100 * rows[0].counters.gflops_actual / peak);
    near(rows[0].counters.pct_copy, 100 * rows[0].counters.gbps / rows[3].counters.gbps);
    near(rows[3].counters.pct_copy, 100);
    /* Absent, not zero: a copy has no share of the FMA peak, and another problem's naive time is no yardstick. */
    assert_true(isnan(rows[3].counters.pct_peak));
    assert_true(isnan(rows[2].counters.pct_copy));
    assert_true(isnan(rows[5].counters.speedup_naive));
    for (int i = 0; i < 6; i++)
        row_free(&rows[i]);
}

static void footprints(void **state)
{
    (void)state;
    for (int step = 26; step <= 60; step++) {
        struct problem p = footprint_problem(step);
        struct bench_row row;
        assert_int_equal(footprint_step(footprint_bytes(step)), step);
        row_init(&row, registry_find("copy", "naive"), &p, (struct formats){NCHW, NCHW}, false, 1);
        assert_int_equal(footprint_step(row_footprint(&row)), step);
    }
    assert_int_equal(footprint_step(1), 26);
    assert_int_equal(footprint_step(1e15), 60);
}

/* Options and plans */

static struct machine machine;

static void thread_lists(void **state)
{
    (void)state;
    struct bench_options o = {0};
    char error[ERROR_TEXT] = "";
    assert_true(machine_from_synthetic(&machine, "pack:1 core:4 pu:1", NULL, 0));
    assert_true(threads_parse("max,2,1,2", &machine, &o, error));
    assert_int_equal(o.thread_counts, 3);
    assert_int_equal(o.threads[0], 1);
    assert_int_equal(o.threads[1], 2);
    assert_int_equal(o.threads[2], 4);
    static const char *const bad[] = {"",    "0", "-1",   "two",
                                      "1;2", "5", "1,,2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        *error = '\0';
        assert_false(threads_parse(bad[i], &machine, &o, error));
        assert_true(strlen(error) > 10);
    }
}

static void plan_brings_its_ceilings(void **state)
{
    (void)state;
    char error[ERROR_TEXT];
    struct bench_options o = {
        .pattern = "gemm/naive", .problem = "7x19:19x13", .warm = true, .cap = ISA_BASE};
    struct bench_rows rows;
    assert_true(machine_from_synthetic(&machine, "pack:1 core:2 pu:1", NULL, 0));
    assert_true(threads_parse("1,max", &machine, &o, error));
    assert_true(plan_rows(&o, &machine, &rows, error));
    int naive = 0, copies = 0, peaks = 0;
    for (int i = 0; i < rows.count; i++) {
        const struct bench_row *r = &rows.items[i];
        naive += !strcmp(r->op->name, "gemm") && !strcmp(r->entry->name, "naive");
        copies += !strcmp(r->op->name, "copy");
        peaks += !strcmp(r->op->name, "peak_fma");
        assert_int_equal(r->entry->variant->isa, ISA_BASE);
        assert_true(i == 0 || row_is_ceiling(&rows.items[i - 1]) || !row_is_ceiling(r));
    }
    assert_true(naive >= 1 && copies >= 1 && peaks >= 1);
    assert_int_equal(naive + copies + peaks, rows.count);
    rows_free(&rows);

    o.pattern = "no_such_variant";
    assert_false(plan_rows(&o, &machine, &rows, error));
    assert_non_null(strstr(error, "no_such_variant"));
    o.pattern = "conv_fwd";
    assert_false(plan_rows(&o, &machine, &rows, error));
    o.pattern = NULL;
    o.problem = "7x19:18x13";
    assert_false(plan_rows(&o, &machine, &rows, error));
}

/* The document */

static void json_has_the_library_s_shape(void **state)
{
    (void)state;
    char host[256] = "";
    static const char *const warnings[] = {"a warning of the run"};
    char command[] = "bench", option[] = "--seed", value[] = "7",
         *argv[] = {command, option, value};
    const struct bench_options options = {.seed = 7};
    struct run_facts facts = {
        .argc = 3, .argv = argv, .options = &options, .warnings = warnings, .warning_count = 1};
    struct bench_row rows[] = {make(registry_find("gemm", "naive"), "2x3:3x4", 1e-6),
                               make(registry_find("gemm", "naive"), "3x3:3x4", 0)};
    rows_count(rows, 2);
    json_t *d = results_document(&machine, &facts, rows, 2),
           *context = json_object_get(d, "context");
    json_t *list = json_object_get(d, "benchmarks");
    static const char *const wanted[] = {"date",   "host_name", "executable", "num_cpus",
                                         "caches", "load_avg",  "machine",    "isa_cap",
                                         "commit", "dirty",     "compiler",   "kernel_flags",
                                         "seed",   "command",   "warnings",   "peers"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_non_null(json_object_get(context, wanted[i]));
    gethostname(host, sizeof host - 1);
    assert_string_not_equal(json_string_value(json_object_get(context, "host_name")), host);
    assert_string_equal(json_string_value(json_object_get(context, "command")),
                        "batchmark bench --seed 7");
    assert_int_equal(json_integer_value(json_object_get(context, "seed")), 7);

    /* Two repetitions of the row that was timed, nothing of the one that was not. */
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *row = json_array_get(list, i);
        assert_string_equal(json_string_value(json_object_get(row, "name")), rows[0].name);
        assert_string_equal(json_string_value(json_object_get(row, "run_name")), rows[0].name);
        assert_string_equal(json_string_value(json_object_get(row, "run_type")), "iteration");
        assert_string_equal(json_string_value(json_object_get(row, "time_unit")), "ns");
        assert_string_equal(json_string_value(json_object_get(row, "label")), "pass");
        assert_int_equal(json_integer_value(json_object_get(row, "repetition_index")), i);
        assert_int_equal(json_integer_value(json_object_get(row, "repetitions")), 2);
        assert_int_equal(json_integer_value(json_object_get(row, "rung")), 10);
        near(json_real_value(json_object_get(row, "real_time")), 1000);
        near(json_real_value(json_object_get(row, "gflops")), 48e-9 / 1e-6);
        /* Not measured: absent. */
        assert_null(json_object_get(row, "pct_peak"));
    }
    json_decref(d);
    row_free(&rows[0]);
}

/* What a command line says in public, and what the document about the system has. */
static void nothing_private_is_written(void **state)
{
    (void)state;
    static const char *const words[][2] = {{"/home/ann/data", ".../data"},
                                           {"--out=/home/ann/r", "--out=.../r"},
                                           {"~ann/x", ".../x"},
                                           {"conv_fwd/direct*", "conv_fwd/direct*"},
                                           {"build/data", "build/data"},
                                           {"1,max", "1,max"},
                                           {"--data=build/x", "--data=build/x"},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char text[64];
        public_path(text, sizeof text, words[i][0]);
        assert_string_equal(text, words[i][1]);
    }

    char command[] = "--out", value[] = "/home/ann/results", *argv[] = {command, value},
         host[256] = "";
    const struct bench_options options = {.seed = 7, .set = "/home/ann/set.txt"};
    struct run_facts facts = {.argc = 2, .argv = argv, .options = &options};
    struct machine real;
    char error[ERROR_TEXT];
    struct conditions before, after;
    assert_true(machine_detect(&real, error, sizeof error));
    conditions_read(&before);
    json_t *d = results_document(&real, &facts, NULL, 0);
    setenv("OMP_TEST_OF_OURS", "/home/ann/policy", 1);
    conditions_read(&after);
    json_t *system = system_document(json_object_get(d, "context"), &real, &before, &after);
    static const char *const wanted[] = {"schema_version", "machine",   "isa_cap",
                                         "commit",         "compiler",  "command",
                                         "clock_mhz",      "libraries", "conditions"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_non_null(json_object_get(system, wanted[i]));
    assert_null(json_object_get(system, "executable"));
    double mhz = json_real_value(json_object_get(json_object_get(system, "clock_mhz"), "scalar"));
    assert_true(mhz > 50 && mhz < 10000);
    json_t *m = json_object_get(system, "machine");
    assert_non_null(json_object_get(m, "kernel"));
    assert_true(json_real_value(json_object_get(m, "page_bytes")) >= 4096);
    char *text = json_dumps(system, 0);
    gethostname(host, sizeof host - 1);
    assert_null(strstr(text, "/home"));
    assert_non_null(strstr(text, ".../policy"));
    /* Names as short as "a" would be found in any text. */
    if (strlen(host) > 3)
        assert_null(strstr(text, host));
    assert_null(strstr(real.topology_xml, "HostName"));
    assert_non_null(strstr(real.topology_xml, "<topology"));
    unsetenv("OMP_TEST_OF_OURS");
    free(text);
    json_decref(system);
    json_decref(d);
    machine_free(&real);
}

static char home[1024];

static int into_folder(void **state)
{
    return getcwd(home, sizeof home) && !make_folder(state) ? chdir(folder) : -1;
}

static int out_of_folder(void **state)
{
    return chdir(home) ? -1 : remove_folder(state);
}

static void results_folder(void **state)
{
    (void)state;
    char error[ERROR_TEXT], path[RESULTS_PATH + 32], target[256];
    struct results r;
    struct stat s;
    assert_true(machine_from_synthetic(&machine, "pack:1 core:2 pu:1", NULL, 0));
    snprintf(machine.slug, sizeof machine.slug, "made-up-2c");
    char xml[] = "<topology/>";
    machine.topology_xml = xml;

    /* A run that ends in nothing leaves nothing. */
    assert_true(results_open(&r, &machine, NULL, error));
    assert_int_equal(stat(r.folder, &s), 0);
    results_abandon(&r);
    assert_int_not_equal(stat(r.folder, &s), 0);

    assert_true(results_open(&r, &machine, NULL, error));
    json_t *document = json_pack("{s:[]}", "benchmarks");
    json_t *about = json_pack("{s:i}", "schema_version", RESULTS_SCHEMA);
    assert_true(results_write(&r, &machine, document, about, error));
    assert_true(results_write(&r, &machine, document, about, error));
    snprintf(path, sizeof path, "%s/system.json", r.folder);
    assert_int_equal(stat(path, &s), 0);
    json_decref(about);
    snprintf(path, sizeof path, "%s/bench.json", r.latest);
    json_t *again = json_load_file(path, 0, NULL);
    assert_true(json_equal(again, document));
    ssize_t n = readlink(r.latest, target, sizeof target - 1);
    assert_true(n > 0);
    target[n] = '\0';
    assert_string_equal(strrchr(r.folder, '/') + 1, target);
    snprintf(path, sizeof path, "%s/topology.xml", r.folder);
    assert_int_equal(stat(path, &s), 0);
    results_abandon(&r);
    assert_int_equal(stat(path, &s), 0);
    json_decref(again);
    json_decref(document);

    /* Where nothing can be written (root may write anywhere but here), where a file is in the way. */
    assert_false(results_open(&r, &machine, "/proc/no/such/folder", error));
    assert_non_null(strstr(error, "/proc/no/such/folder"));
    assert_null(strchr(error, '\n'));
    FILE *f = fopen("file", "w");
    assert_non_null(f);
    fclose(f);
    assert_false(results_open(&r, &machine, "file", error));
    assert_false(results_open(&r, &machine, "", error));

    /* A disk without room, by the file size limit. */
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool opened = results_open(&r, &machine, "full", error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(opened);
    assert_non_null(strstr(error, "full"));
    assert_int_not_equal(stat("full", &s), 0);

    machine.topology_xml = NULL;
}

/* Runs that begin in the same second, and runs that write to the same place. */
static void results_of_two_runs(void **state)
{
    (void)state;
    enum { RUNS = 3 };
    char error[ERROR_TEXT];
    struct results r[RUNS], one;
    assert_true(machine_from_synthetic(&machine, "pack:1 core:2 pu:1", NULL, 0));
    snprintf(machine.slug, sizeof machine.slug, "made-up-2c");
    for (int i = 0; i < RUNS; i++) {
        assert_true(results_open(&r[i], &machine, NULL, error));
        assert_true(r[i].created);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(r[i].folder, r[k].folder);
    }
    assert_true(results_open(&one, &machine, "given", error));
    const pid_t other = fork();
    if (!other) {
        const bool opened = results_open(&one, &machine, "given", error);
        _exit(!opened && strstr(error, "given: another run writes") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
}

/* Verified and timed for real; what failed is not. */
static void end_to_end(void **state)
{
    (void)state;
    char error[ERROR_TEXT];
    static struct machine here;
    struct bench_options o = {.pattern = "gemm/naive*",
                              .problem = "7x19:19x13",
                              .warm = true,
                              .cold = true,
                              .budget = 0.01,
                              .seed = 3};
    struct bench_rows rows;
    assert_true(machine_detect(&here, error, sizeof error));
    o.cap = here.isa;
    /* A small last level keeps the number of cold operand sets small. */
    here.llc = 1 << 16;
    assert_true(threads_parse("1", &here, &o, error));
    assert_true(plan_rows(&o, &here, &rows, error));
    if (!bench_verify(&o, &here, &rows, NULL, NULL, error))
        fail_msg("%s", error);
    int failed = -1;
    for (int i = 0; i < rows.count; i++) {
        assert_int_equal(rows.items[i].state, ROW_VERIFIED);
        if (!row_is_ceiling(&rows.items[i]))
            failed = i;
    }
    assert_true(failed >= 0);
    rows.items[failed].state = ROW_FAILED;
    bench_time(&o, &here, &rows, NULL, NULL);
    for (int i = 0; i < rows.count; i++) {
        const struct bench_row *r = &rows.items[i];
        if (i == failed) {
            assert_int_equal(r->sample_count, 0);
            assert_int_equal(r->state, ROW_FAILED);
            continue;
        }
        assert_int_equal(r->state, ROW_TIMED);
        assert_true(r->sample_count >= 3 && r->median > 0 && r->min <= r->median &&
                    r->best <= r->min);
        assert_true(r->cold || r->rounds >= 1);
    }
    rows_free(&rows);
    machine_free(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_is_not_useful_work),
        cmocka_unit_test(other_costs),
        cmocka_unit_test(names),
        cmocka_unit_test(statistics),
        cmocka_unit_test(the_quietest_round_counts),
        cmocka_unit_test(calm_rounds_count),
        cmocka_unit_test(counters),
        cmocka_unit_test(footprints),
        cmocka_unit_test(thread_lists),
        cmocka_unit_test(plan_brings_its_ceilings),
        cmocka_unit_test(json_has_the_library_s_shape),
        cmocka_unit_test(nothing_private_is_written),
        cmocka_unit_test_setup_teardown(results_folder, into_folder, out_of_folder),
        cmocka_unit_test_setup_teardown(results_of_two_runs, into_folder, out_of_folder),
        cmocka_unit_test(end_to_end),
        cmocka_unit_test(probes), /* starts threads, which verification must come before */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
