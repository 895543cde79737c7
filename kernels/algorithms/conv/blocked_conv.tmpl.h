/* The grid of the blocked convolutions whose output is images: forward, and the gradient of the data.
 *
 * A file defines SPLIT_CHANNELS: a tile of the grid is an image (0), or an image and a block of channels (1). The
 * template that includes this defines before it
 *   blocked_blocks(conv)              how many blocks of output channels a group has
 *   blocked_image(args, n, block)     one block, counted through all groups, of image n */
#include "kernel.h"
#include "shared/partition.h"

_Static_assert(SPLIT_CHANNELS == 0 || SPLIT_CHANNELS == 1, "a file defines it as 0 or 1");

static void blocked_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const int64_t blocks = p->g * blocked_blocks(p);
    for (int64_t tile = first; tile < last; tile++) {
        if (SPLIT_CHANNELS) {
            blocked_image(a, tile / blocks, tile % blocks);
            continue;
        }
        for (int64_t block = 0; block < blocks; block++)
            blocked_image(a, tile, block);
    }
}

static void blocked_run(const struct args *a)
{
    const struct conv *p = &a->problem->conv;
    run_tiles(a, SPLIT_CHANNELS ? p->mb * p->g * blocked_blocks(p) : p->mb, blocked_tiles);
}
