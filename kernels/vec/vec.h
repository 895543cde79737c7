/* One vocabulary for vectors of float32, so that an algorithm is written once and compiled per ISA.
 *
 *   V      floats in a vector          VREGS  vector registers the ISA has
 *   vf     the vector type
 *   vload, vstore         any 4-byte address
 *   vload_n, vstore_n     the first n floats, 0 <= n <= V; lanes beyond n read as 0, are not touched on store
 *   vstream               store past the cache; the address must be a multiple of 4 V; end with vfence()
 *   vfma(a, b, c)         a * b + c (SSE2 has no FMA: two roundings)
 *   vfma_at(a, p, c)      a * *p + c: a scalar from memory against a vector
 *   vsum                  horizontal sum, halves added pairwise in a fixed order
 *   vsum_each(a)          lane i = the horizontal sum of a[i], for a[V]: a third of the shuffles of V times vsum
 *   vtranspose(a)         a[V] as a V x V matrix, transposed in place
 *   vkeep_positive(m, a)  a where m > 0, else 0 (NaN in m gives 0)
 *   vtranspose4           out[j * out_row + i] = p[i][j] for i, j < 4
 *   vsqrt(a)
 *   vdrop(m, a)           0 where m <= 0, else a (NaN in m keeps a)
 *   vwins(x, y, a, b)     a where x > y or x is NaN, else b
 *   vkeep_equal(x, y, a)  a where x == y, else 0
 *   vunzip(a, b)          {even, odd} elements of the 2 V floats in a and b; vzip puts them back
 *   vbytes, vbytes_store  V bytes from and to floats that hold 0 to 255; vbytes_n, vbytes_store_n the first n
 *   vflush()              from here on this thread takes denormal numbers, and gives them, as 0, where that is faster;
 *                         vunflush(what it returned) ends it
 *
 * Which instance: the widest that the file's compiler flags allow. With VEC_SCALAR defined before the
 * include, the scalar one (V = 1): it has no tails and runs anywhere. */
#ifndef BATCHMARK_VEC_H
#define BATCHMARK_VEC_H

#include <stdint.h>

/* Before a loop over registers: unroll it completely. Otherwise the compiler keeps the loop's array of
 * vectors in memory. */
#if defined(__clang__)
#define VEC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VEC_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(VEC_SCALAR)
#include "vec/scalar.h"
#elif defined(__AVX512F__)
#include "vec/avx512.h"
#elif defined(__AVX2__)
#include "vec/avx2.h"
#elif defined(__ARM_NEON)
#include "vec/neon.h"
#elif defined(__SSE2__)
#include "vec/sse2.h"
#else
#include "vec/scalar.h"
#endif

#endif
