/* What a CPU is called, from the numbers that real ones show. */
#include "machine/cpu_name.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

/* Texts of /proc/cpuinfo, the first core of each kind; lists of features cut short. */
#define CORE(n, mips, implementer, variant, part, revision)                                        \
    "processor\t: " n "\nBogoMIPS\t: " mips "\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"         \
    "CPU implementer\t: " implementer "\nCPU architecture: 8\nCPU variant\t: " variant             \
    "\nCPU part\t: " part "\nCPU revision\t: " revision "\n\n"

static const struct {
    const char *what, *cpuinfo, *vendor, *brand, *microarch, *numbers;
} recorded[] = {
    {"Graviton2",
     CORE("0", "243.75", "0x41", "0x3", "0xd0c", "1")
         CORE("1", "243.75", "0x41", "0x3", "0xd0c", "1"),
     "ARM", "ARM Neoverse N1", "Neoverse N1", "part 0xd0c r3p1"},
    {"Graviton3", CORE("0", "2100.00", "0x41", "0x1", "0xd40", "1"), "ARM", "ARM Neoverse V1",
     "Neoverse V1", "part 0xd40 r1p1"},
    {"Ampere Altra",
     CORE("0", "50.00", "0x41", "0x3", "0xd0c", "1")
         CORE("1", "50.00", "0x41", "0x3", "0xd0c", "1"),
     "ARM", "ARM Neoverse N1", "Neoverse N1", "part 0xd0c r3p1"},
    {"AmpereOne", CORE("0", "2000.00", "0xc0", "0x0", "0xac3", "0"), "Ampere", "Ampere Ampere-1",
     "Ampere-1", "part 0xac3 r0p0"},
    {"Grace", CORE("71", "2000.00", "0x41", "0x0", "0xd4f", "0"), "ARM", "ARM Neoverse V2",
     "Neoverse V2", "part 0xd4f r0p0"},
    {"Raspberry Pi 4",
     CORE("0", "108.00", "0x41", "0x0", "0xd08", "3") CORE(
         "3", "108.00", "0x41", "0x0", "0xd08",
         "3") "Hardware\t: BCM2835\nRevision\t: c03112\nModel\t\t: Raspberry Pi 4 Model B Rev 1.2\n",
     "ARM", "ARM Cortex-A72", "Cortex-A72", "part 0xd08 r0p3"},
    {"Raspberry Pi 5",
     CORE(
         "0", "108.00", "0x41", "0x4", "0xd0b",
         "1") "Revision\t: d04170\nSerial\t\t: 1000000000000000\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
     "ARM", "ARM Cortex-A76", "Cortex-A76", "part 0xd0b r4p1"},
    {"Apple M1 under Asahi",
     CORE("0", "48.00", "0x61", "0x1", "0x022", "1") CORE("1", "48.00", "0x61", "0x1", "0x022", "1")
         CORE("4", "48.00", "0x61", "0x1", "0x023", "1")
             CORE("5", "48.00", "0x61", "0x1", "0x023", "1"),
     "Apple", "Apple M1", "Firestorm + Icestorm", "part 0x023 r1p1"},
    {"Linux in a virtual machine of a Mac", CORE("0", "48.00", "0x61", "0x0", "0x000", "0"),
     "Apple", "Apple virtual core", "virtual core", "part 0x000 r0p0"},
    {"RK3399, small and large cores",
     CORE("0", "48.00", "0x41", "0x0", "0xd03", "4") CORE("1", "48.00", "0x41", "0x0", "0xd03", "4")
         CORE("4", "48.00", "0x41", "0x0", "0xd08", "2"),
     "ARM", "ARM Cortex-A72 + Cortex-A53", "Cortex-A72 + Cortex-A53", "part 0xd08 r0p2"},
    {"three kinds of core",
     CORE("0", "38.40", "0x41", "0x2", "0xd05", "0") CORE("4", "38.40", "0x41", "0x1", "0xd41", "0")
         CORE("7", "38.40", "0x41", "0x1", "0xd44", "0"),
     "ARM", "ARM Cortex-X1 + Cortex-A78 + Cortex-A55", "Cortex-X1 + Cortex-A78 + Cortex-A55",
     "part 0xd44 r1p0"},
    {"a kernel of old: one entry for all cores",
     "Processor\t: AArch64 Processor rev 4 (aarch64)\nprocessor\t: 0\nprocessor\t: 1\nFeatures\t: fp asimd aes\n"
     "CPU implementer\t: 0x41\nCPU architecture: AArch64\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n",
     "ARM", "ARM Cortex-A53", "Cortex-A53", "part 0xd03 r0p4"},
    {"a core newer than the table", CORE("0", "1000.00", "0x41", "0x0", "0xdff", "1"), "ARM",
     "ARM part 0xdff", "part 0xdff", "part 0xdff r0p1"},
    {"a maker newer than the table", CORE("0", "1000.00", "0x99", "0x0", "0x123", "0"),
     "maker 0x99", "maker 0x99 part 0x123", "part 0x123", "part 0x123 r0p0"},
    {"nothing", "", "", "unknown AArch64 CPU", "AArch64", ""},
    {"no numbers", "CPU implementer\t: \nCPU part\t: -1\nCPU revision\t: 0x10000000000\n", "",
     "unknown AArch64 CPU", "AArch64", ""},
    {"the host's, seen by an emulator",
     "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n", "",
     "unknown AArch64 CPU", "AArch64", ""},
};

static struct machine m;

static void recorded_texts(void **state)
{
    (void)state;
    char numbers[CPU_NUMBERS_TEXT];
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        m = (struct machine){0};
        cpu_names_arm(&m, recorded[i].cpuinfo);
        print_message("%s: %s\n", recorded[i].what, m.brand);
        assert_string_equal(m.vendor, recorded[i].vendor);
        assert_string_equal(m.brand, recorded[i].brand);
        assert_string_equal(m.microarch, recorded[i].microarch);
        assert_string_equal(cpu_numbers(&m, numbers), recorded[i].numbers);
    }
}

/* More kinds than there is room for are cut, not written past the end. */
static void many_kinds(void **state)
{
    (void)state;
    char text[4096] = "";
    for (int i = 0; i < 12; i++) {
        const size_t n = strlen(text);
        snprintf(
            text + n, sizeof text - n,
            "CPU implementer\t: 0x41\nCPU variant\t: 0x0\nCPU part\t: 0x%x\nCPU revision\t: 0\n",
            0xe00 + i);
    }
    m = (struct machine){0};
    cpu_names_arm(&m, text);
    assert_true(strlen(m.microarch) < sizeof m.microarch && strlen(m.brand) < sizeof m.brand);
    assert_non_null(strstr(m.brand, "part 0xe07"));
}

static void emulators_show_the_host(void **state)
{
    (void)state;
    const char *arm = recorded[0].cpuinfo, *intel = "processor\t: 0\nvendor_id\t: GenuineIntel\n",
               *riscv = "processor\t: 0\nhart\t: 0\nisa\t: rv64imafdc\n";
    assert_true(cpuinfo_foreign(arm, true));
    assert_false(cpuinfo_foreign(arm, false));
    assert_true(cpuinfo_foreign(intel, false));
    assert_false(cpuinfo_foreign(intel, true));
    assert_true(cpuinfo_foreign(riscv, true) && cpuinfo_foreign(riscv, false));
    assert_false(cpuinfo_foreign("", true) || cpuinfo_foreign("", false));
}

static void microarchitectures(void **state)
{
    (void)state;
    assert_string_equal(cpu_microarch("GenuineIntel", 6, 0x8f, true), "Sapphire Rapids");
    assert_string_equal(cpu_microarch("GenuineIntel", 6, 0x3c, false), "Haswell");
    assert_string_equal(cpu_microarch("AuthenticAMD", 0x19, 0x11, false), "Zen 4");
    assert_string_equal(cpu_microarch("AuthenticAMD", 0x19, 0x01, false), "Zen 3");
    assert_string_equal(cpu_microarch("AuthenticAMD", 0x1a, 0x02, false), "Zen 5");
    assert_null(cpu_microarch("GenuineIntel", 6, 0xff, false));
    /* The model number is the hypervisor's invention; tiles are not. */
    assert_string_equal(cpu_microarch("GenuineIntel", 6, 0xa7, true), "Sapphire Rapids or later");
    assert_string_equal(cpu_microarch("GenuineIntel", 6, 0xa7, false), "Rocket Lake");
}

/* Whatever this machine is, it has a name, and none made of numbers that were not there. */
static void this_cpu(void **state)
{
    (void)state;
    char numbers[CPU_NUMBERS_TEXT];
    m = (struct machine){0};
    cpu_identify(&m);
    assert_true(*m.brand && *m.microarch);
    assert_null(strstr(m.microarch, "-1"));
    assert_null(strstr(cpu_numbers(&m, numbers), "-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_texts),
        cmocka_unit_test(many_kinds),
        cmocka_unit_test(emulators_show_the_host),
        cmocka_unit_test(microarchitectures),
        cmocka_unit_test(this_cpu),
    };
    return cmocka_run_group_tests_name("cpu_name", tests, NULL, NULL);
}
