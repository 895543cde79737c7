/* The memory of a network: blocks that are zeroed, aligned to cache lines and freed together. */
#ifndef BATCHMARK_MEMORY_H
#define BATCHMARK_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct memory {
    void **blocks;
    int count, room;
    double bytes; /* in all blocks */
    bool failed;  /* an allocation failed; all later ones fail, too */
};

/* A new block, owned by the memory. NULL: this or an earlier allocation failed. */
void *memory_take(struct memory *m, double bytes);
float *memory_floats(struct memory *m, int64_t count);
void memory_free(struct memory *m);

#endif
