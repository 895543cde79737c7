/* Splits a grid of tiles over the team. The same source gets a parallel region if compiled with -fopenmp
 * (files named _omp), else a plain call. The grid does not depend on the number of threads, and tiles write
 * disjoint outputs, so the bits do not depend on it either. */
#ifndef BATCHMARK_PARTITION_H
#define BATCHMARK_PARTITION_H

#include "kernel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Where part i of `count` things in `parts` parts begins: parts differ by one thing at most. */
static inline int64_t part_begin(int64_t count, int64_t parts, int64_t i)
{
    return count * i / parts;
}

/* Does tiles first <= i < last of the operation, at least one: a thread that has none is not called. `thread`
 * (0 <= thread < hints.threads) selects the caller's share of the scratch. */
typedef void tile_fn(const struct args *a, int64_t first, int64_t last, int thread);

/* Part i of n of the tiles. */
static inline void run_part(const struct args *a, int64_t tiles, tile_fn *fn, int i, int n)
{
    int64_t first = part_begin(tiles, n, i), last = part_begin(tiles, n, i + 1);
    if (first < last)
        fn(a, first, last, i);
}

static inline void run_tiles(const struct args *a, int64_t tiles, tile_fn *fn)
{
#ifdef _OPENMP
    int team = (int)min_i64(a->hints.threads, tiles);
    if (team > 1) {
#pragma omp parallel num_threads(team)
        /* The runtime may grant fewer threads than asked for. */
        run_part(a, tiles, fn, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    run_part(a, tiles, fn, 0, 1);
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
            int n = omp_get_num_threads(), i = omp_get_thread_num();
            run_part(a, tiles, fn, i, n);
#pragma omp barrier
            run_part(a, then, last, i, n);
        }
        return;
    }
#endif
    run_part(a, tiles, fn, 0, 1);
    run_part(a, then, last, 0, 1);
}

#endif
