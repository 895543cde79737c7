/* Scratch, carved from one block: pieces that all threads share, behind them for each thread the pieces of its own. Each
 * piece begins on a cache line. Without a block nothing is carved: pieces are NULL, and only their bytes are counted. */
#ifndef BATCHMARK_CARVE_H
#define BATCHMARK_CARVE_H

#include "kernel.h"

#include <string.h>

struct carver {
    char *base;         /* of the block; may be NULL */
    int thread;         /* whose own pieces are wanted */
    size_t shared, own; /* bytes so far: shared, and of one thread */
    int pieces;
    struct {
        void *pointer; /* where the address of the piece is wanted */
        size_t at;
    } piece[16];
};

/* What a plan is given when only the bytes of its scratch are wanted. */
static inline struct args args_to_count(const struct problem *p, struct formats f,
                                        const struct hints *h)
{
    return (struct args){.problem = p, .formats = f, .hints = *h};
}

static inline struct carver carve_from(void *scratch, int thread)
{
    return (struct carver){.base = scratch, .thread = thread};
}

static inline size_t carve_round(int64_t count, size_t size)
{
    return ((size_t)count * size + 63) / 64 * 64;
}

/* A piece that all threads share. */
static inline void *carve(struct carver *c, int64_t count, size_t size)
{
    void *p = c->base ? c->base + c->shared : NULL;
    c->shared += carve_round(count, size);
    return p;
}

/* A piece of the thread's own. `pointer` is the address of the pointer that carve_end() sets. */
static inline void carve_own(struct carver *c, void *pointer, int64_t count, size_t size)
{
    c->piece[c->pieces].pointer = pointer;
    c->piece[c->pieces++].at = c->own;
    c->own += carve_round(count, size);
}

/* Sets the pointers to the thread's own pieces; returns the bytes of the block up to its last one. */
static inline size_t carve_end(const struct carver *c)
{
    size_t before = c->shared + (size_t)c->thread * c->own;
    for (int i = 0; c->base && i < c->pieces; i++) {
        char *p = c->base + before + c->piece[i].at;
        memcpy(c->piece[i].pointer, &p, sizeof p);
    }
    return before + c->own;
}

#endif
