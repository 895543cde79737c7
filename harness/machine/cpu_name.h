/* What CPU this is: names for the numbers of cpuid and of AArch64's /proc/cpuinfo. */
#ifndef BATCHMARK_CPU_NAME_H
#define BATCHMARK_CPU_NAME_H

#include "machine/machine.h"

/* Fills what cpuid or /proc/cpuinfo says of this CPU: vendor, brand, microarch, family, model, stepping, virtualised,
 * hypervisor, emulated. brand and microarch are never empty. */
void cpu_identify(struct machine *m);

/* The same names from the text of AArch64's /proc/cpuinfo. If cores differ, every kind is named. Cores
 * with higher numbers come first, because firmware counts small cores first. model and stepping are those
 * of the first kind named. */
void cpu_names_arm(struct machine *m, const char *cpuinfo);

/* Does this /proc/cpuinfo belong to another architecture than `x86` says? Then it is the host's file, seen
 * through an emulator. */
bool cpuinfo_foreign(const char *cpuinfo, bool x86);

/* The name of an x86 microarchitecture, NULL where the table has none. amx: the CPU has AMX tiles, which
 * hypervisors that make up a model number do not hide. */
const char *cpu_microarch(const char *vendor, int family, int model, bool amx);

/* The numbers behind the names, as in "family 6 model 143 stepping 8" or "part 0xd0c r3p1"; "" where unknown. */
enum { CPU_NUMBERS_TEXT = 64 };
char *cpu_numbers(const struct machine *m, char text[CPU_NUMBERS_TEXT]);

#endif
