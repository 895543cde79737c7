/* The machine as cpuid, hwloc and the kernel's files describe it, and the pinning of threads to its
 * cores.
 *
 * Usable CPUs: one hardware thread per core, among those the affinity mask allows. The fastest kind of
 * core comes first, then socket by socket. Their number is limited by the cgroup's CPU quota. */
#ifndef BATCHMARK_MACHINE_H
#define BATCHMARK_MACHINE_H

#include "kernel.h"
#include "machine/team.h"

#define MAX_CPUS 1024
#define MAX_WARNINGS 16
#define WARNING_TEXT 256

/* One usable CPU. Numbers are the operating system's. */
struct cpu {
    int pu, core, socket, numa;
    int kind;     /* 0 = the slowest kind of core of the machine */
    int siblings; /* hardware threads of its core, itself included */
};

struct machine {
    char vendor[16]; /* "GenuineIntel"; "" where unknown */
    char brand[64];  /* cpuid's, or the maker and what it sells or designed */
    char microarch
        [64]; /* "Zen 4", "Neoverse N1", ... or "family 6 model 167"; "Cortex-A76 + Cortex-A55" */
    char slug[128]; /* folder name of its results: brand, microarchitecture and number of usable
                           cores */
    int family, model,
        stepping; /* on AArch64: of the architecture, MIDR's part, variant << 4 | revision */
    enum isa isa;

    int sockets, cores, hardware_threads, smt, numa_nodes, core_kinds;
    size_t l1, l2, llc; /* bytes: L1 data and L2 of the first usable core, last level as far as one
                           core reaches */
    size_t memory;      /* bytes this process may use: the cgroup's limit or what is installed */

    struct cpu cpus[MAX_CPUS]; /* the usable ones, in the order threads are pinned */
    int cpu_count;
    int team; /* the largest possible team: cpu_count, or fewer, and then team_why */
    char team_why[TEAM_TEXT]; /* says what limits it */
    double quota;             /* in CPUs, of the cgroup; 0 = no limit */

    bool virtualised;
    char hypervisor[16]; /* cpuid's signature; "" where there is none */
    bool emulated; /* instructions are interpreted or translated (qemu TCG): never time anything */
    char governor[32];   /* frequency governor; "" where unreadable */
    char turbo[8];       /* "on", "off"; "" where unreadable */
    char huge_pages[16]; /* transparent huge pages: "always", "madvise", "never"; "" where
                            unreadable */
    double load;         /* load average of the last minute */

    /* What makes figures on this machine doubtful, and what to do about it: one sentence each. */
    char warnings[MAX_WARNINGS][WARNING_TEXT];
    int warning_count;

    char *topology_xml; /* hwloc's export, owned; NULL where not read from the real machine */
};

/* Describes this machine. Uses the affinity mask that the process was started with, not the caller's
 * (affinity.h). False: `error` says why hwloc refused. */
bool machine_detect(struct machine *m, char *error, size_t size);
void machine_free(struct machine *m);

/* Fills the topology fields and the usable CPUs from a loaded hwloc topology. `allowed`: the affinity
 * mask as a list ("0-3,8"), NULL: all. quota: of the cgroup, in CPUs, 0 = no limit. False: no CPU is
 * left. */
struct hwloc_topology;
bool machine_from_topology(struct machine *m, struct hwloc_topology *topology, const char *allowed,
                           double quota);

/* The same from an hwloc synthetic description ("pack:2 l3:1 core:4 pu:2"). */
bool machine_from_synthetic(struct machine *m, const char *description, const char *allowed,
                            double quota);

/* Pins thread i of the OpenMP team of `threads` to cpus[i] and checks with sched_getcpu that it runs
 * there, whatever mask the thread started with. Call before every row. False: `error` says which thread
 * is where. */
bool machine_pin_team(const struct machine *m, int threads, char *error, size_t size);

/* What kernels may know: team size and cache sizes. */
struct hints machine_hints(const struct machine *m, int threads);

#endif
