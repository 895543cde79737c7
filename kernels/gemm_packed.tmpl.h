/* dst = A B + bias for NN, NT and TN on gemm.tmpl.h. A is packed once, whole; a tile of the grid is
 * a block of rows against a block of columns, all of k, and packs its own part of B. Where few rows
 * share it (a dense layer at a small batch), packing B costs more than it gains, so full panels of
 * an NN or TN operand are read in place.
 *
 * Scratch: packed A, [k cut][panel][k][rows]; then for each thread a block of B, GEMM_DEPTH x
 * BLOCK_COLUMNS. */
#include "gemm.tmpl.h"
#include "partition.h"

enum {
    /* A block of B (256 x 256 x 4 = 256 KiB at 16 floats a vector) takes a quarter of the smallest
       L2 in use. */
    BLOCK_COLUMNS = 8 * GEMM_COLUMNS,
    /* Enough rows that a packed element of B is used often; a multiple of 6 and 14 keeps panels
       full. */
    BLOCK_ROWS = 252,
    /* Tiles the grid should have, so that a team of this size or a few times fewer is evenly
       loaded. */
    GRID_TILES = 16,
    /* Up to three panels of A share a panel of B: reading it in place is cheaper than a copy of it.
     */
    IN_PLACE_ROWS = 3 * GEMM_ROWS
};

struct packed_grid {
    int64_t rows, columns;                /* of a tile of C */
    int64_t across, down;                 /* tiles */
    int64_t depth;                        /* of a cut of k */
    int64_t a_row, a_step, b_row, b_step; /* strides of A[m][k] and B[k][n] */
};

static inline struct packed_grid packed_grid(const struct args *a)
{
    const struct gemm *p = &a->problem->gemm;
    const bool ta = a->formats.src == GEMM_TN, tb = a->formats.src == GEMM_NT;
    struct packed_grid g = {.depth = gemm_depth(p->k),
                            .a_row = ta ? 1 : p->k,
                            .a_step = ta ? p->m : 1,
                            .b_row = tb ? 1 : p->n,
                            .b_step = tb ? p->k : 1};
    const int64_t panels = div_up(p->n, GEMM_COLUMNS);
    g.columns =
        GEMM_COLUMNS * min_i64(BLOCK_COLUMNS / GEMM_COLUMNS, max_i64(1, panels / GRID_TILES));
    g.across = div_up(p->n, g.columns);
    const int64_t height = gemm_panel_rows(p->m);
    const int64_t most = max_i64(1, BLOCK_ROWS / height);
    g.rows =
        height * min_i64(most, div_up(div_up(p->m, height), max_i64(1, GRID_TILES / g.across)));
    g.down = div_up(p->m, g.rows);
    return g;
}

static size_t packed_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    (void)f;
    const int64_t a_floats = div_up(p->gemm.m * p->gemm.k, 16) * 16;
    return (size_t)(a_floats + h->threads * GEMM_DEPTH * BLOCK_COLUMNS) * sizeof(float);
}

/* One tile is one panel of A, through all cuts of k. */
static void packed_pack_a(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct gemm *p = &a->problem->gemm;
    const struct packed_grid g = packed_grid(a);
    const int64_t height = gemm_panel_rows(p->m);
    float *out = a->scratch;
    for (int64_t panel = first; panel < last; panel++) {
        const int64_t i = panel * height, rows = min_i64(height, p->m - i);
        for (int64_t l = 0; l < p->k; l += g.depth) {
            const int64_t k = min_i64(g.depth, p->k - l);
            gemm_pack_a(out + l * p->m + i * k, a->t[SRC] + i * g.a_row + l * g.a_step, g.a_row,
                        g.a_step, rows, k);
        }
    }
}

/* One tile of C, one cut of k, B read in place except for the last columns. */
static inline void packed_in_place(const struct args *a, const struct packed_grid *g, int64_t i,
                                   int64_t rows, int64_t j, int64_t columns, int64_t l, int64_t k,
                                   float *restrict block)
{
    const struct gemm *p = &a->problem->gemm;
    const float *panel_a = (const float *)a->scratch + l * p->m + i * k;
    const int64_t whole = columns / GEMM_COLUMNS * GEMM_COLUMNS, height = gemm_panel_rows(p->m);
    for (int64_t c = 0; c < whole; c += GEMM_COLUMNS) {
        for (int64_t r = 0; r < rows; r += height) {
            float *out = a->t[DST] + (i + r) * p->n + j + c;
            const float *from = l ? out : a->t[BIAS] ? a->t[BIAS] + j + c : gemm_zero;
            hot_gemm((int)min_i64(height, rows - r), k, panel_a + r * k,
                     a->t[WEIGHTS] + l * g->b_row + j + c, g->b_row, from, l ? p->n : 0, out, p->n);
        }
    }
    if (whole == columns)
        return;
    gemm_pack_b(block, a->t[WEIGHTS] + l * g->b_row + j + whole, g->b_row, 1, columns - whole, k);
    for (int64_t r = 0; r < rows; r += height) {
        float *out = a->t[DST] + (i + r) * p->n + j + whole;
        const float *from = l ? out : a->t[BIAS] ? a->t[BIAS] + j + whole : gemm_zero;
        gemm_edge((int)min_i64(height, rows - r), columns - whole, k, panel_a + r * k, block, from,
                  l ? p->n : 0, out, p->n);
    }
}

static void packed_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct gemm *p = &a->problem->gemm;
    const struct packed_grid g = packed_grid(a);
    const float *packed = a->scratch;
    float *block = (float *)a->scratch + div_up(p->m * p->k, 16) * 16 +
                   (int64_t)thread * GEMM_DEPTH * BLOCK_COLUMNS;
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t i = tile / g.across * g.rows, j = tile % g.across * g.columns;
        const int64_t rows = min_i64(g.rows, p->m - i), columns = min_i64(g.columns, p->n - j);
        for (int64_t l = 0; l < p->k; l += g.depth) {
            const int64_t k = min_i64(g.depth, p->k - l);
            if (p->m <= IN_PLACE_ROWS && g.b_step == 1) {
                packed_in_place(a, &g, i, rows, j, columns, l, k, block);
                continue;
            }
            for (int64_t c = 0; c < columns; c += GEMM_COLUMNS)
                gemm_pack_b(block + c * k, a->t[WEIGHTS] + l * g.b_row + (j + c) * g.b_step,
                            g.b_row, g.b_step, min_i64(GEMM_COLUMNS, columns - c), k);
            gemm_block(rows, gemm_panel_rows(p->m), columns, k, packed + l * p->m + i * k, block,
                       l == 0, a->t[BIAS] ? a->t[BIAS] + j : NULL, a->t[DST] + i * p->n + j, p->n);
        }
    }
}

static void packed_run(const struct args *a)
{
    const struct packed_grid g = packed_grid(a);
    run_tiles(a, div_up(a->problem->gemm.m, gemm_panel_rows(a->problem->gemm.m)), packed_pack_a);
    run_tiles(a, g.across * g.down, packed_tiles);
}
