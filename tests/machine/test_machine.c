/* The machine module on topologies this machine does not have, and its own on this one. */
#define _GNU_SOURCE /* sched_getcpu */
#include "core/limits.h"
#include "machine/machine.h"

#include <hwloc.h>
#include <omp.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static struct machine m;

/* Two sockets, each 4 cores of 2 hardware threads. */
#define TWO_SOCKETS                                                                                \
    "pack:2 [numa] l3:1(size=33554432) l2:4(size=1048576) l1d:1(size=49152) core:1 pu:2"

static void two_sockets_one_thread_a_core(void **state)
{
    (void)state;
    assert_true(machine_from_synthetic(&m, TWO_SOCKETS, NULL, 0));
    assert_int_equal(m.sockets, 2);
    assert_int_equal(m.cores, 8);
    assert_int_equal(m.hardware_threads, 16);
    assert_int_equal(m.smt, 2);
    assert_int_equal(m.numa_nodes, 2);
    assert_int_equal(m.cpu_count, 8);
    assert_int_equal(m.l1, 49152);
    assert_int_equal(m.l2, 1 << 20);
    assert_int_equal(m.llc, 32 << 20);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(m.cpus[i].core, i);
        assert_int_equal(m.cpus[i].pu, 2 * i);
        assert_int_equal(m.cpus[i].socket, i / 4);
        assert_int_equal(m.cpus[i].numa, i / 4);
        assert_int_equal(m.cpus[i].siblings, 2);
    }
}

static void affinity_mask_is_respected(void **state)
{
    (void)state;
    /* Only the second thread of core 1, both of core 2, and one of the other socket. */
    assert_true(machine_from_synthetic(&m, TWO_SOCKETS, "3-5,15", 0));
    assert_int_equal(m.cpu_count, 3);
    assert_int_equal(m.cpus[0].pu, 3);
    assert_int_equal(m.cpus[1].pu, 4);
    assert_int_equal(m.cpus[2].pu, 15);
    assert_int_equal(m.cpus[2].socket, 1);
}

static void quota_limits_the_team(void **state)
{
    (void)state;
    assert_true(machine_from_synthetic(&m, TWO_SOCKETS, NULL, 3.5));
    assert_int_equal(m.cpu_count, 3);
    assert_true(machine_from_synthetic(&m, TWO_SOCKETS, NULL, 0.5));
    assert_int_equal(m.cpu_count, 1);
    assert_true(machine_from_synthetic(&m, TWO_SOCKETS, NULL, 64));
    assert_int_equal(m.cpu_count, 8);
}

static void no_cpu_left_is_an_error(void **state)
{
    (void)state;
    assert_false(machine_from_synthetic(&m, TWO_SOCKETS, "99", 0));
    assert_false(machine_from_synthetic(&m, "no such thing", NULL, 0));
}

/* A virtual machine that describes neither packages nor caches. */
static void bare_description_still_has_sizes(void **state)
{
    (void)state;
    assert_true(machine_from_synthetic(&m, "pu:2", NULL, 0));
    assert_int_equal(m.cpu_count, 2);
    assert_int_equal(m.sockets, 1);
    assert_int_equal(m.core_kinds, 1);
    assert_true(m.l1 > 0 && m.l2 >= m.l1 && m.llc >= m.l2);
}

/* Four slow cores with the lower numbers, two fast ones behind them, as firmware may well order them. */
static void fast_cores_come_first(void **state)
{
    (void)state;
    hwloc_topology_t topology;
    hwloc_bitmap_t slow = hwloc_bitmap_alloc(), fast = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(slow, 0, 3);
    hwloc_bitmap_set_range(fast, 4, 5);
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, "pack:1 core:6 pu:1"), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    assert_int_equal(hwloc_cpukinds_register(topology, slow, 1, 0, NULL, 0), 0);
    assert_int_equal(hwloc_cpukinds_register(topology, fast, 9, 0, NULL, 0), 0);
    assert_true(machine_from_topology(&m, topology, NULL, 0));
    assert_int_equal(m.core_kinds, 2);
    const int expected[] = {4, 5, 0, 1, 2, 3};
    for (int i = 0; i < 6; i++)
        assert_int_equal(m.cpus[i].pu, expected[i]);
    assert_true(m.cpus[0].kind > m.cpus[2].kind);
    /* A quota keeps the fast ones. */
    assert_true(machine_from_topology(&m, topology, NULL, 2));
    assert_int_equal(m.cpu_count, 2);
    assert_int_equal(m.cpus[0].pu, 4);
    assert_int_equal(m.cpus[1].pu, 5);
    hwloc_topology_destroy(topology);
    hwloc_bitmap_free(slow);
    hwloc_bitmap_free(fast);
}

/* A topology that went through XML, as results keep it, reads the same. */
static void topology_survives_xml(void **state)
{
    (void)state;
    hwloc_topology_t topology, again;
    char *xml;
    int length;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, TWO_SOCKETS), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    assert_int_equal(hwloc_topology_export_xmlbuffer(topology, &xml, &length, 0), 0);
    assert_int_equal(hwloc_topology_init(&again), 0);
    assert_int_equal(hwloc_topology_set_xmlbuffer(again, xml, length), 0);
    assert_int_equal(hwloc_topology_load(again), 0);
    assert_true(machine_from_topology(&m, again, NULL, 0));
    assert_int_equal(m.cpu_count, 8);
    assert_int_equal(m.sockets, 2);
    assert_int_equal(m.llc, 32 << 20);
    hwloc_free_xmlbuffer(topology, xml);
    hwloc_topology_destroy(topology);
    hwloc_topology_destroy(again);
}

static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); s++) {
        *s = '\0';
        mkdir(full, 0777);
        *s = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void cgroup_quotas(void **state)
{
    (void)state;
    char v2[] = "/tmp/test_machine_XXXXXX", v1[] = "/tmp/test_machine_XXXXXX", command[128];
    assert_non_null(mkdtemp(v2));
    assert_non_null(mkdtemp(v1));

    put(v2, "a/cpu.max", "150000 100000\n");
    put(v2, "a/b/cpu.max", "max 100000\n");
    assert_true(limits_of_groups(v2, "0::/a/b\n").quota == 1.5);
    assert_true(limits_of_groups(v2, "0::/elsewhere\n").quota == 0);
    put(v2, "a/b/cpu.max", "50000 100000\n");
    assert_true(limits_of_groups(v2, "0::/a/b\n").quota == 0.5);

    put(v1, "cpu/job/cpu.cfs_quota_us", "400000\n");
    put(v1, "cpu/job/cpu.cfs_period_us", "100000\n");
    put(v1, "cpu/cpu.cfs_quota_us", "-1\n");
    put(v1, "cpu/cpu.cfs_period_us", "100000\n");
    assert_true(limits_of_groups(v1, "3:cpu,cpuacct:/job\n2:memory:/job\n").quota == 4);
    assert_true(limits_of_groups(v1, "3:cpu:/\n0::/\n").quota == 0);
    /* The path of a container's group is the host's and not mounted here: the mount is the group. */
    put(v1, "cpu/cpu.cfs_quota_us", "200000\n");
    assert_true(limits_of_groups(v1, "3:cpu:/docker/0123\n").quota == 2);

    /* The memory of the least level, wherever that is; cpuset is not cpu. */
    put(v2, "a/memory.max", "1000000\n");
    put(v2, "a/b/memory.max", "max\n");
    assert_true(limits_of_groups(v2, "0::/a/b\n").memory == 1000000);
    put(v1, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(v1, "memory/job/memory.limit_in_bytes", "3000000\n");
    put(v1, "memory/job/part/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(limits_of_groups(v1, "4:memory:/job/part\n3:cpu:/\n").memory == 3000000);
    assert_true(limits_of_groups(v1, "3:cpuset:/job\n").quota == 0);

    snprintf(command, sizeof command, "rm -r %s %s", v1, v2);
    assert_int_equal(system(command), 0);
}

static void this_machine(void **state)
{
    (void)state;
    char error[512] = "";
    static struct machine here;
    assert_true(machine_detect(&here, error, sizeof error));
    assert_true(here.cpu_count >= 1);
    if (!getenv("HWLOC_SYNTHETIC"))
        assert_true(here.cpu_count <= sysconf(_SC_NPROCESSORS_CONF));
    assert_true(strlen(here.slug) > 2 && !strchr(here.slug, '/') && !strchr(here.slug, ' '));
    assert_true(here.l1 >= 4096 && here.l2 >= here.l1 && here.llc >= here.l2);
    assert_true(here.memory > 1 << 20);
    assert_non_null(here.topology_xml);
    assert_non_null(strstr(here.topology_xml, "<topology"));
    struct hints h = machine_hints(&here, 1);
    assert_int_equal(h.threads, 1);
    assert_int_equal(h.llc, here.llc);
    machine_free(&here);
}

/* Threads born while the process was held to one CPU must still spread over their cores. */
static void team_leaves_the_core_it_was_born_on(void **state)
{
    (void)state;
    char error[512] = "";
    static struct machine here;
    assert_true(machine_detect(&here, error, sizeof error));
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)here.cpus[0].pu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int at[MAX_CPUS] = {0};
#pragma omp parallel num_threads(here.team)
    at[omp_get_thread_num()] = sched_getcpu();
    /* A runtime that binds threads puts them elsewhere by itself. */
    for (int i = 0; i < here.team && omp_get_proc_bind() == omp_proc_bind_false; i++)
        assert_int_equal(at[i], here.cpus[0].pu);

    assert_true(machine_pin_team(&here, here.team, error, sizeof error));
#pragma omp parallel num_threads(here.team)
    at[omp_get_thread_num()] = sched_getcpu();
    for (int i = 0; i < here.team; i++)
        assert_int_equal(at[i], here.cpus[i].pu);

    assert_false(machine_pin_team(&here, here.cpu_count + 1, error, sizeof error));
    assert_non_null(strstr(error, "usable"));
    assert_false(machine_pin_team(&here, 0, error, sizeof error));
    machine_free(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sockets_one_thread_a_core),
        cmocka_unit_test(affinity_mask_is_respected),
        cmocka_unit_test(quota_limits_the_team),
        cmocka_unit_test(no_cpu_left_is_an_error),
        cmocka_unit_test(bare_description_still_has_sizes),
        cmocka_unit_test(fast_cores_come_first),
        cmocka_unit_test(topology_survives_xml),
        cmocka_unit_test(cgroup_quotas),
        cmocka_unit_test(this_machine),
        cmocka_unit_test(team_leaves_the_core_it_was_born_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
