/* Splits elementwise work of the layers over a team. */
#ifndef BATCHMARK_LAYERS_TEAM_H
#define BATCHMARK_LAYERS_TEAM_H

#include <omp.h>
#include <stdint.h>

/* The least number of elements for a thread, two to three microseconds of work: waking a team costs about
 * as much. */
enum { RELU_GRAIN = 32768, CURVE_GRAIN = 4096, POOL_GRAIN = 16384, UPDATE_GRAIN = 4096 };

struct range {
    int64_t first, last; /* first <= i < last */
};

static inline int team_for(int64_t elements, int64_t grain, int threads)
{
    int64_t worth = elements / grain;
    return worth < threads ? (int)worth : threads;
}

/* The calling thread's share of n inside a parallel region. Bounds are multiples of `block`, so that threads
 * do not share a cache line. */
static inline struct range my_range(int64_t n, int64_t block)
{
    int64_t blocks = (n + block - 1) / block, team = omp_get_num_threads(),
            me = omp_get_thread_num();
    int64_t first = blocks * me / team * block, last = blocks * (me + 1) / team * block;
    return (struct range){first, last < n ? last : n};
}

#endif
