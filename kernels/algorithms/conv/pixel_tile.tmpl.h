/* The register tile of the convolutions forward with pixels in the lanes, rows_fwd.tmpl.h and planes_fwd.tmpl.h, and the order
 * of its weights. They say by TILE_NARROW whether a row of pixels may be shorter than a vector.
 *
 *   TILE_OUTPUTS    1 to 6    outputs of a tile
 *   TILE_VECTORS    1 to 4    vectors of pixels of a tile */
#include "algorithms/conv/rows.tmpl.h"

_Static_assert(TILE_OUTPUTS >= 1 && TILE_OUTPUTS <= 6,
               "hot_planes() has a case for 1 to 6 outputs");
_Static_assert(TILE_VECTORS >= 1 && TILE_VECTORS <= 4,
               "tile_outputs() has a case for 1 to 4 vectors");

/* What a tile computes: some outputs of `vectors` vectors of pixels, each at[v] wide V. Sums begin with the bias or,
 * where there are earlier ones, from `sums` on, and end in to[v] + out. Lines that are read later begin at `ask`, each step
 * asks for one, unless NULL. With TILE_NARROW only the first n pixels of a vector are stored, and there are neither earlier
 * sums nor lines to ask for. */
struct job {
    const float *const *at, *w, *bias, *sums;
    float *const *to;
    const ptrdiff_t *step;
    int64_t steps, vectors, n;
    ptrdiff_t pitch, out, out_pitch; /* pitch: floats from output to output */
    const float *ask;
};

static inline __attribute__((always_inline)) void tile(int k, int n, const struct job *j)
{
    const float *pixel[TILE_VECTORS], *w = j->w, *ask = j->ask;
    float *to[TILE_VECTORS];
    const ptrdiff_t *step = j->step, *end = step + j->steps;
    ptrdiff_t out_pitch = j->out_pitch;
    vf sum[TILE_OUTPUTS][TILE_VECTORS];
    VEC_UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
        pixel[v] = j->at[v < n ? v : 0];
        to[v] = j->to[v < n ? v : 0] + j->out;
    }
    VEC_UNROLL
    for (int o = 0; o < TILE_OUTPUTS; o++) {
        if (o >= k)
            break;
        VEC_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            if (v < n)
                sum[o][v] = !TILE_NARROW && j->sums ? vload(j->sums + o * j->pitch + v * V)
                                                    : vset1(j->bias[o]);
    }
#pragma GCC unroll 4
    for (; step < end; step++) {
        vf x[TILE_VECTORS];
        ptrdiff_t s = *step;
        VEC_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            if (v < n)
                x[v] = vload(pixel[v] + s);
        if (!TILE_NARROW && ask)
            __builtin_prefetch(ask + s, 0, 2);
        VEC_UNROLL
        for (int o = 0; o < TILE_OUTPUTS; o++) {
            if (o >= k)
                break;
            vf b = vset1(w[o]);
            VEC_UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                if (v < n)
                    sum[o][v] = vfma(b, x[v], sum[o][v]);
        }
        w += k;
    }
    VEC_UNROLL
    for (int o = 0; o < TILE_OUTPUTS; o++) {
        if (o >= k)
            break;
        VEC_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            if (v < n && TILE_NARROW && j->n < V)
                vstore_n(to[v] + o * out_pitch, sum[o][v], j->n);
            else if (v < n)
                vstore(to[v] + o * out_pitch, sum[o][v]);
    }
}

/* The tiles that TILE_OUTPUTS and TILE_VECTORS rule out are not compiled. */
static inline __attribute__((always_inline)) void tile_size(int k, int n, const struct job *j)
{
    if (k <= TILE_OUTPUTS && n <= TILE_VECTORS && (n == TILE_VECTORS || !TILE_NARROW))
        tile(k, n, j);
}

static inline __attribute__((always_inline)) void tile_outputs(int k, const struct job *j)
{
    switch (j->vectors) {
    case 1: tile_size(k, 1, j); break;
    case 2: tile_size(k, 2, j); break;
    case 3: tile_size(k, 3, j); break;
    default: tile_size(k, 4, j);
    }
}

/* k outputs: 32 of them are 2 blocks of 6 and 4 of 5, and none computes what is not stored. */
static __attribute__((noinline)) void hot_planes(int64_t k, const struct job *j)
{
    switch (k) {
    case 1: tile_outputs(1, j); break;
    case 2: tile_outputs(2, j); break;
    case 3: tile_outputs(3, j); break;
    case 4: tile_outputs(4, j); break;
    case 5: tile_outputs(5, j); break;
    default: tile_outputs(6, j);
    }
}

/* Blocks of outputs. */
static inline int64_t blocks_of(int64_t outputs)
{
    return div_up(outputs, TILE_OUTPUTS);
}

/* Packs inputs c .. c + n of a block of outputs of weights[output][input, tap] as [input, tap][output]. */
static inline void pack_block(float *to, const float *weights, int64_t outputs, int64_t inputs,
                              int64_t taps, int64_t block, int64_t c, int64_t n)
{
    int64_t o = part_begin(outputs, blocks_of(outputs), block);
    int64_t k = part_begin(outputs, blocks_of(outputs), block + 1) - o;
    const float *from = weights + (o * inputs + c) * taps;
    for (int64_t s = 0; s < n * taps; s++)
        for (int64_t l = 0; l < k; l++)
            *to++ = from[l * inputs * taps + s];
}
