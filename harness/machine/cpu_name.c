/* What CPU this is. */
#define _GNU_SOURCE /* getdelim */
#include "machine/cpu_name.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* x86 */

struct model_range {
    const char *vendor;
    int family, first, last;
    const char *name;
};

/* Families and models as the vendors' manuals list them; ranges where a generation has one. */
static const struct model_range models[] = {
    {"GenuineIntel", 6, 0x2a, 0x2a, "Sandy Bridge"},
    {"GenuineIntel", 6, 0x2d, 0x2d, "Sandy Bridge"},
    {"GenuineIntel", 6, 0x3a, 0x3a, "Ivy Bridge"},
    {"GenuineIntel", 6, 0x3e, 0x3e, "Ivy Bridge"},
    {"GenuineIntel", 6, 0x3c, 0x3c, "Haswell"},
    {"GenuineIntel", 6, 0x3f, 0x3f, "Haswell"},
    {"GenuineIntel", 6, 0x45, 0x46, "Haswell"},
    {"GenuineIntel", 6, 0x3d, 0x3d, "Broadwell"},
    {"GenuineIntel", 6, 0x47, 0x47, "Broadwell"},
    {"GenuineIntel", 6, 0x4f, 0x4f, "Broadwell"},
    {"GenuineIntel", 6, 0x56, 0x56, "Broadwell"},
    {"GenuineIntel", 6, 0x4e, 0x4e, "Skylake"},
    {"GenuineIntel", 6, 0x5e, 0x5e, "Skylake"},
    {"GenuineIntel", 6, 0x55, 0x55, "Skylake-SP or Cascade Lake"},
    {"GenuineIntel", 6, 0x8e, 0x8e, "Kaby Lake"},
    {"GenuineIntel", 6, 0x9e, 0x9e, "Kaby Lake"},
    {"GenuineIntel", 6, 0xa5, 0xa6, "Comet Lake"},
    {"GenuineIntel", 6, 0x6a, 0x6a, "Ice Lake-SP"},
    {"GenuineIntel", 6, 0x6c, 0x6c, "Ice Lake-SP"},
    {"GenuineIntel", 6, 0x7d, 0x7e, "Ice Lake"},
    {"GenuineIntel", 6, 0x8c, 0x8d, "Tiger Lake"},
    {"GenuineIntel", 6, 0xa7, 0xa7, "Rocket Lake"},
    {"GenuineIntel", 6, 0x97, 0x97, "Alder Lake"},
    {"GenuineIntel", 6, 0x9a, 0x9a, "Alder Lake"},
    {"GenuineIntel", 6, 0xb7, 0xb7, "Raptor Lake"},
    {"GenuineIntel", 6, 0xba, 0xba, "Raptor Lake"},
    {"GenuineIntel", 6, 0xbf, 0xbf, "Raptor Lake"},
    {"GenuineIntel", 6, 0xaa, 0xac, "Meteor Lake"},
    {"GenuineIntel", 6, 0x8f, 0x8f, "Sapphire Rapids"},
    {"GenuineIntel", 6, 0xcf, 0xcf, "Emerald Rapids"},
    {"GenuineIntel", 6, 0xad, 0xae, "Granite Rapids"},
    {"AuthenticAMD", 0x15, 0x00, 0xff, "Bulldozer family"},
    {"AuthenticAMD", 0x17, 0x00, 0x2f, "Zen"},
    {"AuthenticAMD", 0x17, 0x30, 0xff, "Zen 2"},
    {"AuthenticAMD", 0x19, 0x00, 0x0f, "Zen 3"},
    {"AuthenticAMD", 0x19, 0x10, 0x1f, "Zen 4"},
    {"AuthenticAMD", 0x19, 0x20, 0x5f, "Zen 3"},
    {"AuthenticAMD", 0x19, 0x60, 0xaf, "Zen 4"},
    {"AuthenticAMD", 0x1a, 0x00, 0xff, "Zen 5"},
};

const char *cpu_microarch(const char *vendor, int family, int model, bool amx)
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (!strcmp(models[i].vendor, vendor) && models[i].family == family &&
            model >= models[i].first && model <= models[i].last)
            name = models[i].name;
    bool has_tiles = name && strstr(name, " Rapids");
    return amx && !has_tiles && !strcmp(vendor, "GenuineIntel") ? "Sapphire Rapids or later" : name;
}

/* AArch64 */

/* The first byte of MIDR says who made the core. */
static const struct {
    int implementer;
    const char *name;
} implementers[] = {
    {0x41, "ARM"},       {0x42, "Broadcom"}, {0x43, "Cavium"}, {0x46, "Fujitsu"},
    {0x48, "HiSilicon"}, {0x4e, "NVIDIA"},   {0x50, "APM"},    {0x51, "Qualcomm"},
    {0x53, "Samsung"},   {0x56, "Marvell"},  {0x61, "Apple"},  {0x6d, "Microsoft"},
    {0x70, "Phytium"},   {0xc0, "Ampere"},
};

/* Parts as the makers' manuals, Linux and GCC list them. chip: what it is sold as, where the part says so. */
static const struct {
    int implementer, part;
    const char *name, *chip;
} parts[] = {
    {0x41, 0xd01, "Cortex-A32", NULL},
    {0x41, 0xd02, "Cortex-A34", NULL},
    {0x41, 0xd03, "Cortex-A53", NULL},
    {0x41, 0xd04, "Cortex-A35", NULL},
    {0x41, 0xd05, "Cortex-A55", NULL},
    {0x41, 0xd06, "Cortex-A65", NULL},
    {0x41, 0xd07, "Cortex-A57", NULL},
    {0x41, 0xd08, "Cortex-A72", NULL},
    {0x41, 0xd09, "Cortex-A73", NULL},
    {0x41, 0xd0a, "Cortex-A75", NULL},
    {0x41, 0xd0b, "Cortex-A76", NULL},
    {0x41, 0xd0c, "Neoverse N1", NULL},
    {0x41, 0xd0d, "Cortex-A77", NULL},
    {0x41, 0xd0e, "Cortex-A76AE", NULL},
    {0x41, 0xd40, "Neoverse V1", NULL},
    {0x41, 0xd41, "Cortex-A78", NULL},
    {0x41, 0xd42, "Cortex-A78AE", NULL},
    {0x41, 0xd43, "Cortex-A65AE", NULL},
    {0x41, 0xd44, "Cortex-X1", NULL},
    {0x41, 0xd46, "Cortex-A510", NULL},
    {0x41, 0xd47, "Cortex-A710", NULL},
    {0x41, 0xd48, "Cortex-X2", NULL},
    {0x41, 0xd49, "Neoverse N2", NULL},
    {0x41, 0xd4a, "Neoverse E1", NULL},
    {0x41, 0xd4b, "Cortex-A78C", NULL},
    {0x41, 0xd4c, "Cortex-X1C", NULL},
    {0x41, 0xd4d, "Cortex-A715", NULL},
    {0x41, 0xd4e, "Cortex-X3", NULL},
    {0x41, 0xd4f, "Neoverse V2", NULL},
    {0x41, 0xd80, "Cortex-A520", NULL},
    {0x41, 0xd81, "Cortex-A720", NULL},
    {0x41, 0xd82, "Cortex-X4", NULL},
    {0x41, 0xd83, "Neoverse V3AE", NULL},
    {0x41, 0xd84, "Neoverse V3", NULL},
    {0x41, 0xd85, "Cortex-X925", NULL},
    {0x41, 0xd87, "Cortex-A725", NULL},
    {0x41, 0xd8e, "Neoverse N3", NULL},
    {0x42, 0x100, "Brahma-B53", NULL},
    {0x42, 0x516, "ThunderX2", NULL},
    {0x43, 0x0a0, "ThunderX", NULL},
    {0x43, 0x0a1, "ThunderX", NULL},
    {0x43, 0x0a2, "ThunderX", NULL},
    {0x43, 0x0a3, "ThunderX", NULL},
    {0x43, 0x0af, "ThunderX2", NULL},
    {0x43, 0x0b1, "OcteonTX2", NULL},
    {0x43, 0x0b2, "OcteonTX2", NULL},
    {0x43, 0x0b3, "OcteonTX2", NULL},
    {0x43, 0x0b8, "ThunderX3", NULL},
    {0x46, 0x001, "A64FX", NULL},
    {0x46, 0x003, "Monaka", NULL},
    {0x48, 0xd01, "TSV110", "Kunpeng 920"},
    {0x48, 0xd40, "Cortex-A76", NULL},
    {0x4e, 0x000, "Denver", NULL},
    {0x4e, 0x003, "Denver 2", NULL},
    {0x4e, 0x004, "Carmel", NULL},
    {0x50, 0x000, "X-Gene", NULL},
    {0x51, 0x001, "Oryon", NULL},
    {0x51, 0x201, "Kryo", NULL},
    {0x51, 0x205, "Kryo", NULL},
    {0x51, 0x211, "Kryo", NULL},
    {0x51, 0x800, "Kryo 2xx Gold", NULL},
    {0x51, 0x801, "Kryo 2xx Silver", NULL},
    {0x51, 0x802, "Kryo 3xx Gold", NULL},
    {0x51, 0x803, "Kryo 3xx Silver", NULL},
    {0x51, 0x804, "Kryo 4xx Gold", NULL},
    {0x51, 0x805, "Kryo 4xx Silver", NULL},
    {0x51, 0xc00, "Falkor", NULL},
    {0x51, 0xc01, "Saphira", NULL},
    {0x53, 0x001, "Exynos M1", NULL},
    {0x53, 0x002, "Exynos M3", NULL},
    {0x53, 0x003, "Exynos M4", NULL},
    {0x53, 0x004, "Exynos M5", NULL},
    {0x61, 0x000, "virtual core", NULL}, /* what Apple's hypervisor shows of any of them */
    {0x61, 0x020, "Icestorm", "A14"},
    {0x61, 0x021, "Firestorm", "A14"},
    {0x61, 0x022, "Icestorm", "M1"},
    {0x61, 0x023, "Firestorm", "M1"},
    {0x61, 0x024, "Icestorm", "M1 Pro"},
    {0x61, 0x025, "Firestorm", "M1 Pro"},
    {0x61, 0x028, "Icestorm", "M1 Max"},
    {0x61, 0x029, "Firestorm", "M1 Max"},
    {0x61, 0x030, "Blizzard", "A15"},
    {0x61, 0x031, "Avalanche", "A15"},
    {0x61, 0x032, "Blizzard", "M2"},
    {0x61, 0x033, "Avalanche", "M2"},
    {0x61, 0x034, "Blizzard", "M2 Pro"},
    {0x61, 0x035, "Avalanche", "M2 Pro"},
    {0x61, 0x038, "Blizzard", "M2 Max"},
    {0x61, 0x039, "Avalanche", "M2 Max"},
    {0x6d, 0xd49, "Neoverse N2", "Cobalt 100"},
    {0x70, 0x660, "FTC660", NULL},
    {0x70, 0x661, "FTC661", NULL},
    {0x70, 0x662, "FTC662", NULL},
    {0x70, 0x663, "FTC663", NULL},
    {0xc0, 0xac3, "Ampere-1", NULL},
    {0xc0, 0xac4, "Ampere-1A", NULL},
    {0xc0, 0xac5, "Ampere-1B", NULL},
};

/* A kind of core. */
struct core_kind {
    int implementer, part, variant, revision;
};
enum { MAX_KINDS = 8, NAME_TEXT = 32, ARMV8 = 8 };

static const char *implementer_name(int implementer, char text[NAME_TEXT])
{
    for (size_t i = 0; i < sizeof implementers / sizeof *implementers; i++)
        if (implementers[i].implementer == implementer)
            return implementers[i].name;
    snprintf(text, NAME_TEXT, "maker 0x%02x", (unsigned)implementer);
    return text;
}

/* *chip: NULL where the part alone does not say. */
static const char *part_name(const struct core_kind *kind, const char **chip, char text[NAME_TEXT])
{
    *chip = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].implementer == kind->implementer && parts[i].part == kind->part) {
            *chip = parts[i].chip;
            return parts[i].name;
        }
    snprintf(text, NAME_TEXT, "part 0x%03x", (unsigned)kind->part);
    return text;
}

/* The number of a line "key : 0x41" with this key. False: the line has another key, or no number fit for a register. */
static bool cpuinfo_number(const char *line, const char *key, int *out)
{
    const size_t n = strlen(key);
    if (strncmp(line, key, n))
        return false;
    line += n + strspn(line + n, " \t");
    char *end;
    const long value = *line == ':' ? strtol(line + 1, &end, 0) : -1;
    if (value < 0 || value > 0xfff || end == line + 1)
        return false;
    *out = (int)value;
    return true;
}

/* The kinds of core in the order they appear; returns their number. An old kernel lists its cores without
 * their kind, and one kind for all at the end. */
static int core_kinds(const char *cpuinfo, struct core_kind kinds[MAX_KINDS])
{
    struct core_kind core = {.implementer = -1};
    int count = 0;
    for (const char *line = cpuinfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        cpuinfo_number(line, "CPU implementer", &core.implementer);
        cpuinfo_number(line, "CPU variant", &core.variant);
        cpuinfo_number(line, "CPU part", &core.part);
        /* The last one of a core. */
        if (!cpuinfo_number(line, "CPU revision", &core.revision) || core.implementer < 0)
            continue;
        bool known = false;
        for (int i = 0; i < count; i++)
            known |= kinds[i].implementer == core.implementer && kinds[i].part == core.part;
        if (!known && count < MAX_KINDS)
            kinds[count++] = core;
    }
    return count;
}

void cpu_names_arm(struct machine *m, const char *cpuinfo)
{
    struct core_kind kinds[MAX_KINDS];
    const int count = core_kinds(cpuinfo, kinds);
    if (!count) {
        snprintf(m->brand, sizeof m->brand, "unknown AArch64 CPU");
        snprintf(m->microarch, sizeof m->microarch, "AArch64");
        return;
    }
    const struct core_kind *first = &kinds[count - 1];
    char text[NAME_TEXT];
    const char *chip, *name;
    size_t used = 0;
    m->microarch[0] = '\0';
    for (int i = count - 1; i >= 0 && used < sizeof m->microarch; i--)
        used += (size_t)snprintf(m->microarch + used, sizeof m->microarch - used, "%s%s",
                                 used ? " + " : "", part_name(&kinds[i], &chip, text));
    snprintf(m->vendor, sizeof m->vendor, "%.15s", implementer_name(first->implementer, text));
    part_name(first, &chip, text);
    name = chip ? chip : m->microarch;
    snprintf(m->brand, sizeof m->brand, "%s %.46s", m->vendor, name);
    m->family = ARMV8;
    m->model = first->part;
    m->stepping = first->variant << 4 | first->revision;
}

bool cpuinfo_foreign(const char *cpuinfo, bool x86)
{
    const char *const other = x86 ? "CPU implementer" : "vendor_id", *const riscv = "isa\t";
    for (const char *line = cpuinfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, other, strlen(other)) || !strncmp(line, riscv, strlen(riscv)))
            return true;
    }
    return false;
}

/* This CPU */

/* The whole of /proc/cpuinfo, the caller's; NULL where it cannot be read. */
static char *read_cpuinfo(void)
{
    char *text = NULL;
    size_t room = 0;
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f && getdelim(&text, &room, '\0', f) < 0) {
        free(text);
        text = NULL;
    }
    if (f)
        fclose(f);
    return text;
}

#if defined(__x86_64__)

static void read_cpuid(struct machine *m)
{
    unsigned a, b, c, d, text[13] = {0};
    bool amx = false;
    if (!__get_cpuid(0, &a, &b, &c, &d))
        return;
    unsigned top = a;
    memcpy(m->vendor, (unsigned[]){b, d, c}, 12);
    __get_cpuid(1, &a, &b, &c, &d);
    m->stepping = a & 15;
    m->model = (a >> 4) & 15;
    m->family = (a >> 8) & 15;
    if (m->family == 6 || m->family == 15)
        m->model += (int)((a >> 16) & 15) << 4;
    if (m->family == 15)
        m->family += (a >> 20) & 255;
    m->virtualised = c >> 31;
    if (m->virtualised) {
        /* Not __get_cpuid: it refuses leaves between the basic and the extended ones. */
        __cpuid(0x40000000, a, b, c, d);
        memcpy(m->hypervisor, (unsigned[]){b, c, d}, 12);
        for (char *s = m->hypervisor; *s; s++)
            if (!isprint((unsigned char)*s))
                *s = '\0';
    }
    if (top >= 7 && __get_cpuid_count(7, 0, &a, &b, &c, &d))
        amx = d >> 24 & 1;
    if (__get_cpuid(0x80000000, &a, &b, &c, &d) && a >= 0x80000004)
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002 + i, text + 4 * i, text + 4 * i + 1, text + 4 * i + 2,
                        text + 4 * i + 3);
    const char *brand = (const char *)text;
    snprintf(m->brand, sizeof m->brand, "%s", brand + strspn(brand, " "));
    for (size_t n = strlen(m->brand); n && m->brand[n - 1] == ' ';)
        m->brand[--n] = '\0';
    const char *name = cpu_microarch(m->vendor, m->family, m->model, amx);
    if (name)
        snprintf(m->microarch, sizeof m->microarch, "%s", name);
    m->emulated = !strncmp(m->hypervisor, "TCG", 3);
}

#endif

void cpu_identify(struct machine *m)
{
    char *cpuinfo = read_cpuinfo();
    const char *text = cpuinfo ? cpuinfo : "";
#if defined(__x86_64__)
    read_cpuid(m);
    if (!*m->brand)
        snprintf(m->brand, sizeof m->brand, "unknown x86 CPU");
    if (!*m->microarch)
        snprintf(m->microarch, sizeof m->microarch, "family %d model %d", m->family, m->model);
    m->emulated |= cpuinfo_foreign(text, true);
#else
    cpu_names_arm(m, text);
    m->emulated |= cpuinfo_foreign(text, false);
#endif
    free(cpuinfo);
}

char *cpu_numbers(const struct machine *m, char text[CPU_NUMBERS_TEXT])
{
    text[0] = '\0';
    if (m->family == ARMV8) /* no x86 has that number */
        snprintf(text, CPU_NUMBERS_TEXT, "part 0x%03x r%dp%d", (unsigned)m->model, m->stepping >> 4,
                 m->stepping & 15);
    else if (m->family)
        snprintf(text, CPU_NUMBERS_TEXT, "family %d model %d stepping %d", m->family, m->model,
                 m->stepping);
    return text;
}
