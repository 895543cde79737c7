/* Reads cpuid, hwloc, cgroups and /sys; pins the team. */
#define _GNU_SOURCE /* sched_getcpu, CPU_SET */
#include "machine/machine.h"
#include "core/input_file.h"
#include "core/limits.h"
#include "machine/affinity.h"
#include "machine/cpu_name.h"
#include "machine/team.h"
#include "problem/registry.h"

#include <ctype.h>
#include <errno.h>
#include <hwloc.h>
#include <omp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first line of a file without its newline; "" where it cannot be read. */
static char *read_line(const char *path, char *text, size_t size)
{
    system_text(path, text, size);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

__attribute__((format(printf, 2, 3))) static void warn(struct machine *m, const char *format, ...)
{
    if (m->warning_count == MAX_WARNINGS)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(m->warnings[m->warning_count++], WARNING_TEXT, format, list);
    va_end(list);
}

/* Appends the words of `text` in lower case, joined by single dashes. */
static void append_slug(char *slug, size_t size, const char *text)
{
    size_t n = strlen(slug);
    bool gap = n > 0;
    for (; *text && n + 2 < size; text++) {
        if (isalnum((unsigned char)*text)) {
            if (gap)
                slug[n++] = '-';
            slug[n++] = (char)tolower((unsigned char)*text);
            gap = false;
        } else {
            gap = n > 0;
        }
    }
    slug[n] = '\0';
}

static void make_slug(struct machine *m)
{
    /* Trademark signs and the clock say nothing about what machine it is. */
    static const char *const noise[] = {"(R)", "(TM)", "(tm)", "CPU", "Processor", NULL};
    char brand[sizeof m->brand], cores[16];
    snprintf(brand, sizeof brand, "%s", m->brand);
    brand[strcspn(brand, "@")] = '\0';
    for (int i = 0; noise[i]; i++)
        for (char *at; (at = strstr(brand, noise[i]));)
            memset(at, ' ', strlen(noise[i]));
    append_slug(m->slug, sizeof m->slug, brand);
    if (!strcasestr(brand, m->microarch))
        append_slug(m->slug, sizeof m->slug, m->microarch);
    snprintf(cores, sizeof cores, "%dc", m->cpu_count);
    append_slug(m->slug, sizeof m->slug, cores);
}

/* Topology */

static int kind_of(hwloc_topology_t topology, hwloc_const_bitmap_t cpuset)
{
    int kind = hwloc_cpukinds_get_by_cpuset(topology, cpuset, 0);
    return kind > 0 ? kind : 0;
}

static size_t cache_bytes(hwloc_obj_t core, int level)
{
    for (hwloc_obj_t o = core->parent; o; o = o->parent)
        if (hwloc_obj_type_is_dcache(o->type) && (int)o->attr->cache.depth == level)
            return o->attr->cache.size;
    return 0;
}

/* The first allowed hardware thread of each core. */
static void add_core(struct machine *m, hwloc_topology_t topology, hwloc_obj_t core,
                     hwloc_const_bitmap_t allowed)
{
    hwloc_bitmap_t mine = hwloc_bitmap_alloc();
    hwloc_bitmap_and(mine, core->cpuset, allowed);
    int pu = hwloc_bitmap_first(mine);
    hwloc_bitmap_free(mine);
    if (pu < 0 || m->cpu_count == MAX_CPUS)
        return;
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, core);
    m->cpus[m->cpu_count++] = (struct cpu){
        .pu = pu,
        .core = (int)core->logical_index,
        .socket = package ? (int)package->logical_index : 0,
        .numa = core->nodeset ? hwloc_bitmap_first(core->nodeset) : 0,
        .kind = kind_of(topology, core->cpuset),
        .siblings = hwloc_bitmap_weight(core->cpuset),
    };
}

static int fast_first(const void *a, const void *b)
{
    const struct cpu *x = a, *y = b;
    if (x->kind != y->kind)
        return y->kind - x->kind;
    return x->socket != y->socket ? x->socket - y->socket : x->core - y->core;
}

bool machine_from_topology(struct machine *m, struct hwloc_topology *topology, const char *allowed,
                           double quota)
{
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (allowed)
        hwloc_bitmap_list_sscanf(mask, allowed);
    else
        hwloc_bitmap_copy(mask, hwloc_topology_get_topology_cpuset(topology));

    m->sockets = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
    m->cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    m->hardware_threads = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    m->numa_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    m->core_kinds = hwloc_cpukinds_get_nr(topology, 0);
    /* Some virtual machines describe no packages, cores or kinds of core at all. */
    hwloc_obj_type_t unit = m->cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    m->sockets = m->sockets > 0 ? m->sockets : 1;
    m->cores = m->cores > 0 ? m->cores : m->hardware_threads;
    m->numa_nodes = m->numa_nodes > 0 ? m->numa_nodes : 1;
    m->core_kinds = m->core_kinds > 0 ? m->core_kinds : 1;

    m->cpu_count = 0;
    m->smt = 1;
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(topology, unit, o));) {
        int threads = hwloc_bitmap_weight(o->cpuset);
        m->smt = threads > m->smt ? threads : m->smt;
        add_core(m, topology, o, mask);
    }
    hwloc_bitmap_free(mask);
    qsort(m->cpus, (size_t)m->cpu_count, sizeof m->cpus[0], fast_first);
    m->quota = quota;
    /* Half a CPU of quota cannot run a thread without being stopped in the middle of a row: round
     * down. */
    if (quota > 0 && m->cpu_count > quota)
        m->cpu_count = quota < 1 ? 1 : (int)quota;
    m->team = m->cpu_count;
    if (!m->cpu_count)
        return false;

    hwloc_obj_t first = hwloc_get_pu_obj_by_os_index(topology, (unsigned)m->cpus[0].pu);
    m->l1 = cache_bytes(first, 1);
    m->l2 = cache_bytes(first, 2);
    m->llc = cache_bytes(first, 4);
    m->llc = m->llc ? m->llc : cache_bytes(first, 3);
    /* If the system tells no sizes, small ones are safe: tiles then fit any cache of the last decade. */
    m->l1 = m->l1 ? m->l1 : 32 << 10;
    m->l2 = m->l2 ? m->l2 : 256 << 10;
    m->llc = m->llc ? m->llc : m->l2;
    return true;
}

bool machine_from_synthetic(struct machine *m, const char *description, const char *allowed,
                            double quota)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology))
        return false;
    bool good = !hwloc_topology_set_synthetic(topology, description) &&
                !hwloc_topology_load(topology) &&
                machine_from_topology(m, topology, allowed, quota);
    hwloc_topology_destroy(topology);
    return good;
}

static void affinity_list(char *text, size_t size)
{
    cpu_set_t set;
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (!affinity_at_start(&set))
        hwloc_bitmap_set_range(mask, 0, MAX_CPUS - 1);
    else
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                hwloc_bitmap_set(mask, i);
    hwloc_bitmap_list_snprintf(text, size, mask);
    hwloc_bitmap_free(mask);
}

/* Maps the cores of a made-up topology (HWLOC_SYNTHETIC, HWLOC_XMLFILE) to the real CPUs, so that the
 * behaviour on a larger machine can be tested on a small one. */
static void deal_out(struct machine *m)
{
    cpu_set_t set;
    if (!affinity_at_start(&set))
        return;
    for (int i = 0, pu = 0; i < m->cpu_count; i++, pu++) {
        while (!CPU_ISSET((unsigned)pu % CPU_SETSIZE, &set))
            pu++;
        m->cpus[i].pu = pu % CPU_SETSIZE;
    }
    warn(
        m,
        "the topology is made up (HWLOC_SYNTHETIC or HWLOC_XMLFILE): its %d cores share the %d CPUs there are, and "
        "times mean nothing",
        m->cpu_count, CPU_COUNT(&set));
}

/* Conditions */

static void read_conditions(struct machine *m)
{
    char path[128], text[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor",
             m->cpus[0].pu);
    read_line(path, m->governor, sizeof m->governor);
    if (*read_line("/sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof text))
        snprintf(m->turbo, sizeof m->turbo, "%s", text[0] == '0' ? "on" : "off");
    else if (*read_line("/sys/devices/system/cpu/cpufreq/boost", text, sizeof text))
        snprintf(m->turbo, sizeof m->turbo, "%s", text[0] == '1' ? "on" : "off");
    read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    char *open = strchr(text, '[');
    if (open) {
        open[strcspn(open, "]")] = '\0';
        snprintf(m->huge_pages, sizeof m->huge_pages, "%.15s", open + 1);
    }
    if (getloadavg(&m->load, 1) != 1)
        m->load = 0;
}

static void find_warnings(struct machine *m)
{
    if (*m->governor && strcmp(m->governor, "performance"))
        warn(m,
             "the frequency governor is '%s': clocks follow the load; set it with 'cpupower "
             "frequency-set -g performance'",
             m->governor);
    if (!strcmp(m->turbo, "on"))
        warn(m, "turbo is on: clocks depend on temperature and on how many cores work; switch it "
                "off to compare runs");
    if (m->smt > 1)
        warn(m,
             "cores have %d hardware threads and one is used: what else runs on the others slows "
             "it; "
             "keep the machine idle or 'echo off > /sys/devices/system/cpu/smt/control'",
             m->smt);
    if (m->load > 0.5)
        warn(m, "the load average is %.2f: something else is running; wait until it is below 0.5",
             m->load);
    if (m->quota > 0)
        warn(m,
             "a cgroup limits this process to %.2f CPUs: it is stopped when they are spent; "
             "%d threads are the most used here, raise the quota for more",
             m->quota, m->cpu_count);
    if (m->team < m->cpu_count)
        warn(m, "not all cores can be used: %s", m->team_why);
    if (m->virtualised)
        warn(m,
             "this is a virtual machine (%s): neighbours and the host's clock are invisible; "
             "trust ratios of one run more than figures of two",
             *m->hypervisor ? m->hypervisor : "hypervisor unknown");
    if (m->core_kinds > 1)
        warn(m,
             "the cores are of %d kinds, the fastest are used first: compare thread counts within "
             "one kind",
             m->core_kinds);
    /* By these hwloc describes another machine, or a part of this one by its words. */
    static const char *const pretences[] = {"HWLOC_SYNTHETIC", "HWLOC_XMLFILE", "HWLOC_FSROOT",
                                            "HWLOC_CPUID_PATH"};
    for (size_t i = 0; i < sizeof pretences / sizeof *pretences; i++)
        if (getenv(pretences[i]))
            warn(
                m,
                "%s is set: topology and caches are those it describes, the times are of this machine; "
                "unset it before you publish",
                pretences[i]);
#ifndef __OPTIMIZE__
    warn(m, "the harness was compiled without optimisation: time nothing with it; run 'make clean "
            "build'");
#endif
}

/* A copy of hwloc's export without the lines that tell one machine from its equals: names, serial numbers, tags. */
static char *without_names(const char *xml)
{
    static const char *const private_keys[] = {"HostName", "Serial", "UUID", "AssetTag", NULL};
    char *copy = strdup(xml), *to = copy;
    for (const char *line = xml, *next; copy && *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        bool keep = true;
        const char *info = strstr(line, "<info name=\"");
        for (int i = 0; info && info < line + n && private_keys[i]; i++) {
            const char *key = strstr(info, private_keys[i]);
            keep &= !key || key >= line + n;
        }
        if (keep) {
            memcpy(to, line, (size_t)(next - line));
            to += next - line;
        }
    }
    if (copy)
        *to = '\0';
    return copy;
}

bool machine_detect(struct machine *m, char *error, size_t size)
{
    *m = (struct machine){.isa = isa_detect()};
    cpu_identify(m);

    hwloc_topology_t topology;
    char allowed[4096];
    affinity_list(allowed, sizeof allowed);
    if (hwloc_topology_init(&topology)) {
        snprintf(error, size, "hwloc cannot start: %s", strerror(errno));
        return false;
    }
    if (hwloc_topology_load(topology)) {
        snprintf(error, size, "hwloc cannot read this machine's topology: %s", strerror(errno));
        hwloc_topology_destroy(topology);
        return false;
    }
    const bool made_up = !hwloc_topology_is_thissystem(topology);
    bool good =
        machine_from_topology(m, topology, made_up ? NULL : allowed, made_up ? 0 : cpu_quota());
    if (good && made_up)
        deal_out(m);
    char *xml = NULL;
    int length = 0;
    if (good && !hwloc_topology_export_xmlbuffer(topology, &xml, &length, 0)) {
        m->topology_xml = without_names(xml);
        hwloc_free_xmlbuffer(topology, xml);
    }
    hwloc_topology_destroy(topology);
    if (!good) {
        snprintf(error, size,
                 "hwloc knows none of the CPUs %s this process may run on; check its affinity mask",
                 allowed);
        return false;
    }
    m->memory = memory_limit();
    m->team = team_most(m->cpu_count, m->team_why);
    make_slug(m);
    read_conditions(m);
    find_warnings(m);
    return true;
}

void machine_free(struct machine *m)
{
    free(m->topology_xml);
    m->topology_xml = NULL;
}

/* Pinning */

/* Moves the calling thread to one CPU; returns the CPU it then runs on, or -1 if the kernel refused. */
static int pin_self(int pu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)pu, &set);
    return sched_setaffinity(0, sizeof set, &set) ? -1 : sched_getcpu();
}

bool machine_pin_team(const struct machine *m, int threads, char *error, size_t size)
{
    if (threads < 1 || threads > m->cpu_count) {
        snprintf(error, size, "%d threads asked for, but %d cores are usable here", threads,
                 m->cpu_count);
        return false;
    }
    static int at[MAX_CPUS];
    int team = 0;
    omp_set_dynamic(0);
#pragma omp parallel num_threads(threads)
    {
        int i = omp_get_thread_num();
        at[i] = pin_self(m->cpus[i].pu);
#pragma omp single
        team = omp_get_num_threads();
    }
    if (team != threads) {
        snprintf(error, size, "the OpenMP runtime grants %d of %d threads; unset OMP_THREAD_LIMIT",
                 team, threads);
        return false;
    }
    for (int i = 0; i < threads; i++) {
        if (at[i] != m->cpus[i].pu) {
            snprintf(error, size,
                     "thread %d should be on CPU %d but is on %d (-1: refused); something else "
                     "sets its affinity",
                     i, m->cpus[i].pu, at[i]);
            return false;
        }
    }
    return true;
}

struct hints machine_hints(const struct machine *m, int threads)
{
    return (struct hints){.threads = threads, .l1 = m->l1, .l2 = m->l2, .llc = m->llc};
}
