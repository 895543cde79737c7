/* Which instance of the layers runs: the widest that was built and the CPU has. */
#include "layers.h"

/* Weak: an architecture lacks what is foreign to it. */
extern const struct layers layers_avx512 __attribute__((weak));
extern const struct layers layers_avx2 __attribute__((weak));
extern const struct layers layers_sse2 __attribute__((weak));
extern const struct layers layers_neon __attribute__((weak));

const struct layers *layers_for(enum isa isa)
{
    if (isa >= ISA_AVX512 && &layers_avx512)
        return &layers_avx512;
    if (isa >= ISA_AVX2 && &layers_avx2)
        return &layers_avx2;
    return &layers_sse2 ? &layers_sse2 : &layers_neon;
}
