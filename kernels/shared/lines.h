/* Lines of memory that will be needed soon, asked for between the tiles of what is computed now. */
#ifndef BATCHMARK_LINES_H
#define BATCHMARK_LINES_H

#include "kernel.h"

/* `run` floats in each of some planes of some images. */
struct lines {
    const float *at;
    int64_t images, planes, run;
    int64_t image, plane; /* distances in floats */
};

/* Prefetches share i of n into L2; the L1 belongs to the tiles. The prefetches are spread between the tiles: hardware
 * prefetchers do not follow rows a plane apart, and all lines at once would exceed the miss buffers. */
static inline void lines_fetch(const struct lines *s, int64_t i, int64_t n)
{
    int64_t each = (s->run + 30) / 16, all = s->images * s->planes * each;
    int64_t first = all * i / n, count = all * (i + 1) / n - first;
    if (count <= 0)
        return;
    int64_t line = first % each, plane = first / each % s->planes;
    const float *image = s->at + first / each / s->planes * s->image;
    for (; count > 0; count--) {
        __builtin_prefetch(image + plane * s->plane + min_i64(line * 16, s->run - 1), 0, 2);
        if (++line == each) {
            line = 0;
            if (++plane == s->planes) {
                plane = 0;
                image += s->image;
            }
        }
    }
}

/* lines_fetch() in equal shares, without divisions: they take as long as a small tile. */
struct lines_ahead {
    struct lines s;
    const float *at;
    int64_t each, share, left, line, plane;
};

static inline struct lines_ahead lines_start(const struct lines *s, int64_t shares)
{
    struct lines_ahead a = {.s = *s, .at = s->at, .each = (s->run + 30) / 16};
    a.left = s->images * s->planes * a.each;
    a.share = div_up(a.left, shares);
    return a;
}

/* Prefetches the next share. */
static inline void lines_next(struct lines_ahead *a)
{
    int64_t count = min_i64(a->share, a->left), last = a->s.run - 1;
    a->left -= count;
    while (count > 0) {
        const float *at = a->at;
        int64_t line = a->line, end = min_i64(line + count, a->each);
        count -= end - line;
        for (; line < end; line++)
            __builtin_prefetch(at + min_i64(line * 16, last), 0, 2);
        a->line = line;
        if (line == a->each) {
            a->line = 0;
            a->at += a->s.plane;
            if (++a->plane == a->s.planes) {
                a->plane = 0;
                a->at += a->s.image - a->s.planes * a->s.plane;
            }
        }
    }
}

#endif
