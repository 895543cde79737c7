/* Looks variants up and says why one cannot run. The table itself is generated. */
#include "problem/registry.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

const char *const isa_names[ISA_COUNT] = {"base", "avx2", "avx512", "avx512bf16"};

const struct entry *registry_find(const char *op, const char *name)
{
    for (int i = 0; i < registry_count; i++)
        if (!strcmp(registry[i].op, op) && !strcmp(registry[i].name, name))
            return &registry[i];
    return NULL;
}

bool registry_match(const struct entry *e, const char *pattern)
{
    if (!pattern || !*pattern)
        return true;
    char full[128];
    snprintf(full, sizeof full, "%s/%s", e->op, e->name);
    bool wanted = *pattern == '!'; /* a pattern that only excludes begins with everything */
    while (*pattern) {
        bool excludes = *pattern == '!';
        pattern += excludes;
        char glob[128];
        size_t length = strcspn(pattern, ",");
        snprintf(glob, sizeof glob, "%.*s", (int)length, pattern);
        pattern += length + (pattern[length] == ',');
        if (strchr(glob, '/') ? !fnmatch(glob, full, 0)
                              : !fnmatch(glob, e->op, 0) || !fnmatch(glob, e->name, 0))
            wanted = !excludes;
    }
    return wanted;
}

/* isa_detect, once: cpuid leaves a virtual machine each time. */
static enum isa isa_here(void)
{
    static int isa = -1;
    if (isa < 0)
        isa = (int)isa_detect();
    return (enum isa)isa;
}

const char *registry_why_not(const struct entry *e, enum isa cap)
{
    static const char *const lacks[ISA_COUNT] = {"", "this CPU (or --isa) stops below avx2",
                                                 "this CPU (or --isa) stops below avx512",
                                                 "this CPU (or --isa) stops below avx512bf16"};
    if (e->foreign)
        return e->foreign;
    if (e->variant->peer && cap < isa_here())
        return "a library chooses its own instructions; --isa does not bind it";
    return e->variant->isa > cap ? lacks[e->variant->isa] : NULL;
}

const char *registry_why_not_problem(const struct entry *e, const struct problem *p,
                                     struct formats f)
{
    const struct op *op = op_find(e->op);
    if (!op || op->kind != p->kind)
        return "the problem is of another kind of operation";
    if (op->refuse && op->refuse(p))
        return op->refuse(p);
    for (int i = 0; i < MAX_FORMATS && e->variant->formats[i].src != LAYOUT_NONE; i++)
        if (e->variant->formats[i].src == f.src && e->variant->formats[i].dst == f.dst)
            return e->variant->fits ? e->variant->fits(p, f) : NULL;
    return "the variant does not take these layouts";
}

#if defined(__x86_64__)

/* The register state the operating system saves: bit 1 xmm, 2 ymm, 5..7 opmask and zmm. */
static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

enum isa isa_detect(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA))
        return ISA_BASE;
    unsigned state = saved_state();
    if ((state & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
        return ISA_BASE;
    unsigned avx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    if ((state & 0xe6) != 0xe6 || (b & avx512) != avx512)
        return ISA_AVX2;
    if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & (1u << 5)))
        return ISA_AVX512;
    return ISA_AVX512BF16;
}

#else

enum isa isa_detect(void)
{
    return ISA_BASE;
}

#endif
