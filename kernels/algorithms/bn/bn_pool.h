/* What the passes of bn_pool share. A thread takes whole channels, one after the other: src is read from memory once and
 * is near when it is needed again. Sums are taken plane by plane, so the bits do not depend on the team. */
#ifndef BATCHMARK_BN_POOL_H
#define BATCHMARK_BN_POOL_H

#include "shared/partition.h"
#include "shared/windows.h"

#include <math.h>

/* Values a thread must have to do, worth two to three microseconds: waking a team costs about as much. */
enum { POOL_GRAIN = 16384 };

/* y = (x - mean) scale + shift of a channel. The backward pass finds the maxima again, by the same roundings. */
struct affine {
    float mean, scale, shift;
};

static inline struct affine affine_of(const struct args *a, int64_t c)
{
    const double gamma = a->t[GAMMA] ? (double)a->t[GAMMA][c] : 1,
                 std = sqrt((double)a->t[VARIANCE][c] + a->problem->eps);
    return (struct affine){a->t[MEAN][c], (float)(gamma / std), a->t[BETA] ? a->t[BETA][c] : 0};
}

/* x - mean of n <= V windows. */
static inline __attribute__((always_inline)) struct windows
load_windows(const float *top, int64_t iw, int64_t n, vf mean)
{
    const struct vpair p = load_pairs(top, n), q = load_pairs(top + iw, n);
    return (struct windows){{vsub(p.a, mean), vsub(p.b, mean)}, {vsub(q.a, mean), vsub(q.b, mean)}};
}

/* The maxima of y, and beside them their x - mean. */
static inline __attribute__((always_inline)) struct holders windows_max(const struct affine *a,
                                                                        const struct windows *w)
{
    const vf scale = vset1(a->scale), shift = vset1(a->shift);
    const struct windows y = {{vfma(w->above.a, scale, shift), vfma(w->above.b, scale, shift)},
                              {vfma(w->below.a, scale, shift), vfma(w->below.b, scale, shift)}};
    return window_max(&y, w, true);
}

/* The channels that a thread of a team does. */
struct channels {
    int64_t first, last;
};

static inline struct channels channels_of(const struct bn *p, int thread, int team)
{
    return (struct channels){p->ic * thread / team, p->ic * (thread + 1) / team};
}

static inline void run_channels(const struct args *a, team_fn *fn)
{
    const struct bn *p = &a->problem->bn;
    run_team(a, p->mb * p->ic * p->ih * p->iw / POOL_GRAIN, fn);
}

#endif
