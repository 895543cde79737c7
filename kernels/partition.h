/* Splits a grid of tiles over the team. The same source compiled with -fopenmp (files named _omp) gets a
 * parallel region, without it a plain call. The grid never depends on the number of threads, and tiles
 * write disjoint outputs, so neither do the bits. */
#ifndef BATCHMARK_PARTITION_H
#define BATCHMARK_PARTITION_H

#include "kernel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Does tiles first <= i < last of the operation. `thread` (0 <= thread < hints.threads) selects the
 * caller's share of the scratch. */
typedef void tile_fn(const struct args *a, int64_t first, int64_t last, int thread);

static inline void run_tiles(const struct args *a, int64_t tiles, tile_fn *fn)
{
#ifdef _OPENMP
    int team = (int)min_i64(a->hints.threads, tiles);
    if (team > 1) {
#pragma omp parallel num_threads(team)
        {
            /* The runtime may grant fewer threads than asked for. */
            int64_t n = omp_get_num_threads(), i = omp_get_thread_num();
            fn(a, tiles * i / n, tiles * (i + 1) / n, (int)i);
        }
        return;
    }
#endif
    fn(a, 0, tiles, 0);
}

/* What one thread of a team does; `team` is the number of threads that came. */
typedef void team_fn(const struct args *a, int thread, int team);

/* One parallel region for work of several stages, with team_wait() between them: a wait costs a third of a region. At
 * most `most` threads. */
static inline void run_team(const struct args *a, int64_t most, team_fn *fn)
{
#ifdef _OPENMP
    int team = (int)min_i64(a->hints.threads, most);
    if (team > 1) {
#pragma omp parallel num_threads(team)
        fn(a, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    (void)most;
    fn(a, 0, 1);
}

/* Returns when the whole team has come here. */
static inline void team_wait(void)
{
#ifdef _OPENMP
#pragma omp barrier
#endif
}

/* Two grids, one after the other, in one parallel region: a barrier costs less than a second region. */
static inline void run_tiles_twice(const struct args *a, int64_t tiles, tile_fn *fn, int64_t then,
                                   tile_fn *last)
{
#ifdef _OPENMP
    int team = (int)min_i64(a->hints.threads, max_i64(tiles, then));
    if (team > 1) {
#pragma omp parallel num_threads(team)
        {
            int64_t n = omp_get_num_threads(), i = omp_get_thread_num();
            fn(a, tiles * i / n, tiles * (i + 1) / n, (int)i);
#pragma omp barrier
            last(a, then * i / n, then * (i + 1) / n, (int)i);
        }
        return;
    }
#endif
    fn(a, 0, tiles, 0);
    last(a, 0, then, 0);
}

#endif
