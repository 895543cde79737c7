/* Takes blocks and keeps them for memory_free. */
#include "net/memory.h"

#include <stdlib.h>
#include <string.h>

void *memory_take(struct memory *m, double bytes)
{
    if (!m->failed && m->count == m->room) {
        int room = m->room ? 2 * m->room : 64;
        void **more = realloc(m->blocks, (size_t)room * sizeof *more);
        m->failed = !more;
        if (more) {
            m->blocks = more;
            m->room = room;
        }
    }
    size_t size = ((size_t)bytes + 63) / 64 * 64 + 64;
    void *block = m->failed ? NULL : aligned_alloc(64, size);
    m->failed = !block;
    if (!block)
        return NULL;
    memset(block, 0, size);
    m->blocks[m->count++] = block;
    m->bytes += (double)size;
    return block;
}

float *memory_floats(struct memory *m, int64_t count)
{
    return memory_take(m, 4.0 * (double)count);
}

void memory_free(struct memory *m)
{
    for (int i = 0; i < m->count; i++)
        free(m->blocks[i]);
    free(m->blocks);
}
