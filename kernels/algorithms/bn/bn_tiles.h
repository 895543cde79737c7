/* Cuts a batch normalization into panels and chunks, and walks them.
 *
 * A panel holds whole channels, so its statistics need nobody else's data. It is a matrix of
 * outer x inner rows by `columns` columns:
 *
 *   runs     nchw with large images: one channel; outer = N images, inner = H W contiguous floats
 *   planes   nchw with images of 7x7 to 28x28 and the like: some channels; rows are samples, a row the images of the
 *            channels, one behind the other, `fold` = H W floats each. Constants and sums are arrays over the channels
 *   columns  everything else. A column belongs to one channel, vectors lie across columns:
 *            nhwc     rows are pixels, columns channels
 *            (N, C)   rows are samples, columns channels
 *            nchw16c  a panel is a block of 16 channels; outer = N images, inner = H W pixels
 *            nchw with tiny images: rows are samples, columns all C H W floats of one; `fold` = H W columns
 *            make a channel
 *
 * A chunk is a part of a panel's rows. Partial sums are taken chunk by chunk and combined in the order
 * of the chunks. The grid follows from the problem alone. So the bits depend neither on the number of
 * threads nor on which thread gets which tile (panel, chunk). */
#ifndef BATCHMARK_BN_TILES_H
#define BATCHMARK_BN_TILES_H

#include "kernel.h"
#include "shared/partition.h"

/* A chunk stays in any L2 (256 KiB) while the second pass over it follows the first, and its
 * float32 partial sums stay short. */
enum { CHUNK_FLOATS = 64 * 1024 };
/* The largest number of rows of a chunk of columns; a chunk of planes has at most PAD times as many values of a channel.
 * If many values are equal, additions to a growing sum round to the same side: from 4096 rows on, variances exceeded
 * their limit. */
enum { CHUNK_ROWS = 1024 };
/* Runs shorter than this spend their time on loop ends; columns have none. */
enum { RUN_MIN = 65 };
/* Images of up to so many floats may be planes. As columns, images up to PLANE_SMALL would need as many constants as
 * floats; as runs they often compete for the same sets of L1. So they are planes unless their size is a multiple of a
 * cache line. */
enum { PLANE_MIN = 17, PLANE_SMALL = 127, PLANE_MAX = 1023 };
/* Floats of a row of planes. Prefetchers and memory need long rows: on a Zen 4, 16x1024x14x14 takes 0.66 of the time of
 * runs forward and 0.52 backward. But a panel should stay in L2, and there must be PANELS panels to keep a team busy. */
enum { ROW_MIN = 512, ROW_MAX = 3072, ROW_FLOATS = ROW_MAX + PLANE_MAX };
enum { PANEL_FLOATS = 48 * 1024, PANELS = 32 };
/* Channels of a row: with fewer, larger images are as well off as runs. At most as many as WIDE has room for. */
enum { ROW_CHANNELS_MIN = 3, ROW_CHANNELS_MAX = 32 };
/* Columns of a panel: as many as keep its rows within NEAR_FLOATS (L1, so that all passes but the first find them
 * there), at least NARROW (pieces of rows of a few lines), at most WIDE. */
enum { NARROW = 128, WIDE = 512, NEAR_FLOATS = 6 * 1024 };
/* Floats of a panel's arrays of per-column constants are a multiple of this, the rest being zero;
 * runs have their constant 16 times. */
enum { PAD = 16 };
/* Tensors of more than MANY floats may be beyond the caches: there a tile of runs has FEW in all its tensors, so that L1
 * holds it beside its copy and the lines that were asked for (see bn_driver.tmpl.h). */
enum { MANY = 4 * 1024 * 1024, FEW = 4 * 1024 };
/* Below this many floats a team costs more than it brings. */
enum { TEAM_FLOATS = 28 * 1024 };

struct bn_view {
    bool runs, planes,
        wraps; /* wraps: rows follow each other in memory, and constants repeat for PAD columns more */
    int64_t panels, panel_channels, channels; /* `channels` without padding */
    int64_t columns, fold;                    /* columns in all; columns of a channel; runs: 1 */
    int64_t width; /* floats of an array of a panel's constants, a multiple of PAD */
    int64_t panel_stride;
    int64_t outer, outer_stride, inner, inner_stride;
    int64_t chunks, chunk_outer, chunk_inner;
};

/* The rows of one tile, and where its first float lies. */
struct bn_block {
    int64_t offset, outer, outer_stride, inner, inner_stride;
    int64_t columns, first_channel, channels;
};

/* How many floats a chunk may have; IMAGE_CHUNKS: a chunk is one image (or row), for walks in the
 * order of memory where there is nothing to reduce. */
enum { IMAGE_CHUNKS = 0 };

/* Channels of a panel of planes. */
static inline int64_t bn_row_channels(const struct bn *p)
{
    int64_t hw = p->ih * p->iw;
    int64_t most = min_i64(min_i64(PANEL_FLOATS / p->mb, p->ic * hw / PANELS), ROW_MAX);
    int64_t channels = min_i64(div_up(max_i64(most, ROW_MIN), hw), ROW_CHANNELS_MAX);
    return div_up(p->ic, div_up(p->ic, channels));
}

static inline bool bn_planes(const struct bn *p)
{
    int64_t hw = p->ih * p->iw;
    if (hw <= PLANE_SMALL)
        return hw >= PLANE_MIN && hw % PAD != 0;
    return hw <= PLANE_MAX && bn_row_channels(p) >= ROW_CHANNELS_MIN;
}

static inline struct bn_view bn_view_of(const struct bn *p, enum layout layout,
                                        int64_t chunk_floats)
{
    int64_t hw = p->ih * p->iw;
    struct bn_view v = {.channels = p->ic, .fold = 1, .outer = 1, .outer_stride = 0};
    if (layout == NCHW16C) {
        v.columns = div_up(p->ic, 16) * 16;
        v.panel_channels = 16;
        v.panel_stride = hw * 16;
        v.outer = p->mb;
        v.outer_stride = v.columns * hw;
        v.inner = hw;
        v.inner_stride = 16;
        if (hw == 1) { /* rows are samples */
            v.inner = p->mb;
            v.inner_stride = v.columns;
            v.outer = 1;
            v.outer_stride = 0;
        }
    } else if (layout == NCHW && bn_planes(p)) {
        v.planes = true;
        v.fold = hw;
        v.columns = p->ic * hw;
        v.inner = p->mb;
        v.inner_stride = v.columns;
        v.panel_channels = bn_row_channels(p);
        v.panel_stride = v.panel_channels * hw;
    } else if (layout == NCHW && hw >= RUN_MIN) {
        v.runs = true;
        v.columns = p->ic;
        v.panel_channels = 1;
        v.panel_stride = hw;
        v.outer = p->mb;
        v.outer_stride = p->ic * hw;
        v.inner = hw;
        v.inner_stride = 1;
    } else {
        v.fold = layout == NCHW ? hw : 1;
        v.columns = p->ic * v.fold;
        v.inner = layout == NCHW ? p->mb : p->mb * hw;
        v.inner_stride = v.columns;
        int64_t most = v.inner > CHUNK_FLOATS / NARROW
                           ? WIDE
                           : min_i64(WIDE, max_i64(NARROW, NEAR_FLOATS / v.inner));
        int64_t panels = div_up(p->ic, max_i64(1, most / v.fold));
        v.panel_channels = div_up(p->ic, panels);
        if (v.fold == 1 && panels > 1)
            v.panel_channels = div_up(v.panel_channels, PAD) * PAD;
        v.panel_stride = v.panel_channels * v.fold;
    }
    v.panels = div_up(v.columns, v.panel_channels * v.fold);
    int64_t columns = v.panel_channels * v.fold;
    v.wraps = v.fold == 1 && v.panels == 1 && layout != NCHW16C && columns >= PAD;
    v.width = div_up(v.planes ? v.panel_channels : columns + (v.wraps ? PAD : 0), PAD) * PAD;
    int64_t rows =
        max_i64(1, (chunk_floats == IMAGE_CHUNKS ? CHUNK_FLOATS : chunk_floats) / columns);
    if (!v.runs)
        rows = rows < 2 ? 1 : min_i64(rows, v.planes ? CHUNK_ROWS * PAD / hw : CHUNK_ROWS) / 2 * 2;
    v.chunk_inner = min_i64(rows, v.inner);
    if (v.runs) /* parts of one size, and no edges but at the end */
        v.chunk_inner = min_i64(v.inner, div_up(div_up(v.inner, div_up(v.inner, rows)), 64) * 64);
    v.chunk_outer = chunk_floats == IMAGE_CHUNKS ? 1 : min_i64(v.outer, max_i64(1, rows / v.inner));
    v.chunks = div_up(v.outer, v.chunk_outer) * div_up(v.inner, v.chunk_inner);
    return v;
}

static inline struct bn_block bn_block_of(const struct bn_view *v, int64_t panel, int64_t chunk)
{
    int64_t parts = div_up(v->inner, v->chunk_inner);
    int64_t outer = chunk / parts * v->chunk_outer, inner = chunk % parts * v->chunk_inner;
    int64_t first = panel * v->panel_channels;
    int64_t channels = min_i64(v->panel_channels, v->columns / v->fold - first);
    return (struct bn_block){
        .offset = panel * v->panel_stride + outer * v->outer_stride + inner * v->inner_stride,
        .outer = min_i64(v->chunk_outer, v->outer - outer),
        .outer_stride = v->outer_stride,
        .inner = min_i64(v->chunk_inner, v->inner - inner),
        .inner_stride = v->inner_stride,
        .columns = channels * v->fold,
        .first_channel = first,
        .channels = channels,
    };
}

/* Values a channel has in the block. */
static inline int64_t bn_block_count(const struct bn_view *v, const struct bn_block *b)
{
    return b->outer * b->inner * v->fold;
}

/* Scratch: for each panel ARRAYS arrays of constants over its columns, then for each tile two arrays of
 * panel_channels doubles: its shares of the two sums. */
static inline float *bn_constants(const struct args *a, const struct bn_view *v, int arrays,
                                  int64_t panel)
{
    return (float *)a->scratch + panel * arrays * v->width;
}

static inline double *bn_partials(const struct args *a, const struct bn_view *v, int arrays,
                                  int64_t panel, int64_t chunk)
{
    double *first = (double *)(void *)bn_constants(a, v, arrays, v->panels);
    return first + (panel * v->chunks + chunk) * 2 * v->panel_channels;
}

static inline size_t bn_scratch_bytes(const struct bn_view *v, int arrays, bool partials)
{
    size_t bytes = (size_t)(v->panels * arrays * v->width) * sizeof(float);
    if (partials)
        bytes += (size_t)(v->panels * v->chunks * 2 * v->panel_channels) * sizeof(double);
    return (bytes + 63) / 64 * 64;
}

/* The view of a training pass that reads `tensors`: chunks of columns have `floats` in all tensors, those of runs
 * `run_floats`, or FEW. */
static inline struct bn_view bn_training_view(const struct bn *p, enum layout layout,
                                              int64_t floats, int64_t run_floats, int tensors)
{
    struct bn_view v = bn_view_of(p, layout, floats / tensors);
    if (v.runs)
        v = bn_view_of(p, layout,
                       (p->mb * p->ic * p->ih * p->iw > MANY ? FEW : run_floats) / tensors);
    return v;
}

/* Floats of the largest tile; a multiple of a cache line. */
static inline int64_t bn_chunk_floats(const struct bn_view *v)
{
    return div_up(v->chunk_outer * v->chunk_inner * v->panel_channels * v->fold, 16) * 16;
}

/* Does the L2 hold copies of tiles beside the data read and written meanwhile? In a smaller one (1 MiB of a Zen 4) copies
 * cost more than they save: 16x256x28x28 takes 1.15 times as long forward and 1.5 times backward, 48x256x56x56 1.1 times. */
static inline bool bn_copies(const struct hints *h)
{
    return h->l2 >= 2 * 1024 * 1024;
}

/* Room a thread has for copies of the tiles it works on, of each of `tensors`: of runs, a panel's where its L2 holds
 * them, else what that holds; none where copies do not pay. */
static inline int64_t bn_near_floats(const struct bn_view *v, const struct hints *h, int tensors)
{
    int64_t most = (int64_t)(h->l2 / 4 * 3 / sizeof(float)) / 16 * 16;
    return v->runs && bn_copies(h) ? min_i64(most, v->chunks * tensors * bn_chunk_floats(v)) : 0;
}

/* How tiles are handed out. */
enum bn_schedule {
    BY_PANEL, /* a thread does a whole panel: sums, constants, result, while it is in its cache */
    BY_TILE, /* all threads share the tiles of all panels, once for the sums and once for the result
              */
    BY_SIZE  /* BY_PANEL where that keeps all threads busy, else BY_TILE */
};

static inline size_t bn_panel_bytes(const struct bn_view *v, int tensors)
{
    return (size_t)(tensors * v->panel_channels * v->fold * v->outer * v->inner) * sizeof(float);
}

/* `tensors`: how many of them the passes read. */
static inline bool bn_by_panel(const struct args *a, const struct bn_view *v,
                               enum bn_schedule schedule, int tensors)
{
    if (schedule != BY_SIZE || a->hints.threads == 1)
        return schedule != BY_TILE;
    int64_t rounds = div_up(v->panels, a->hints.threads);
    /* At most one panel in five of the last thread's share is missing, and the panel stays in the thread's L2: most of it does
     * where it is as large, and 64x512x56x56 on a Zen 4 takes 0.83 of the time of turns by the team. */
    return rounds * a->hints.threads * 4 <= v->panels * 5 &&
           bn_panel_bytes(v, tensors) <= (bn_copies(&a->hints) ? a->hints.l2 / 4 * 3 : a->hints.l2);
}

/* How many panels the team takes at a time, tile by tile. As many as its L2s hold, so that the second pass does not read
 * memory again. One if they hold none, because then the last-level cache may hold it. All if the tensor is not much
 * larger than the L2s, or if the schedule requires it. */
static inline int64_t bn_group(const struct args *a, const struct bn_view *v,
                               enum bn_schedule schedule, int tensors)
{
    size_t own = a->hints.l2 / 4 * 3 * (size_t)a->hints.threads, panel = bn_panel_bytes(v, tensors);
    if (schedule != BY_SIZE || panel * (size_t)v->panels <= 2 * own)
        return v->panels;
    return max_i64(1, (int64_t)(own / panel));
}

/* The args with a team of one where the tensor is too small for more. */
static inline struct args bn_team(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    struct args b = *a;
    if (p->mb * p->ic * p->ih * p->iw < TEAM_FLOATS)
        b.hints.threads = 1;
    return b;
}

/* Should the result be written past the cache? Only if it is not read soon, and if it would evict the
 * operands from the last-level cache or is far larger than the team's L2s. In the latter case, because
 * a last level of 100 MB belongs to many cores, and ordinary stores first read what they overwrite. */
static inline bool bn_streams(const struct args *a)
{
    const struct bn *p = &a->problem->bn;
    size_t bytes = (size_t)(p->mb * p->ic * p->ih * p->iw) * sizeof(float);
    size_t own = 4 * a->hints.l2 * (size_t)a->hints.threads;
    return !a->hints.keep && bytes > (own < a->hints.llc / 2 ? own : a->hints.llc / 2);
}

#define BN_VARIANT                                                                                 \
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}}, .algebra = TWO_PASS,              \
    .thread_invariant = true, .scratch_size = scratch_size, .run = run

#endif
