/* Reads control groups, the memory there is and what this process uses of it. */
#include "core/limits.h"
#include "core/input_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* quota / period of one group's folder, 0 = no limit. */
static double group_quota(const char *folder, bool v2)
{
    char path[1024], text[128];
    double quota = 0, period = 0;
    if (v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (sscanf(system_text(path, text, sizeof text), "%lf %lf", &quota, &period) != 2)
            return 0;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        quota = atof(system_text(path, text, sizeof text));
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        period = atof(system_text(path, text, sizeof text));
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The bytes a group's folder allows, UINT64_MAX = no limit. */
static uint64_t group_memory(const char *folder, bool v2)
{
    char path[1024], text[128];
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    system_text(path, text, sizeof text);
    return isdigit((unsigned char)text[0]) ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* Narrows the limits by every level of one hierarchy, from the process' own group up to the mount. */
static void narrow(struct limits *limits, const char *mount, const char *group, bool v2)
{
    char folder[900];
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    for (;;) {
        double quota = group_quota(folder, v2);
        if (quota > 0 && (limits->quota == 0 || quota < limits->quota))
            limits->quota = quota;
        uint64_t memory = group_memory(folder, v2);
        if (memory < limits->memory)
            limits->memory = memory;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || !slash)
            return;
        *slash = '\0';
    }
}

/* Is the controller in a list separated by commas? */
static bool lists(const char *controllers, const char *controller)
{
    size_t length = strlen(controller);
    for (const char *s = controllers; *s; s += strcspn(s, ","), s += *s == ',')
        if (strcspn(s, ",") == length && !strncmp(s, controller, length))
            return true;
    return false;
}

/* In a container, the group's path often names a folder of the host that is not mounted. Then the mount
 * itself is the group; narrow() always ends there. */
struct limits limits_of_groups(const char *root, const char *membership)
{
    static const struct {
        const char *mount, *controller;
    } v1[] = {{"cpu", "cpu"}, {"cpu,cpuacct", "cpu"}, {"memory", "memory"}};
    struct limits limits = {.quota = 0, .memory = UINT64_MAX};
    char line[900], mount[512];
    for (const char *s = membership; *s; s += strcspn(s, "\n"), s += *s == '\n') {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(s, "\n"), s);
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        if (!strcmp(group, "/"))
            *group = '\0';
        if (!*controllers) {
            narrow(&limits, root, group, true);
            snprintf(mount, sizeof mount, "%s/unified", root);
            narrow(&limits, mount, group, true);
        }
        for (size_t i = 0; i < sizeof v1 / sizeof v1[0]; i++) {
            if (!lists(controllers, v1[i].controller))
                continue;
            snprintf(mount, sizeof mount, "%s/%s", root, v1[i].mount);
            narrow(&limits, mount, group, false);
        }
    }
    return limits;
}

/* Read once: the groups of a process do not change while it runs. */
static struct limits own_groups(void)
{
    static struct limits limits;
    static bool known;
    if (!known) {
        char text[8192];
        limits =
            limits_of_groups("/sys/fs/cgroup", system_text("/proc/self/cgroup", text, sizeof text));
        known = true;
    }
    return limits;
}

double cpu_quota(void)
{
    return own_groups().quota;
}

uint64_t memory_limit(void)
{
    struct rlimit address_space;
    uint64_t limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (own_groups().memory < limit)
        limit = own_groups().memory;
    if (!getrlimit(RLIMIT_AS, &address_space) && address_space.rlim_cur < limit)
        limit = address_space.rlim_cur;
    return limit;
}

uint64_t memory_room(void)
{
    char text[128];
    unsigned long long total = 0, resident = 0;
    sscanf(system_text("/proc/self/statm", text, sizeof text), "%llu %llu", &total, &resident);
    uint64_t used = resident * (uint64_t)sysconf(_SC_PAGESIZE), limit = memory_limit();
    return used < limit ? limit - used : 0;
}

bool memory_holds(double bytes, const char *what, char *error, size_t size)
{
    double room = (double)memory_room(), unit = bytes < 0x1p30 ? 0x1p20 : 0x1p30;
    if (bytes <= room)
        return true;
    snprintf(
        error, size,
        "%s would take %.2f %s of memory, of which %.2f %s are left here (limit %.2f %s); use smaller sizes",
        what, bytes / unit, unit == 0x1p20 ? "MiB" : "GiB", room / unit,
        unit == 0x1p20 ? "MiB" : "GiB", (double)memory_limit() / unit,
        unit == 0x1p20 ? "MiB" : "GiB");
    return false;
}
