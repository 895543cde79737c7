/* Inference forward pass over vec.h: mean and variance are given, so there is nothing to reduce and
 * the tiles are walked in the order of memory; all layouts (see bn_tiles.h).
 *
 * Limited by memory or cache bandwidth: one read and one write of each value.
 *
 * The includer defines RELU and STREAM: results larger than the last-level cache are written past
 * it, unless they are read soon, which saves reading the lines they overwrite (not on NEON). */
#include "algorithms/bn/bn_apply.tmpl.h"

static void constants_of_panels(const struct args *a, const struct bn_view *v)
{
    double mean[WIDE], variance[WIDE];
    for (int64_t panel = 0; panel < v->panels; panel++) {
        int64_t first = panel * v->panel_channels,
                channels = min_i64(v->panel_channels, v->channels - first);
        for (int64_t c = 0; c < channels; c++) {
            mean[c] = (double)a->t[MEAN][first + c];
            variance[c] = (double)a->t[VARIANCE][first + c];
        }
        set_constants(a, v, panel, channels, mean, variance);
    }
}

static void apply_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    struct bn_view v = bn_view_of(&a->problem->bn, a->formats.src, IMAGE_CHUNKS);
    for (int64_t i = first; i < last; i++)
        result_tile(a, &v, i % v.panels, i / v.panels, NULL, 0);
    vfence();
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)h;
    struct bn_view v = bn_view_of(&p->bn, f.src, IMAGE_CHUNKS);
    return bn_scratch_bytes(&v, APPLY_ARRAYS, false);
}

static void run(const struct args *caller)
{
    struct args a = bn_team(caller);
    struct bn_view v = bn_view_of(&a.problem->bn, a.formats.src, IMAGE_CHUNKS);
    constants_of_panels(&a, &v);
    run_tiles(&a, v.panels * v.chunks, apply_tiles);
}
