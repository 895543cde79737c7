/* A blocked matrix product C = start + A B after BLIS (Van Zee and van de Geijn 2015; Goto and van
 * de Geijn 2008), written over vec.h. gemm/40_packed_* and the convolutions that are products
 * (im2col, Winograd) are made of it.
 *
 *   A  is packed into panels of up to GEMM_ROWS rows, a panel is [k][rows of this panel];
 *   B  is packed into panels of GEMM_COLUMNS columns, a panel is [k][GEMM_COLUMNS]; columns beyond
 *      the last are zero. The caller packs it: a copy, a transpose, or the image itself (im2col);
 *   C  has its rows c_row floats apart and contiguous columns.
 *
 * The micro-kernel keeps a tile of C in registers and runs over k; a step loads GEMM_VECS vectors
 * of B and broadcasts one element of A per row. It is bound by the FMA ports: a step of 2 x rows
 * products has 2 + rows loads.
 *
 * k is cut into parts of at most GEMM_DEPTH. The cut follows from k alone, so the bits of C depend
 * neither on the tile of C nor on the thread that makes it. */
#ifndef BATCHMARK_GEMM_TMPL_H
#define BATCHMARK_GEMM_TMPL_H

#include "kernel.h"
#include "vec/vec.h"

#include <string.h>

enum {
    /* Two vectors of B a step: with one, loads of A (one per row) would need as many load slots as
     * there are products; with three, fewer rows fit and B costs more. */
    GEMM_VECS = 2,
    /* Beside the accumulators: GEMM_VECS of B, the broadcast, one for SSE2's product. NEON broadcasts from registers and
     * loads elements of A ahead: with less room it spills. */
    GEMM_SPARE = GEMM_VECS + (V == 4 && VREGS == 32 ? 6 : 2),
    /* 14 rows with 32 registers (NEON 12), 6 with 16: more independent chains than latency x ports asks for (4 x 2). */
    GEMM_ROWS = (VREGS - GEMM_SPARE) / GEMM_VECS,
    GEMM_COLUMNS = GEMM_VECS * V,
    /* A panel of A of this depth (14 x 4 x 256 = 14 KiB) stays in L1 while the panels of B stream
       past it. */
    GEMM_DEPTH = 256,
    GEMM_TILE = GEMM_ROWS * GEMM_COLUMNS
};

/* Where a C without bias starts. */
static const float gemm_zero[GEMM_COLUMNS] = {0};

/* `total` cut into as few equal parts as `most` allows: the size of a part. */
static inline int64_t gemm_even(int64_t total, int64_t most)
{
    return total > 0 ? div_up(total, div_up(total, most)) : 1;
}

/* Rows in a full panel of an A with m rows: panels are of even height, since a short last one
 * starves the ports. */
static inline int64_t gemm_panel_rows(int64_t m)
{
    return gemm_even(m, GEMM_ROWS);
}

static inline int64_t gemm_depth(int64_t k)
{
    return gemm_even(k, GEMM_DEPTH);
}

/* Floats of one packed panel of B of depth k. */
static inline int64_t gemm_b_panel(int64_t k)
{
    return k * GEMM_COLUMNS;
}

static inline __attribute__((always_inline)) void
gemm_tile(const int rows, int64_t k, const float *restrict a, const float *restrict b,
          int64_t b_row, const float *start, int64_t start_row, float *c, int64_t c_row)
{
    if (rows > GEMM_ROWS)
        return;
    vf sum[GEMM_ROWS][GEMM_VECS];
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        VEC_UNROLL
        for (int v = 0; v < GEMM_VECS; v++)
            sum[r][v] = vload(start + r * start_row + v * V);
    }
    for (int64_t l = 0; l < k; l++) {
        vf y[GEMM_VECS];
        VEC_UNROLL
        for (int v = 0; v < GEMM_VECS; v++)
            y[v] = vload(b + v * V);
        VEC_UNROLL
        for (int r = 0; r < rows; r++) {
            const vf x = vset1(a[r]);
            VEC_UNROLL
            for (int v = 0; v < GEMM_VECS; v++)
                sum[r][v] = vfma(x, y[v], sum[r][v]);
        }
        a += rows;
        b += b_row;
    }
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        VEC_UNROLL
        for (int v = 0; v < GEMM_VECS; v++)
            vstore(c + r * c_row + v * V, sum[r][v]);
    }
}

/* c[rows][GEMM_COLUMNS] = start + a b: a is a packed panel of `rows` rows, b has its k rows b_row
 * apart (GEMM_COLUMNS where packed), start_row = 0 gives all rows of C the same start. c and start
 * may be the same. */
static __attribute__((noinline)) void hot_gemm(int rows, int64_t k, const float *restrict a,
                                               const float *restrict b, int64_t b_row,
                                               const float *start, int64_t start_row, float *c,
                                               int64_t c_row)
{
    switch (rows) {
    case 1: gemm_tile(1, k, a, b, b_row, start, start_row, c, c_row); break;
    case 2: gemm_tile(2, k, a, b, b_row, start, start_row, c, c_row); break;
    case 3: gemm_tile(3, k, a, b, b_row, start, start_row, c, c_row); break;
    case 4: gemm_tile(4, k, a, b, b_row, start, start_row, c, c_row); break;
    case 5: gemm_tile(5, k, a, b, b_row, start, start_row, c, c_row); break;
    case 6: gemm_tile(6, k, a, b, b_row, start, start_row, c, c_row); break;
    case 7: gemm_tile(7, k, a, b, b_row, start, start_row, c, c_row); break;
    case 8: gemm_tile(8, k, a, b, b_row, start, start_row, c, c_row); break;
    case 9: gemm_tile(9, k, a, b, b_row, start, start_row, c, c_row); break;
    case 10: gemm_tile(10, k, a, b, b_row, start, start_row, c, c_row); break;
    case 11: gemm_tile(11, k, a, b, b_row, start, start_row, c, c_row); break;
    case 12: gemm_tile(12, k, a, b, b_row, start, start_row, c, c_row); break;
    case 13: gemm_tile(13, k, a, b, b_row, start, start_row, c, c_row); break;
    case 14: gemm_tile(14, k, a, b, b_row, start, start_row, c, c_row); break;
    }
}

/* out[c * out_row + r] = in[r * in_row + c] */
static inline void gemm_transpose(float *restrict out, int64_t out_row, const float *restrict in,
                                  int64_t in_row, int64_t rows, int64_t columns)
{
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        int64_t c = 0;
        for (; c + 4 <= columns; c += 4) {
            const float *p = in + r * in_row + c;
            vtranspose4((const float *[]){p, p + in_row, p + 2 * in_row, p + 3 * in_row},
                        out + c * out_row + r, out_row);
        }
        for (; c < columns; c++)
            for (int64_t i = r; i < r + 4; i++)
                out[c * out_row + i] = in[i * in_row + c];
    }
    for (; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            out[c * out_row + r] = in[r * in_row + c];
}

/* Packs rows x k of A, element (i, l) at a[i * row + l * step], into one panel. One of the strides is 1. */
static inline void gemm_pack_a(float *restrict out, const float *restrict a, int64_t row,
                               int64_t step, int64_t rows, int64_t k)
{
    if (step == 1) {
        gemm_transpose(out, rows, a, row, rows, k);
        return;
    }
    for (int64_t l = 0; l < k; l++)
        for (int64_t i = 0; i < rows; i++)
            out[l * rows + i] = a[i + l * step];
}

/* Packs k x columns of B, element (l, j) at b[l * row + j * step], into one panel. One of the strides is 1. */
static inline void gemm_pack_b(float *restrict out, const float *restrict b, int64_t row,
                               int64_t step, int64_t columns, int64_t k)
{
    if (columns < GEMM_COLUMNS)
        memset(out, 0, (size_t)(k * GEMM_COLUMNS) * sizeof *out);
    if (step != 1) {
        gemm_transpose(out, GEMM_COLUMNS, b, step, columns, k);
        return;
    }
    for (int64_t l = 0; l < k; l++) {
        if (columns == GEMM_COLUMNS) {
            for (int v = 0; v < GEMM_VECS; v++)
                vstore(out + l * GEMM_COLUMNS + v * V, vload(b + l * row + v * V));
        } else {
            memcpy(out + l * GEMM_COLUMNS, b + l * row, (size_t)columns * sizeof *out);
        }
    }
}

/* The same for a tile of fewer than GEMM_COLUMNS columns; start and c are read and written only
 * where they exist. */
static inline void gemm_edge(int rows, int64_t columns, int64_t k, const float *restrict a,
                             const float *restrict b, const float *start, int64_t start_row,
                             float *c, int64_t c_row)
{
    float tile[GEMM_TILE] = {0};
    for (int r = 0; r < rows; r++)
        memcpy(tile + r * GEMM_COLUMNS, start + r * start_row, (size_t)columns * sizeof *tile);
    hot_gemm(rows, k, a, b, GEMM_COLUMNS, tile, GEMM_COLUMNS, tile, GEMM_COLUMNS);
    for (int r = 0; r < rows; r++)
        memcpy(c + r * c_row, tile + r * GEMM_COLUMNS, (size_t)columns * sizeof *tile);
}

/* C = start + A B for m rows of A in packed panels of `height` rows and a block of B in packed
 * panels. `first` says whether this is the first cut of k: C starts from start, one value a column
 * (NULL: zero); later ones add to C. */
static inline void gemm_block(int64_t m, int64_t height, int64_t columns, int64_t k,
                              const float *restrict a, const float *restrict b, bool first,
                              const float *start, float *c, int64_t c_row)
{
    for (int64_t i = 0; i < m; i += height) {
        const int rows = (int)min_i64(height, m - i);
        for (int64_t j = 0; j < columns; j += GEMM_COLUMNS) {
            const float *from = !first ? c + i * c_row + j : start ? start + j : gemm_zero;
            const float *panel = b + j / GEMM_COLUMNS * gemm_b_panel(k);
            if (columns - j >= GEMM_COLUMNS)
                hot_gemm(rows, k, a + i * k, panel, GEMM_COLUMNS, from, first ? 0 : c_row,
                         c + i * c_row + j, c_row);
            else
                gemm_edge(rows, columns - j, k, a + i * k, panel, from, first ? 0 : c_row,
                          c + i * c_row + j, c_row);
        }
    }
}

#endif
