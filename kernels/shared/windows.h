/* The maximum of windows of 2x2 that do not overlap. The even and the odd columns of two rows are taken apart, so that a
 * vector holds one value each of V windows. The first largest value of a window wins, and a NaN beats all. Its place is
 * counted row by row. */
#ifndef BATCHMARK_WINDOWS_H
#define BATCHMARK_WINDOWS_H

#include "kernel.h"
#include "vec/vec.h"

/* The place of a maximum that the ReLU stops. */
enum { NO_PLACE = 255 };

/* The largest values so far, their places as floats, and what the caller has beside them. */
struct holders {
    vf value, at, beside;
};

static inline __attribute__((always_inline)) struct holders challenge(struct holders h, vf value,
                                                                      float at, vf beside)
{
    return (struct holders){vwins(value, h.value, value, h.value),
                            vwins(value, h.value, vset1(at), h.at),
                            vwins(value, h.value, beside, h.beside)};
}

/* With a ReLU: nothing below zero, and no place for what it stops. */
static inline struct holders rectify(struct holders h)
{
    const vf none = vset1(NO_PLACE);
    return (struct holders){vmax(vzero(), h.value), vadd(none, vdrop(h.value, vsub(h.at, none))),
                            h.beside};
}

/* Even and odd columns of n <= V windows. */
static inline __attribute__((always_inline)) struct vpair load_pairs(const float *p, int64_t n)
{
    if (n == V)
        return vunzip(vload(p), vload(p + V));
    const int64_t low = 2 * n < V ? 2 * n : V;
    return vunzip(vload_n(p, low), 2 * n > V ? vload_n(p + V, 2 * n - V) : vzero());
}

static inline __attribute__((always_inline)) void store_pairs(float *p, vf even, vf odd, int64_t n)
{
    const struct vpair x = vzip(even, odd);
    if (n == V) {
        vstore(p, x.a);
        vstore(p + V, x.b);
        return;
    }
    vstore_n(p, x.a, 2 * n < V ? 2 * n : V);
    if (2 * n > V)
        vstore_n(p + V, x.b, 2 * n - V);
}

/* V windows: the values of their upper and lower rows, the left ones in a. */
struct windows {
    struct vpair above, below;
};

/* The maxima of y; beside them those of x in the same places. relu: of max(y, 0). */
static inline __attribute__((always_inline)) struct holders
window_max(const struct windows *y, const struct windows *x, bool relu)
{
    struct holders h = {y->above.a, vzero(), x->above.a};
    h = challenge(h, y->above.b, 1, x->above.b);
    h = challenge(h, y->below.a, 2, x->below.a);
    h = challenge(h, y->below.b, 3, x->below.b);
    return relu ? rectify(h) : h;
}

#endif
