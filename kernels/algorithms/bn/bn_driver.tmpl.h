/* The driver of training batch normalization, forward and backward, for all layouts and schedules: the order in which
 * tiles are reduced and their results are written.
 *
 * The includer defines SCHEDULE, STREAM, TENSORS (how many the passes read), ARRAYS (of constants) and
 *   view           the grid of tiles
 *   start_panel    sets the constants that do not wait for sums
 *   reduce_tile    the partials of a tile; keeps a copy of what it read in `near`, unless NULL
 *   finish_panel   merges the partials of a panel, sets its constants
 *   result_tile    the result of a tile, from the copy in `near` unless NULL; with a copy it also prefetches the lines
 *                  `next` floats further on
 *
 *   BY_PANEL   threads take whole panels: no barrier, but some threads wait if panels are few or do not divide evenly
 *   BY_TILE    threads share the tiles of all panels: all sums, a merge in fixed order, all results. No thread waits, but
 *              a tensor larger than the caches is read from memory twice
 *   BY_SIZE    by panel while panels keep the team busy and stay in a thread's L2; larger panels tile by tile, as many
 *              panels at a time as the team's L2s hold; one thread for small tensors
 *
 * A share of tiles is reduced. Its results are then written in reverse order, because what was read last is still cached.
 *
 * Runs beyond the caches alternate instead: the result of a tile of one share, then the sums of a tile of the next share.
 * The lines of the latter are fetched while the former is streamed to memory. So memory reads and writes all the time,
 * line by line, which it needs to be as fast as in a copy. Tiles that are summed are also copied: the runs of a channel
 * are often powers of two apart and compete for few sets of the L2. Their copy is contiguous and stays there until the
 * result. An L2 too small for copies alternates without them if it holds both shares.
 *
 * Bound: if no L2 holds a thread's share of a panel, the data comes twice from the last-level cache or from memory. (That
 * is so in nhwc and nchw16c, whose panels are whole cache lines wide, and for runs of very many images.) Then forward
 * moves 12 bytes per element where 8 are compulsory, and backward 20 instead of 12: at most 67 and 60 % of the copy
 * bandwidth. */

/* A thread's share of the tiles of some panels; tiles of a chunk follow each other. */
struct share {
    int64_t panel, panels, first, last;
};

static struct share share_of(const struct bn_view *v, int64_t panel, int64_t panels, int thread,
                             int team)
{
    int64_t n = min_i64(panels, v->panels - panel), tiles = n * v->chunks;
    return (struct share){panel, n, tiles * thread / team, tiles * (thread + 1) / team};
}

static int64_t panel_of(const struct share *s, int64_t i)
{
    return s->panel + (s->first + i) % s->panels;
}

static int64_t chunk_of(const struct share *s, int64_t i)
{
    return (s->first + i) / s->panels;
}

/* The results of one share, which may be empty, while the next is reduced, which may be empty too. */
static void mix_shares(const struct args *a, const struct bn_view *v, const struct share *now,
                       const struct share *next, float *near)
{
    int64_t results = now->last - now->first, sums = next->last - next->first;
    for (int64_t i = 0; i < results || i < sums; i++) {
        float *copy = near ? near + i * TENSORS * bn_chunk_floats(v) : NULL;
        if (i < results) {
            int64_t panel = panel_of(now, i), chunk = chunk_of(now, i), distance = 0;
            if (i < sums)
                distance = bn_block_of(v, panel_of(next, i), chunk_of(next, i)).offset -
                           bn_block_of(v, panel, chunk).offset;
            result_tile(a, v, panel, chunk, copy, distance);
        }
        if (i < sums)
            reduce_tile(a, v, panel_of(next, i), chunk_of(next, i), copy, copy && i < results);
    }
}

/* Does a thread's L2 hold two such shares? Then runs alternate without copies: 16x64x56x56 on a Zen 4 takes 0.84 of the
 * time forward. With larger shares, the data read for the sums has left the L2 when its result is due. */
static bool two_near(const struct args *a, const struct bn_view *v, const struct share *s)
{
    int64_t floats = (s->last - s->first) * TENSORS * bn_chunk_floats(v);
    return v->runs && STREAM && bn_streams(a) &&
           2 * (size_t)floats * sizeof(float) <= a->hints.l2 / 4 * 3;
}

static void advance(const struct args *a, const struct bn_view *v, const struct share *now,
                    const struct share *next, float *near)
{
    if (near || (two_near(a, v, now) && two_near(a, v, next))) {
        mix_shares(a, v, now, next, near);
        return;
    }
    for (int64_t i = now->last - now->first; i-- > 0;)
        result_tile(a, v, panel_of(now, i), chunk_of(now, i), NULL, 0);
    for (int64_t i = 0; i < next->last - next->first; i++)
        reduce_tile(a, v, panel_of(next, i), chunk_of(next, i), NULL, false);
}

/* Where this thread keeps copies of `tiles` tiles, or NULL: no room, or nothing to gain. */
static float *near_tiles(const struct args *a, const struct bn_view *v, int thread, int64_t tiles)
{
    int64_t room = STREAM && bn_streams(a) ? bn_near_floats(v, &a->hints, TENSORS) : 0;
    if (tiles * TENSORS * bn_chunk_floats(v) > room)
        return NULL;
    char *end = (char *)a->scratch + bn_scratch_bytes(v, ARRAYS, true);
    return (float *)(void *)end + thread * room;
}

/* One thread's panels. */
static void whole_panels(const struct args *a, int64_t first, int64_t last, int thread)
{
    struct bn_view v = view(a->problem, a->formats.src);
    struct share now = {0}, next = {0};
    float *near = near_tiles(a, &v, thread, v.chunks);
    for (int64_t panel = first; panel < last; panel++, now = next) {
        next = share_of(&v, panel, 1, 0, 1);
        start_panel(a, &v, panel);
        advance(a, &v, &now, &next, near);
        finish_panel(a, &v, panel);
    }
    next = (struct share){0};
    advance(a, &v, &now, &next, near);
    vfence();
}

/* Groups of panels by the whole team: each thread takes the same tiles for sums and results. */
static void shared_panels(const struct args *a, int thread, int team)
{
    struct bn_view v = view(a->problem, a->formats.src);
    struct share now = {0}, next = {0};
    int64_t group = bn_group(a, &v, SCHEDULE, TENSORS);
    float *near = near_tiles(a, &v, thread, div_up(group * v.chunks, team));
    for (int64_t i = v.panels * thread / team; i < v.panels * (thread + 1) / team; i++)
        start_panel(a, &v, i);
    team_wait();
    for (int64_t panel = 0; panel < v.panels; panel += group, now = next) {
        next = share_of(&v, panel, group, thread, team);
        advance(a, &v, &now, &next, near);
        team_wait();
        for (int64_t i = next.panels * thread / team; i < next.panels * (thread + 1) / team; i++)
            finish_panel(a, &v, panel + i);
        team_wait();
    }
    next = (struct share){0};
    advance(a, &v, &now, &next, near);
    vfence();
}

static size_t scratch_size(const struct problem *p, struct formats f, const struct hints *h)
{
    struct bn_view v = view(p, f.src);
    size_t near =
        STREAM ? (size_t)(h->threads * bn_near_floats(&v, h, TENSORS)) * sizeof(float) : 0;
    return bn_scratch_bytes(&v, ARRAYS, true) + near;
}

static void run(const struct args *caller)
{
    struct args a = bn_team(caller);
    struct bn_view v = view(a.problem, a.formats.src);
    if (bn_by_panel(&a, &v, SCHEDULE, TENSORS))
        run_tiles(&a, v.panels, whole_panels);
    else
        run_team(&a, v.panels * v.chunks, shared_panels);
}
