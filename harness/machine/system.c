/* Reads /proc, /sys and the libraries; measures the clock under load. */
#include "machine/system.h"
#include "core/clock.h"
#include "core/input_file.h"
#include "core/stat.h"

#include <ctype.h>
#include <gnu/libc-version.h>
#include <hwloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define TEXT 8192

extern char **environ;

void json_set_text(json_t *object, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(object, key, json_string(value));
}

void json_set_number(json_t *object, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(object, key, json_real(value));
}

/* The value of the first line `key : value` of a file, "" where there is none. */
static char *file_value(const char *path, const char *key, char text[TEXT])
{
    char line[TEXT];
    text[0] = '\0';
    FILE *f = fopen(path, "r");
    while (f && !*text && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        size_t n = colon ? (size_t)(colon - line) : 0;
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            n--;
        if (n > 0 && n == strlen(key) && !strncmp(line, key, n)) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(text, TEXT, "%s", colon + 1 + strspn(colon + 1, " \t"));
        }
    }
    if (f)
        fclose(f);
    return text;
}

/* The number a file begins with, NAN where there is none. */
static double file_number(const char *path)
{
    char text[64], *end;
    double value = strtod(system_text(path, text, sizeof text), &end);
    return end > text ? value : NAN;
}

void system_describe(json_t *o)
{
    char text[TEXT];
    struct utsname name;
    json_set_text(o, "microcode", file_value("/proc/cpuinfo", "microcode", text));
    file_value("/proc/cpuinfo", "flags", text);
    json_set_text(o, "isa_flags_present",
                  *text ? text : file_value("/proc/cpuinfo", "Features", text));
    if (!uname(&name)) {
        snprintf(text, sizeof text, "%s %s", name.sysname, name.release);
        json_set_text(o, "kernel", text);
        json_set_text(o, "architecture", name.machine);
    }
    snprintf(text, sizeof text, "glibc %s", gnu_get_libc_version());
    json_set_text(o, "c_library", text);
    json_set_number(o, "page_bytes", (double)sysconf(_SC_PAGESIZE));
    if (*file_value("/proc/meminfo", "Hugepagesize", text))
        json_set_number(o, "huge_page_bytes", 1024 * atof(text));
    if (*file_value("/proc/meminfo", "HugePages_Total", text))
        json_set_number(o, "huge_pages_reserved", atof(text));
}

/* Conditions */

/* Joules of all packages. The counters wrap after some hours of load; a run that sees one wrap has no energy. */
static double package_energy(void)
{
    double joules = NAN;
    for (int i = 0; i < 16; i++) {
        char path[96];
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", i);
        double microjoules = file_number(path);
        if (isfinite(microjoules))
            joules = (isfinite(joules) ? joules : 0) + 1e-6 * microjoules;
    }
    return joules;
}

void conditions_read(struct conditions *c)
{
    *c = (struct conditions){.energy = package_energy()};
    if (getloadavg(&c->load, 1) != 1)
        c->load = NAN;
    /* user nice system idle iowait irq softirq steal, in ticks */
    double ticks[8] = {0}, second = (double)sysconf(_SC_CLK_TCK);
    char text[256];
    if (sscanf(system_text("/proc/stat", text, sizeof text), "cpu %lf %lf %lf %lf %lf %lf %lf %lf",
               ticks, ticks + 1, ticks + 2, ticks + 3, ticks + 4, ticks + 5, ticks + 6,
               ticks + 7) == 8) {
        c->stolen = ticks[7] / second;
        c->busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]) / second;
    }
}

double conditions_steal(const struct conditions *before, const struct conditions *after)
{
    double busy = after->busy - before->busy;
    return busy > 0 ? 100 * (after->stolen - before->stolen) / busy : 0;
}

static json_t *conditions_json(const struct conditions *before, const struct conditions *after)
{
    json_t *o = json_object();
    double energy = after->energy - before->energy;
    json_set_number(o, "load_before", before->load);
    json_set_number(o, "load_after", after->load);
    json_set_number(o, "steal_percent", conditions_steal(before, after));
    if (energy > 0)
        json_set_number(o, "energy_joules", energy);
    return o;
}

/* Clock */

/* The clock frequency is measured by a chain of dependent additions: one per cycle on every supported CPU.
 * (Not additions of a constant, which some CPUs remove in the rename stage.) For the frequency under
 * vector load, the chain runs directly after the load, before the clock recovers, so that it does not
 * compete with the load for ports. */
#define CHAIN_STEPS 40000
#define CHAIN_LENGTH 8
#define CLOCK_TRIES 9
#define LOAD_SECONDS 0.004
#define LOAD_STEPS 1000

static double chain_mhz(void)
{
    long x = 0, one = 1;
    double start = now();
    for (int i = 0; i < CHAIN_STEPS; i++) {
#if defined(__x86_64__)
        __asm__ volatile(".rept 8\n\tadd %1, %0\n\t.endr" : "+r"(x) : "r"(one) : "cc");
#else
        __asm__ volatile(".rept 8\n\tadd %0, %0, %1\n\t.endr" : "+r"(x) : "r"(one));
#endif
    }
    return 1e-6 * CHAIN_STEPS * CHAIN_LENGTH / (now() - start);
}

static void no_load(void) {}

#if defined(__x86_64__)

/* Twelve multiply-adds a step keep any two ports of latency up to six cycles busy. Zeros all along. */
static void load_avx2(void)
{
    for (int i = 0; i < LOAD_STEPS; i++)
        __asm__ volatile(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\tvxorps %%ymm\\r, %%ymm\\r, %%ymm\\r\n\t.endr\n\t"
            ".rept 8\n\t.irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"
            "vfmadd231ps %%ymm\\r, %%ymm\\r, %%ymm\\r\n\t.endr\n\t.endr\n\tvzeroupper" ::
                : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                  "xmm10", "xmm11");
}

static void load_avx512(void)
{
    for (int i = 0; i < LOAD_STEPS; i++)
        __asm__ volatile(
            ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\tvpxord %%zmm\\r, %%zmm\\r, %%zmm\\r\n\t.endr\n\t"
            ".rept 8\n\t.irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t"
            "vfmadd231ps %%zmm\\r, %%zmm\\r, %%zmm\\r\n\t.endr\n\t.endr\n\tvzeroupper" ::
                : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                  "xmm10", "xmm11");
}

/* MHz as the CPU states its base clock; 0 where it does not. */
static double stated_mhz(void)
{
    unsigned a = 0, b, c, d;
    return __get_cpuid(0x16, &a, &b, &c, &d) ? a & 0xffff : 0;
}

#else

static double stated_mhz(void)
{
    return 0;
}

#endif

/* Median of several tries on the first usable CPU. */
static double loaded_mhz(void (*load)(void))
{
    double mhz[CLOCK_TRIES];
    for (int i = 0; i < CLOCK_TRIES; i++) {
        double end = now() + LOAD_SECONDS;
        while (now() < end)
            load();
        mhz[i] = chain_mhz();
    }
    return stat_median(mhz, CLOCK_TRIES);
}

/* The nominal clock, from the kernel, from cpuid, from the CPU's name, or, in a virtual machine, from
 * cpuinfo, which there states the host's base clock. NAN: nothing tells it. */
static double nominal_mhz(const struct machine *m)
{
    char text[TEXT];
    double kilohertz = file_number("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency");
    const char *at = strchr(m->brand, '@');
    double stated = isfinite(kilohertz) ? kilohertz / 1e3 : stated_mhz();
    if (!(stated > 0) && at)
        stated = atof(at + 1) * (strstr(at, "GHz") ? 1e3 : 1);
    if (!(stated > 0) && m->virtualised)
        stated = atof(file_value("/proc/cpuinfo", "cpu MHz", text));
    return stated > 0 ? stated : NAN;
}

static json_t *clock_json(const struct machine *m)
{
    json_t *o = json_object();
    char error[256];
    json_set_number(o, "nominal", nominal_mhz(m));
    if (!machine_pin_team(m, 1, error, sizeof error))
        return o;
    json_set_number(o, "scalar", loaded_mhz(no_load));
#if defined(__x86_64__)
    if (m->isa >= ISA_AVX2)
        json_set_number(o, "avx2", loaded_mhz(load_avx2));
    if (m->isa >= ISA_AVX512)
        json_set_number(o, "avx512", loaded_mhz(load_avx512));
#endif
    return o;
}

/* Software */

void public_path(char *to, size_t size, const char *text)
{
    const char *value = strchr(text, '=') ? strchr(text, '=') + 1 : text;
    value = *text == '/' || *text == '~' ? text : value;
    const char *last = strrchr(value, '/');
    if ((*value == '/' || *value == '~') && last)
        snprintf(to, size, "%.*s.../%s", (int)(value - text), text, last + 1);
    else
        snprintf(to, size, "%s", text);
}

/* Variables that change what OpenMP runtimes and the libraries do. */
static json_t *environment_json(void)
{
    static const char *const prefixes[] = {"OMP_",    "GOMP_",     "KMP_", "DNNL_",
                                           "ONEDNN_", "OPENBLAS_", NULL};
    json_t *o = json_object();
    for (char **e = environ; *e; e++) {
        char name[64], value[512];
        const char *equals = strchr(*e, '=');
        if (!equals || (size_t)(equals - *e) >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - *e), *e);
        public_path(value, sizeof value, equals + 1);
        for (int i = 0; prefixes[i]; i++)
            if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
                json_set_text(o, name, value);
    }
    return o;
}

static json_t *libraries_json(void)
{
    unsigned hwloc = hwloc_get_api_version();
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", hwloc >> 16, hwloc >> 8 & 255, hwloc & 255);
    return json_pack("{s:s, s:s, s:s}", "hwloc", text, "jansson", JANSSON_VERSION, "zlib",
                     zlibVersion());
}

json_t *system_document(const json_t *context, const struct machine *m,
                        const struct conditions *before, const struct conditions *after)
{
    /* These are there for readers of Google Benchmark's format; the machine's own fields say the same. */
    static const char *const theirs[] = {"executable", "num_cpus", "cpu_scaling_enabled",
                                         "caches",     "load_avg", "library_build_type",
                                         NULL};
    json_t *o = json_deep_copy(context);
    for (int i = 0; theirs[i]; i++)
        json_object_del(o, theirs[i]);
    json_object_set_new(o, "clock_mhz", clock_json(m));
    json_object_set_new(o, "conditions", conditions_json(before, after));
    json_object_set_new(o, "libraries", libraries_json());
    json_object_set_new(o, "environment", environment_json());
    return o;
}
