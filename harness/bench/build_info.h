/* What this binary was built from and by; the Makefile writes the definitions
 * (build/<config>/build_info.c). */
#ifndef BATCHMARK_BUILD_INFO_H
#define BATCHMARK_BUILD_INFO_H

#include <stdbool.h>

extern const char build_commit[];   /* abbreviated git commit, "unknown" outside a repository */
extern const bool build_dirty;      /* kernels/, harness/ or the Makefile differ from that commit */
extern const char build_compiler[]; /* first line of cc --version */
extern const char build_kernel_flags[]; /* of every kernel; the words of its file name add theirs */
extern const char build_harness_flags[];
extern const char build_isa_flags[]; /* "avx2: -mavx2 -mfma; avx512: ..." */

#endif
