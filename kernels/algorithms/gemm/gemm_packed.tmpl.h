/* dst = A B + bias for NN, NT and TN on gemm.tmpl.h. Both operands are packed once, whole; then a tile of the grid is a
 * block of C, all of k. If few rows share B (a dense layer at a small batch), packing it costs more than it gains; then
 * the full panels of an NN or TN operand are read in place.
 *
 * Limited by the FMA ports (SSE2: multiply and add ports); by packing where few rows share a panel; on threads by the start of
 * two teams where the product is small. k is never split between threads: the same bits for any number of them.
 *
 * Scratch: A as [cut of k][panel][k][rows of the panel], B as [cut of k][panel][k][GEMM_COLUMNS]. */
#include "algorithms/gemm/gemm.tmpl.h"
#include "shared/partition.h"

enum {
    /* A cut of a block of B (256 x 256 x 4 = 256 KiB at 16 floats a vector) takes a quarter of the smallest L2. */
    BLOCK_COLUMNS = 8 * GEMM_COLUMNS,
    /* Rows that share a block of B while it is in L2; a multiple of 6 and of 14 keeps panels full. */
    BLOCK_ROWS = 252,
    /* Tiles the grid should have, so that a team of this size or a few times fewer is evenly loaded. */
    GRID_TILES = 16,
    /* Up to three panels of A share a panel of B: reading it in place is cheaper than a copy of it. */
    IN_PLACE_ROWS = 3 * GEMM_ROWS,
    /* Floats behind the packed operands: compilers vectorise the scalar micro-kernel and may load a whole vector where
     * a panel ends with less (which is also why one float at a time never reads B in place). */
    PACKED_SLACK = 16
};

struct packed {
    int64_t m, n, k, depth, height;       /* depth of a cut of k, height of a panel of A */
    int64_t a_row, a_step, b_row, b_step; /* strides of A[m][k] and B[k][n] */
    int64_t rows, columns, across, down;  /* of a tile of C; tiles */
    int64_t a_panels, b_panels;
    bool in_place;
    float *a, *b;
};

static inline int64_t packed_a_floats(const struct gemm *p)
{
    return div_up(p->m * p->k, 16) * 16;
}

static size_t packed_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    (void)h;
    const int64_t b_floats = div_up(p->gemm.n, GEMM_COLUMNS) * GEMM_COLUMNS * p->gemm.k;
    return (size_t)(packed_a_floats(&p->gemm) + b_floats + PACKED_SLACK) * sizeof(float);
}

static inline struct packed packed_plan(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    const bool ta = a->formats.src == GEMM_TN, tb = a->formats.src == GEMM_NT;
    struct packed g = {
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .depth = gemm_depth(p->k),
        .height = gemm_panel_rows(p->m),
        .a_row = ta ? 1 : p->k,
        .a_step = ta ? p->m : 1,
        .b_row = tb ? 1 : p->n,
        .b_step = tb ? p->k : 1,
        .in_place = V > 1 && !tb && p->m <= IN_PLACE_ROWS,
        .a = a->scratch,
        .b = (float *)a->scratch + packed_a_floats(p),
    };
    g.a_panels = div_up(g.m, g.height);
    g.b_panels = div_up(g.n, GEMM_COLUMNS);
    g.columns =
        GEMM_COLUMNS * min_i64(BLOCK_COLUMNS / GEMM_COLUMNS, max_i64(1, g.b_panels / GRID_TILES));
    g.across = div_up(g.n, g.columns);
    g.rows = g.height *
             min_i64(BLOCK_ROWS / g.height, div_up(g.a_panels, max_i64(1, GRID_TILES / g.across)));
    g.down = div_up(g.m, g.rows);
    return g;
}

/* The first tiles are panels of A, the others panels of B; each through all cuts of k. */
static void packed_pack(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct packed g = packed_plan(a);
    for (int64_t tile = first; tile < last; tile++) {
        const bool is_a = tile < g.a_panels;
        const int64_t at = is_a ? tile * g.height : (tile - g.a_panels) * GEMM_COLUMNS;
        if (!is_a && g.in_place && g.n - at >= GEMM_COLUMNS)
            continue;
        for (int64_t l = 0; l < g.k; l += g.depth) {
            const int64_t k = min_i64(g.depth, g.k - l);
            if (is_a)
                gemm_pack_a(g.a + l * g.m + at * k, a->t[SRC] + at * g.a_row + l * g.a_step,
                            g.a_row, g.a_step, min_i64(g.height, g.m - at), k);
            else
                gemm_pack_b(g.b + l * g.b_panels * GEMM_COLUMNS + at * k,
                            a->t[WEIGHTS] + l * g.b_row + at * g.b_step, g.b_row, g.b_step,
                            min_i64(GEMM_COLUMNS, g.n - at), k);
        }
    }
}

/* C[rows][columns] at (i, j) from one cut of k at l. */
static inline void packed_block(const struct args *a, const struct packed *g, int64_t i,
                                int64_t rows, int64_t j, int64_t columns, int64_t l, int64_t k)
{
    for (int64_t r = i; r < i + rows; r += g->height) {
        const int height = (int)min_i64(g->height, i + rows - r);
        const float *panel_a = g->a + l * g->m + r * k;
        for (int64_t c = j; c < j + columns; c += GEMM_COLUMNS) {
            const int64_t width = min_i64(GEMM_COLUMNS, j + columns - c), start_row = l ? g->n : 0;
            float *out = a->t[DST] + r * g->n + c;
            const float *start = l ? out : a->t[BIAS] ? a->t[BIAS] + c : gemm_zero;
            const float *panel_b = g->b + l * g->b_panels * GEMM_COLUMNS + c * k;
            if (width < GEMM_COLUMNS)
                gemm_edge(height, width, k, panel_a, panel_b, start, start_row, out, g->n);
            else if (g->in_place)
                hot_gemm(height, k, panel_a, a->t[WEIGHTS] + l * g->n + c, g->n, start, start_row,
                         out, g->n);
            else
                hot_gemm(height, k, panel_a, panel_b, GEMM_COLUMNS, start, start_row, out, g->n);
        }
    }
}

static void packed_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct packed g = packed_plan(a);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t i = tile / g.across * g.rows, j = tile % g.across * g.columns;
        for (int64_t l = 0; l < g.k; l += g.depth)
            packed_block(a, &g, i, min_i64(g.rows, g.m - i), j, min_i64(g.columns, g.n - j), l,
                         min_i64(g.depth, g.k - l));
    }
}

static void packed_run(const struct args *a)
{
    const struct packed g = packed_plan(a);
    run_tiles(a, g.a_panels + g.b_panels, packed_pack);
    run_tiles(a, g.across * g.down, packed_tiles);
}

#define GEMM_PACKED                                                                                \
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},                       \
    .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, .scratch_size = packed_scratch,          \
    .run = packed_run
