/* Scratch: carved from one block, each piece on a cache line of its own. With base NULL it only counts. */
#ifndef BATCHMARK_CARVE_H
#define BATCHMARK_CARVE_H

#include "kernel.h"

struct carver {
    char *base;
    size_t used;
};

static inline void *carve(struct carver *c, int64_t count, size_t size)
{
    void *p = c->base ? c->base + c->used : NULL;
    c->used += ((size_t)count * size + 63) / 64 * 64;
    return p;
}

#endif
