/* Writes a run's folder. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "bench/results.h"
#include "bench/build_info.h"
#include "core/whole_file.h"
#include "machine/system.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* A full run's JSON stays below this; a disk without that much room is full. */
#define PROBE_BYTES (4 << 20)

/* The folder */

/* Room for the files: a probe of their size, synced, because a full disk may show only then. */
static bool has_room(const char *folder)
{
    char path[RESULTS_PATH + 32];
    snprintf(path, sizeof path, "%s/.room-%ld", folder, (long)getpid());
    static const char zeros[1 << 16];
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    /* It goes with its last descriptor, should this process be killed too. */
    unlink(path);
    bool good = true;
    for (int i = 0; good && i < PROBE_BYTES / (int)sizeof zeros; i++)
        good = fwrite(zeros, sizeof zeros, 1, f) == 1;
    good = good && !fflush(f) && !fsync(fileno(f));
    int reason = errno;
    good = !fclose(f) && good;
    errno = reason;
    return good;
}

/* Removes empty folders of runs that no process has locked. Their names begin with the date. */
static void sweep(const char *machine)
{
    char path[RESULTS_PATH + 300];
    DIR *entries = opendir(machine);
    for (struct dirent *e; entries && (e = readdir(entries));) {
        if (!isdigit((unsigned char)e->d_name[0]) ||
            snprintf(path, sizeof path, "%s/%s", machine, e->d_name) >= (int)sizeof path)
            continue;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
            rmdir(path);
        if (fd >= 0)
            close(fd);
    }
    if (entries)
        closedir(entries);
}

/* Makes a folder that did not exist, and locks it. Runs may begin in the same second, and a run that begins
 * removes empty folders that no process has locked. */
static bool make_new_folder(struct results *r)
{
    enum { MOST = 100 };
    char date[32], again[16] = "";
    time_t t = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d-%H%M%S", localtime(&t));
    for (int i = 2; i < MOST; i++) {
        snprintf(r->folder, sizeof r->folder, "%s/%s_%s%s%s", r->machine, date, build_commit,
                 build_dirty ? "-dirty" : "", again);
        if (!folder_make(r->folder, &r->created))
            return false;
        if (r->created && folder_lock(r->folder) && !access(r->folder, F_OK))
            return true;
        snprintf(again, sizeof again, "-%d", i);
    }
    r->created = false;
    errno = EEXIST;
    return false;
}

/* How much of a path is there, in characters up to a slash or its end. */
static size_t part_there(const char *path)
{
    char part[RESULTS_PATH];
    size_t n = strlen(path);
    memcpy(part, path, n + 1);
    while (n > 0 && access(part, F_OK)) {
        while (n > 0 && part[--n] != '/')
            ;
        part[n] = '\0';
    }
    return n;
}

bool results_open(struct results *r, const struct machine *m, const char *out,
                  char error[ERROR_TEXT])
{
    *r = (struct results){0};
    if (out && (strlen(out) == 0 || strlen(out) >= sizeof r->folder - 64))
        return explain(error, "--out: the path is empty or too long; name a folder");
    snprintf(r->folder, sizeof r->folder, "%s", out ? out : "");
    if (!out) {
        snprintf(r->machine, sizeof r->machine, "results/%s", m->slug);
        snprintf(r->latest, sizeof r->latest, "%s/latest", r->machine);
        sweep(r->machine);
    }
    r->there = part_there(out ? out : r->machine);
    if (!(out ? folder_make(r->folder, &r->created) : make_new_folder(r)))
        return explain(error, "cannot make the results folder %s: %s; name another with --out",
                       r->folder, strerror(errno));
    if (out && !folder_lock(r->folder))
        return explain(error, "%s: another run writes its results there; name another with --out",
                       r->folder);
    if (!has_room(r->folder)) {
        explain(error,
                "cannot write %d MiB into the results folder %s: %s; name another with --out",
                PROBE_BYTES >> 20, r->folder, strerror(errno));
        results_abandon(r);
        return false;
    }
    return true;
}

void results_abandon(struct results *r)
{
    if (!r->created)
        return;
    char path[RESULTS_PATH];
    memcpy(path, r->folder, sizeof path);
    for (size_t n = strlen(path); n > r->there; n--) {
        if (r->folder[n] && r->folder[n] != '/')
            continue;
        path[n] = '\0';
        rmdir(path);
    }
}

/* Points the link at the folder in one step, so that there always is one. */
static bool set_latest(const struct results *r, char error[ERROR_TEXT])
{
    char temporary[RESULTS_PATH + 32], folder[RESULTS_PATH];
    if (!*r->latest)
        return true;
    snprintf(temporary, sizeof temporary, "%s.%ld", r->latest, (long)getpid());
    snprintf(folder, sizeof folder, "%s", r->folder);
    if (symlink(basename(folder), temporary) || rename(temporary, r->latest)) {
        explain(error, "cannot set the link %s: %s; the results are in %s", r->latest,
                strerror(errno), r->folder);
        unlink(temporary);
        return false;
    }
    return true;
}

static bool write_json(const struct results *r, const char *name, const json_t *document,
                       char error[ERROR_TEXT])
{
    char path[RESULTS_PATH + 32];
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    if (!text)
        return explain(error, "%s cannot be written as JSON: a string is not UTF-8", name);
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    const struct piece pieces[] = {{text, strlen(text)}, {"\n", 1}};
    bool good = whole_file_write(path, pieces, 2, error);
    free(text);
    return good;
}

bool results_write(const struct results *r, const struct machine *m, const json_t *document,
                   const json_t *system, char error[ERROR_TEXT])
{
    char path[RESULTS_PATH + 32];
    bool good = true;
    if (m->topology_xml) {
        snprintf(path, sizeof path, "%s/topology.xml", r->folder);
        good = whole_file_write(path, &(struct piece){m->topology_xml, strlen(m->topology_xml)}, 1,
                                error);
    }
    return good && write_json(r, "system.json", system, error) &&
           write_json(r, "bench.json", document, error) && set_latest(r, error);
}

/* Context */

static void set_whole(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

json_t *machine_json(const struct machine *m)
{
    json_t *o = json_object(), *pins = json_array(), *warnings = json_array(),
           *caches = json_object();
    json_set_text(o, "cpu", m->brand);
    json_set_text(o, "microarchitecture", m->microarch);
    json_set_text(o, "vendor", m->vendor);
    set_whole(o, "family", m->family);
    set_whole(o, "model", m->model);
    set_whole(o, "stepping", m->stepping);
    json_set_text(o, "isa", isa_names[m->isa]);
    json_set_text(o, "slug", m->slug);
    set_whole(o, "sockets", m->sockets);
    set_whole(o, "cores", m->cores);
    set_whole(o, "hardware_threads", m->hardware_threads);
    set_whole(o, "smt", m->smt);
    set_whole(o, "numa_nodes", m->numa_nodes);
    set_whole(o, "core_kinds", m->core_kinds);
    set_whole(caches, "l1", (int64_t)m->l1);
    set_whole(caches, "l2", (int64_t)m->l2);
    set_whole(caches, "llc", (int64_t)m->llc);
    json_object_set_new(o, "cache_bytes", caches);
    system_describe(o);
    set_whole(o, "memory_bytes", (int64_t)m->memory);
    set_whole(o, "usable_cpus", m->cpu_count);
    if (m->quota > 0)
        json_set_number(o, "cgroup_cpu_quota", m->quota);
    for (int i = 0; i < m->cpu_count; i++)
        json_array_append_new(pins, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "thread", i, "cpu",
                                              m->cpus[i].pu, "core", m->cpus[i].core, "socket",
                                              m->cpus[i].socket, "numa", m->cpus[i].numa, "kind",
                                              m->cpus[i].kind));
    json_object_set_new(o, "pinning", pins);
    json_object_set_new(o, "virtualised", json_boolean(m->virtualised));
    json_set_text(o, "hypervisor", m->hypervisor);
    json_object_set_new(o, "emulated", json_boolean(m->emulated));
    json_set_text(o, "governor", m->governor);
    json_set_text(o, "turbo", m->turbo);
    json_set_text(o, "huge_pages", m->huge_pages);
    json_set_number(o, "load", m->load);
    for (int i = 0; i < m->warning_count; i++)
        json_array_append_new(warnings, json_string(m->warnings[i]));
    json_object_set_new(o, "warnings", warnings);
    return o;
}

/* FNV-1a: enough to tell two machines apart without naming them. */
static void hash_host(char text[20])
{
    char name[256] = "";
    uint64_t hash = 0xcbf29ce484222325u;
    gethostname(name, sizeof name - 1);
    for (const char *s = name; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    snprintf(text, 20, "%016llx", (unsigned long long)hash);
}

static int note_openmp(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    const char *slash = strrchr(info->dlpi_name, '/'), *name = slash ? slash + 1 : info->dlpi_name;
    if (strncmp(name, "libgomp", 7) && strncmp(name, "libomp", 6) && strncmp(name, "libiomp", 7))
        return 0;
    snprintf(found, 64, "%s", name);
    return 1;
}

static json_t *command_line(const struct run_facts *facts)
{
    char text[2048];
    size_t n = (size_t)snprintf(text, sizeof text, "batchmark");
    for (int i = 0; i < facts->argc && n < sizeof text; i++) {
        char word[512];
        public_path(word, sizeof word, facts->argv[i]);
        n += (size_t)snprintf(text + n, sizeof text - n, " %s", word);
    }
    return json_string(text);
}

static json_t *gbench_caches(const struct machine *m)
{
    const struct {
        int level;
        size_t bytes;
    } caches[] = {{1, m->l1}, {2, m->l2}, {3, m->llc}};
    json_t *list = json_array();
    for (int i = 0; i < 3; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:I, s:i}", "type",
                                              i ? "Unified" : "Data", "level", caches[i].level,
                                              "size", (json_int_t)caches[i].bytes, "num_sharing",
                                              i < 2 ? 1 : m->cores));
    return list;
}

/* The libraries behind the peers in this build, each once, with its version. */
static json_t *peers_json(void)
{
    json_t *list = json_array();
    for (int i = 0; i < registry_count; i++) {
        const struct variant *v = registry[i].variant;
        bool known = !v || !v->peer;
        for (size_t k = 0; !known && k < json_array_size(list); k++)
            known = !strcmp(json_string_value(json_array_get(list, k)), v->peer());
        if (!known)
            json_array_append_new(list, json_string(v->peer()));
    }
    return list;
}

static json_t *context(const struct machine *m, const struct run_facts *facts)
{
    char date[64], host[20], set[256], runtime[64] = "";
    time_t t = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", localtime(&t));
    hash_host(host);
    dl_iterate_phdr(note_openmp, runtime);

    /* The library's own fields first, for compare.py and other readers of its format. */
    json_t *c = json_object();
    json_set_text(c, "date", date);
    json_set_text(c, "host_name", host);
    json_set_text(c, "executable", "batchmark");
    set_whole(c, "num_cpus", m->hardware_threads);
    json_object_set_new(c, "cpu_scaling_enabled",
                        json_boolean(*m->governor && strcmp(m->governor, "performance")));
    json_object_set_new(c, "caches", gbench_caches(m));
    json_object_set_new(c, "load_avg", json_pack("[f]", m->load));
    json_set_text(c, "library_build_type", "release");

    set_whole(c, "schema_version", RESULTS_SCHEMA);
    json_object_set_new(c, "machine", machine_json(m));
    json_set_text(c, "isa_cap", isa_names[facts->options->cap]);
    json_set_text(c, "commit", build_commit);
    json_object_set_new(c, "dirty", json_boolean(build_dirty));
    json_set_text(c, "compiler", build_compiler);
    json_set_text(c, "kernel_flags", build_kernel_flags);
    json_set_text(c, "harness_flags", build_harness_flags);
    json_set_text(c, "isa_flags", build_isa_flags);
    json_set_text(c, "openmp_runtime", runtime);
    set_whole(c, "openmp_version", _OPENMP);
    set_whole(c, "seed", (int64_t)facts->options->seed);
    json_set_text(c, "plan", plan_names[facts->options->plan]);
    public_path(set, sizeof set, facts->options->set ? facts->options->set : "");
    json_set_text(c, "set", set);
    if (facts->options->slowdown > 0)
        json_set_number(c, "planted_slowdown", facts->options->slowdown);
    json_object_set_new(c, "peers", peers_json());
    json_object_set_new(c, "command", command_line(facts));
    json_t *warnings = json_array();
    for (int i = 0; i < m->warning_count; i++)
        json_array_append_new(warnings, json_string(m->warnings[i]));
    for (int i = 0; i < facts->warning_count; i++)
        json_array_append_new(warnings, json_string(facts->warnings[i]));
    json_object_set_new(c, "warnings", warnings);
    return c;
}

/* Rows */

static json_t *row_json(const struct bench_row *r, int family, int repetition)
{
    const struct gbench_sample *s = &r->samples[repetition];
    json_t *o = json_object();
    char label[64], problem[PROBLEM_TEXT], formats[FORMATS_TEXT];
    snprintf(label, sizeof label, "%s%s", verdict_names[r->verdict.kind],
             row_unstable(r) ? " unstable" : "");
    json_set_text(o, "name", r->name);
    set_whole(o, "family_index", family);
    set_whole(o, "per_family_instance_index", 0);
    json_set_text(o, "run_name", r->name);
    json_set_text(o, "run_type", "iteration");
    set_whole(o, "repetitions", r->sample_count);
    set_whole(o, "repetition_index", repetition);
    set_whole(o, "threads", r->threads);
    set_whole(o, "iterations", s->iterations);
    json_set_number(o, "real_time", 1e9 * s->seconds / (double)s->iterations);
    json_set_number(o, "cpu_time", 1e9 * s->cpu_seconds / (double)s->iterations);
    json_set_text(o, "time_unit", "ns");
    json_set_text(o, "label", label);
    json_set_number(o, "gflops", r->counters.gflops);
    json_set_number(o, "gflops_nominal", r->counters.gflops_nominal);
    json_set_number(o, "gflops_actual", r->counters.gflops_actual);
    json_set_number(o, "gbps", r->counters.gbps);
    json_set_number(o, "pct_peak", r->counters.pct_peak);
    json_set_number(o, "pct_copy", r->counters.pct_copy);
    json_set_number(o, "speedup_naive", r->counters.speedup_naive);
    json_set_number(o, "err_over_limit", r->verdict.err_over_limit);
    json_set_number(o, "cv", r->cv);
    json_set_number(o, "median_time", 1e9 * r->median);
    json_set_number(o, "min_time", 1e9 * r->min);
    set_whole(o, "rounds", r->rounds);
    set_whole(o, "disturbed", r->disturbed);
    json_object_set_new(o, "calm", json_boolean(r->calm));
    if (r->over > 0)
        json_object_set_new(o, "over_ceiling", json_true());
    set_whole(o, "rung", r->entry->rung);
    json_set_text(o, "op", r->entry->op);
    json_set_text(o, "variant", r->entry->name);
    json_set_text(o, "problem", problem_print(&r->problem, problem));
    json_set_text(o, "layout", formats_print(r->formats, formats));
    json_set_text(o, "cache", r->cold ? "cold" : "warm");
    if (r->entry->variant->peer)
        json_set_text(o, "peer", r->entry->variant->peer());
    else
        json_set_text(o, "isa", isa_names[r->entry->variant->isa]);
    json_set_number(o, "footprint_bytes", row_footprint(r));
    return o;
}

json_t *results_document(const struct machine *m, const struct run_facts *facts,
                         const struct bench_row *rows, int count)
{
    json_t *list = json_array();
    int family = 0;
    for (int i = 0; i < count; i++) {
        if (rows[i].state != ROW_TIMED)
            continue;
        for (int k = 0; k < rows[i].sample_count; k++)
            json_array_append_new(list, row_json(&rows[i], family, k));
        family++;
    }
    return json_pack("{s:o, s:o}", "context", context(m, facts), "benchmarks", list);
}
