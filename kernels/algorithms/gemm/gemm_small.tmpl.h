/* dst = A B + bias for NN, NT and TN, for products so small that packing both operands would cost more than the
 * products: dense layers at the batch sizes of training. Operands are read in place. gemm_packed.tmpl.h is for larger
 * products.
 *
 * small_way() chooses one of four ways by the problem alone:
 *   outer    NN and TN. A tile of C stays in registers. A step of k broadcasts one element of A per row and multiplies it by
 *            vectors of a row of B. The last vector of a row ends with the row and overlaps the one before, so that no
 *            step needs a mask; both compute the same bits.
 *   packed   NT, if many rows share a panel of B. As outer, after the thread has transposed the panel, one cut of k at a
 *            time.
 *   swapped  TN with few columns. As outer with A and B exchanged, so that vectors lie along m; C is stored transposed.
 *   dots     NT; and NN with so few columns that transposing B costs almost nothing. A tile of sums over vectors of k, with
 *            both operands contiguous; lanes are added up at the end (vsum_each).
 *
 * Bound: the FMA ports if m, n and k fill tiles; loads, most of which cross cache lines, if a row of B is short or sums are
 * few; the call itself below about 1,000 products. Only threads with enough work are woken. The grid of tiles and the cuts
 * of k follow from the problem, so the bits do not depend on the number of threads. */
#include "algorithms/gemm/gemm.tmpl.h"
#include "shared/partition.h"
#include "shared/turn.h"

enum {
    /* Vectors of a tile: with four, six rows share each load of B, which may straddle cache lines. */
    SMALL_VECS = VREGS >= 32 ? 4 : 2,
    /* Rows of the tallest tile; more would need more addresses than there are registers for. */
    SMALL_TALL = VREGS >= 32 ? 8 : 6,
    /* A cut of k: 112 rows of a panel of B (28 KiB at four vectors of 16) stay in L1 for the tiles of a block of rows. */
    SMALL_DEPTH = 112,
    /* Rows that share a panel of B often enough to have it transposed however long k is: dots read all of B once for each
     * DOT_ROWS of them, and from L2. Only where there are panels for four threads. */
    SMALL_MANY = 32,
    SMALL_BLOCK = 8, /* tiles of a block of rows */
    SMALL_PANEL = SMALL_VECS * V,
    SMALL_CUT = SMALL_DEPTH * SMALL_PANEL,
    /* A tile of dots: 24 sums of 32 registers, 8 of 16, so that a step has more products than loads that straddle cache
     * lines, which count twice. */
    DOT_ROWS = VREGS >= 32 ? 6 : 2,
    DOT_COLUMNS = 4,
    /* Rounded up to whole vectors of sums. */
    DOT_TILE = (DOT_ROWS * DOT_COLUMNS + V - 1) / V * V,
    /* What a thread must have to do, in products; a parallel region costs about 150,000 of AVX-512's. An element read
     * for the first time counts as four. */
    SMALL_GRAIN = 300000
};

enum small_how { SMALL_OUTER, SMALL_PACKED, SMALL_SWAPPED, SMALL_DOTS, SMALL_DOTS_PACKED };

/* A product as its way sees it: exchanged operands where it is swapped. */
struct small {
    enum small_how how;
    int64_t m, n, k;
    const float *a, *b, *bias;
    float *c;
    int64_t a_row, a_step; /* A(i, l) is a[i a_row + l a_step] */
    int64_t b_row;         /* from row to row of B */
    int64_t vecs, across;  /* vectors of a row of C; panels of them */
    int64_t height, down;  /* rows of a tile; tiles */
    int64_t blocks;        /* of tiles, as even as can be */
    int64_t depth;
    float *packed;
};

static inline int64_t small_tall(int64_t vecs)
{
    return vecs <= 3 ? SMALL_TALL : 6;
}

/* Costs are in steps of k of one vector. Sums across lanes cost as much as six steps each; transposing costs a step an
 * element. */
static inline enum small_how small_way(const struct gemm *p, enum layout layout)
{
    switch (layout) {
    case GEMM_NT:
        if (p->n < V)
            return SMALL_DOTS;
        return p->k <= 6 * p->m || (p->m >= SMALL_MANY && p->n > 6 * V) ? SMALL_PACKED : SMALL_DOTS;
    case GEMM_TN:
        return p->n < V && p->m >= V && p->n * div_up(p->m, V) < p->m ? SMALL_SWAPPED : SMALL_OUTER;
    default: return 4 * p->n <= V && p->k >= 2 * V ? SMALL_DOTS_PACKED : SMALL_OUTER;
    }
}

static const char *small_fits(const struct problem *p, struct formats f)
{
    (void)f;
    const struct gemm *g = &p->gemm;
    /* Beyond, panels of A pay too. */
    return g->m * g->n * g->k <= (int64_t)1 << 25 ? NULL
                                                  : "too large: the packed product is meant for it";
}

static size_t small_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct gemm *g = &p->gemm;
    switch (small_way(g, f.src)) {
    case SMALL_PACKED: return (size_t)(h->threads * SMALL_CUT) * sizeof(float);
    case SMALL_DOTS_PACKED: return (size_t)(g->n * g->k) * sizeof(float);
    default: return 0;
    }
}

static inline struct small small_plan(const struct args *args)
{
    const struct gemm *p = &args->problem->gemm;
    const enum layout layout = args->formats.src;
    struct small s = {.how = small_way(p, layout),
                      .m = p->m,
                      .n = p->n,
                      .k = p->k,
                      .a = args->t[SRC],
                      .b = args->t[WEIGHTS],
                      .bias = args->t[BIAS],
                      .c = args->t[DST],
                      .a_row = layout == GEMM_TN ? 1 : p->k,
                      .a_step = layout == GEMM_TN ? p->m : 1,
                      .b_row = layout == GEMM_NT ? p->k : p->n,
                      .packed = args->scratch};
    if (s.how == SMALL_SWAPPED) {
        s.m = p->n;
        s.n = p->m;
        s.a = args->t[WEIGHTS];
        s.b = args->t[SRC];
        s.a_step = p->n;
        s.b_row = p->m;
    }
    if (s.how == SMALL_DOTS || s.how == SMALL_DOTS_PACKED) {
        s.height = gemm_even(s.m, DOT_ROWS);
        s.down = div_up(s.m, s.height);
        s.across = div_up(s.n, DOT_COLUMNS);
        return s;
    }
    s.vecs = div_up(s.n, V);
    s.across = div_up(s.vecs, SMALL_VECS);
    if (s.how == SMALL_PACKED) /* panels are what is shared out */
        s.across = max_i64(s.across, min_i64(4, div_up(s.vecs, 2)));
    s.height = gemm_even(s.m, small_tall(div_up(s.vecs, s.across)));
    s.down = div_up(s.m, s.height);
    s.blocks = div_up(s.down, SMALL_BLOCK);
    s.depth = s.how == SMALL_SWAPPED ? s.k : gemm_even(s.k, SMALL_DEPTH);
    return s;
}

/* What a tile reads and writes: A(r, l) is a[r a_row + l a_step], rows of B, C and what C begins with (NULL: zeros) are so far
 * apart, and their last vectors begin at b_last and c_last. */
struct small_job {
    int64_t k;
    const float *a, *b, *start;
    float *c;
    int64_t a_row, a_step, b_row, b_last, start_row, c_row, c_last;
};

/* Vectors of a tile: the last begins at b_last and c_last, the others one after the other. A tile of few sums takes
 * even and odd steps of k apart, as it takes eight chains of products to hide their latency. */
static inline __attribute__((always_inline)) void small_tile(const int rows, const int vecs,
                                                             const struct small_job *j)
{
    const float *a = j->a, *b = j->b, *start = j->start;
    const int64_t k = j->k, a_row = j->a_row, a_step = j->a_step, b_row = j->b_row;
    const int64_t b_last = j->b_last, start_row = j->start_row, c_row = j->c_row,
                  c_last = j->c_last;
    float *c = j->c;
    const int ways = rows * vecs <= 4 ? 2 : 1;
    vf sum[2][SMALL_TALL][SMALL_VECS];
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        VEC_UNROLL
        for (int v = 0; v < vecs; v++) {
            sum[0][r][v] =
                !start ? vzero() : vload(start + r * start_row + (v + 1 < vecs ? v * V : c_last));
            sum[1][r][v] = vzero();
        }
    }
    for (int64_t l = 0; l + ways <= k; l += ways) {
        VEC_UNROLL
        for (int w = 0; w < ways; w++) {
            vf y[SMALL_VECS];
            VEC_UNROLL
            for (int v = 0; v < vecs; v++)
                y[v] = vload(b + (v + 1 < vecs ? v * V : b_last));
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                const vf x = vset1(a[r * a_row]);
                VEC_UNROLL
                for (int v = 0; v < vecs; v++)
                    sum[w][r][v] = vfma(x, y[v], sum[w][r][v]);
            }
            a += a_step;
            b += b_row;
        }
    }
    VEC_UNROLL
    for (int r = 0; r < rows && ways == 2; r++) {
        VEC_UNROLL
        for (int v = 0; v < vecs; v++) {
            sum[0][r][v] = vadd(sum[0][r][v], sum[1][r][v]);
            if (k % 2)
                sum[0][r][v] = vfma(vset1(a[r * a_row]), vload(b + (v + 1 < vecs ? v * V : b_last)),
                                    sum[0][r][v]);
        }
    }
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        VEC_UNROLL
        for (int v = 0; v < vecs; v++)
            vstore(c + r * c_row + (v + 1 < vecs ? v * V : c_last), sum[0][r][v]);
    }
}

/* The same for rows of C shorter than a vector. */
static inline __attribute__((always_inline)) void small_narrow(const int rows, int64_t n,
                                                               const struct small_job *j)
{
    const float *a = j->a, *b = j->b, *start = j->start;
    const int64_t k = j->k, a_row = j->a_row, a_step = j->a_step, b_row = j->b_row;
    const int64_t start_row = j->start_row, c_row = j->c_row;
    float *c = j->c;
    vf sum[SMALL_TALL];
    VEC_UNROLL
    for (int r = 0; r < rows; r++)
        sum[r] = !start ? vzero() : vload_n(start + r * start_row, n);
    for (int64_t l = 0; l < k; l++) {
        const vf y = vload_n(b, n);
        VEC_UNROLL
        for (int r = 0; r < rows; r++)
            sum[r] = vfma(vset1(a[r * a_row]), y, sum[r]);
        a += a_step;
        b += b_row;
    }
    VEC_UNROLL
    for (int r = 0; r < rows; r++)
        vstore_n(c + r * c_row, sum[r], n);
}

/* The tiles of a height and width that registers do not allow are not compiled. */
static inline __attribute__((always_inline)) void small_size(const int rows, const int vecs,
                                                             const struct small_job *j)
{
    if (vecs <= SMALL_VECS && rows <= small_tall(vecs))
        small_tile(rows, vecs, j);
}

static inline __attribute__((always_inline)) void small_vecs(const int vecs, int rows,
                                                             const struct small_job *j)
{
    switch (rows) {
    case 1: small_size(1, vecs, j); break;
    case 2: small_size(2, vecs, j); break;
    case 3: small_size(3, vecs, j); break;
    case 4: small_size(4, vecs, j); break;
    case 5: small_size(5, vecs, j); break;
    case 6: small_size(6, vecs, j); break;
    case 7: small_size(7, vecs, j); break;
    default: small_size(8, vecs, j);
    }
}

static __attribute__((noinline)) void hot_small(int rows, int vecs, const struct small_job *j)
{
    switch (vecs) {
    case 1: small_vecs(1, rows, j); break;
    case 2: small_vecs(2, rows, j); break;
    case 3: small_vecs(3, rows, j); break;
    default: small_vecs(4, rows, j);
    }
}

static __attribute__((noinline)) void hot_small_narrow(int rows, int64_t n,
                                                       const struct small_job *j)
{
    switch (rows) {
    case 1: small_narrow(1, n, j); break;
    case 2: small_narrow(2, n, j); break;
    case 3: small_narrow(3, n, j); break;
    case 4: small_narrow(4, n, j); break;
    case 5: small_narrow(5, n, j); break;
    case 6: small_narrow(6, n, j); break;
    case 7: small_narrow(SMALL_TALL < 7 ? 1 : 7, n, j); break;
    default: small_narrow(SMALL_TALL < 8 ? 1 : 8, n, j);
    }
}

/* out[rows][DOT_COLUMNS] = products of rows of A and of B, both contiguous along k. */
static inline __attribute__((always_inline)) void dot_tile(const int rows, const int columns,
                                                           int64_t k, const float *a, int64_t a_row,
                                                           const float *b, int64_t b_row,
                                                           float *out)
{
    vf sum[DOT_TILE];
    VEC_UNROLL
    for (int i = 0; i < rows * DOT_COLUMNS; i++)
        sum[i] = vzero();
    int64_t l = 0;
    for (; l + V <= k; l += V) {
        vf y[DOT_COLUMNS];
        VEC_UNROLL
        for (int j = 0; j < columns; j++)
            y[j] = vload(b + j * b_row + l);
        VEC_UNROLL
        for (int i = 0; i < rows; i++) {
            const vf x = vload(a + i * a_row + l);
            VEC_UNROLL
            for (int j = 0; j < columns; j++)
                sum[i * DOT_COLUMNS + j] = vfma(x, y[j], sum[i * DOT_COLUMNS + j]);
        }
    }
    if (l < k) {
        vf y[DOT_COLUMNS];
        VEC_UNROLL
        for (int j = 0; j < columns; j++)
            y[j] = vload_n(b + j * b_row + l, k - l);
        VEC_UNROLL
        for (int i = 0; i < rows; i++) {
            const vf x = vload_n(a + i * a_row + l, k - l);
            VEC_UNROLL
            for (int j = 0; j < columns; j++)
                sum[i * DOT_COLUMNS + j] = vfma(x, y[j], sum[i * DOT_COLUMNS + j]);
        }
    }
    /* Lanes without a sum repeat the first one: what is computed twice costs nothing. */
    VEC_UNROLL
    for (int i = 0; i < DOT_TILE; i += V) {
        vf each[V];
        VEC_UNROLL
        for (int j = 0; j < V; j++)
            each[j] =
                i + j < rows * DOT_COLUMNS && (i + j) % DOT_COLUMNS < columns ? sum[i + j] : sum[0];
        if (i < rows * DOT_COLUMNS)
            vstore(out + i, vsum_each(each));
    }
}

static inline __attribute__((always_inline)) void dot_rows(const int rows, int columns, int64_t k,
                                                           const float *a, int64_t a_row,
                                                           const float *b, int64_t b_row,
                                                           float *out)
{
    if (rows > DOT_ROWS)
        return;
    switch (columns) {
    case 1: dot_tile(rows, 1, k, a, a_row, b, b_row, out); break;
    case 2: dot_tile(rows, 2, k, a, a_row, b, b_row, out); break;
    case 3: dot_tile(rows, 3, k, a, a_row, b, b_row, out); break;
    default: dot_tile(rows, 4, k, a, a_row, b, b_row, out);
    }
}

static __attribute__((noinline)) void hot_dots(int rows, int columns, int64_t k,
                                               const float *restrict a, int64_t a_row,
                                               const float *restrict b, int64_t b_row,
                                               float *restrict out)
{
    switch (rows) {
    case 1: dot_rows(1, columns, k, a, a_row, b, b_row, out); break;
    case 2: dot_rows(2, columns, k, a, a_row, b, b_row, out); break;
    case 3: dot_rows(3, columns, k, a, a_row, b, b_row, out); break;
    case 4: dot_rows(4, columns, k, a, a_row, b, b_row, out); break;
    case 5: dot_rows(5, columns, k, a, a_row, b, b_row, out); break;
    default: dot_rows(6, columns, k, a, a_row, b, b_row, out);
    }
}

/* Column at which vector v of a row of C begins. */
static inline int64_t small_column(const struct small *s, int64_t v)
{
    return max_i64(0, min_i64(v * V, s->n - V));
}

/* out[columns][k] = B[k][columns] for a number of columns that the compiler knows, so that it uses vectors. */
static inline __attribute__((always_inline)) void
small_unzip(const int columns, int64_t k, const float *restrict b, float *restrict out)
{
    for (int j = 0; j < columns; j++)
        for (int64_t l = 0; l < k; l++)
            out[j * k + l] = b[l * columns + j];
}

static void small_columns(const struct small *s)
{
    switch (s->n) {
    case 1: small_unzip(1, s->k, s->b, s->packed); break;
    case 2: small_unzip(2, s->k, s->b, s->packed); break;
    case 3: small_unzip(3, s->k, s->b, s->packed); break;
    default: small_unzip(4, s->k, s->b, s->packed); break;
    }
}

/* Brings rows of an operand near. Another core may have written them, and a tile reads too little of a row at a time for
 * the CPU to see what comes next. */
static inline void small_fetch(const float *p, int64_t row, int64_t rows, int64_t columns)
{
    enum { LINE = 16 };
    for (int64_t r = 0; r < rows; r++, p += row)
        for (int64_t c = 0; c < columns; c += LINE)
            __builtin_prefetch(p + c);
}

/* Rows i to end of C for vectors v0 to v0 + vecs and the cut of k that begins at l; b is the cut's first row of B, of which the
 * last vector begins at b_last. */
static inline void small_cut(const struct small *s, int64_t i, int64_t end, int64_t v0, int vecs,
                             int64_t l, const float *b, int64_t b_row, int64_t b_last)
{
    const int64_t j = small_column(s, v0), last = small_column(s, v0 + vecs - 1) - j;
    const int64_t k = min_i64(s->depth, s->k - l);
    for (int64_t r = i; r < end; r += s->height) {
        const int rows = (int)min_i64(s->height, end - r);
        const float *a = s->a + r * s->a_row + l * s->a_step;
        float *c = s->c + r * s->n + j;
        const float *start = l ? c : s->bias ? s->bias + j : NULL;
        const int64_t start_row = l ? s->n : 0;
        if (s->a_step == 1)
            small_fetch(a + rows * s->a_row, s->a_row, min_i64(s->height, end - r - rows), k);
        const struct small_job job = {.k = k,
                                      .a = a,
                                      .b = b,
                                      .start = start,
                                      .c = c,
                                      .a_row = s->a_row,
                                      .a_step = s->a_step,
                                      .b_row = b_row,
                                      .b_last = b_last,
                                      .start_row = start_row,
                                      .c_row = s->n,
                                      .c_last = last};
        if (s->n < V)
            hot_small_narrow(rows, s->n, &job);
        else
            hot_small(rows, vecs, &job);
    }
}

/* The same for all of k, B read where it lies. */
static inline void small_rows(const struct small *s, int64_t i, int64_t end, int64_t v0, int vecs)
{
    const int64_t j = small_column(s, v0), last = small_column(s, v0 + vecs - 1) - j;
    for (int64_t l = 0; l < s->k; l += s->depth)
        small_cut(s, i, end, v0, vecs, l, s->b + l * s->b_row + j, s->b_row, last);
}

/* The same for a tile of the exchanged product, whose C is stored transposed. */
static inline void small_swapped(const struct small *s, int64_t i, int rows, int64_t v0, int vecs)
{
    float tile[SMALL_TALL * SMALL_PANEL];
    const int64_t j = small_column(s, v0), last = small_column(s, v0 + vecs - 1) - j,
                  columns = last + V;
    const struct small_job job = {.k = s->k,
                                  .a = s->a + i,
                                  .b = s->b + j,
                                  .c = tile,
                                  .a_row = 1,
                                  .a_step = s->a_step,
                                  .b_row = s->b_row,
                                  .b_last = last,
                                  .c_row = SMALL_PANEL,
                                  .c_last = last};
    hot_small(rows, vecs, &job);
    for (int64_t column = 0; column < columns; column++)
        for (int r = 0; r < rows; r++)
            s->c[(j + column) * s->m + i + r] =
                tile[r * SMALL_PANEL + column] + (s->bias ? s->bias[i + r] : 0);
}

/* Tiles lie in blocks of rows, in a block panel by panel, so that a panel meets its tiles in L1 and threads that share
 * a block divide it evenly. */
static void small_tiles(const struct args *args, int64_t first, int64_t end, int thread)
{
    (void)thread;
    const struct small s = small_plan(args);
    int64_t tile = first;
    while (tile < end) {
        const int64_t block = ((tile / s.across + 1) * s.blocks - 1) / s.down;
        const int64_t top = s.down * block / s.blocks, tall = s.down * (block + 1) / s.blocks - top,
                      at = tile - top * s.across;
        const int64_t panel = at / tall, row = at % tall, run = min_i64(end - tile, tall - row);
        const int64_t v0 = s.vecs * panel / s.across;
        const int vecs = (int)(s.vecs * (panel + 1) / s.across - v0);
        const int64_t i = (top + row) * s.height, i_end = min_i64(s.m, i + run * s.height);
        if (s.how == SMALL_SWAPPED)
            for (int64_t r = i; r < i_end; r += s.height)
                small_swapped(&s, r, (int)min_i64(s.height, i_end - r), v0, vecs);
        else
            small_rows(&s, i, i_end, v0, vecs);
        tile += run;
    }
}

/* Tiles are panels of B, transposed by the thread that uses them: what another core has just written is far away. A cut at
 * a time, so that it is still in L1 when the rows of A meet it. */
static void small_panels(const struct args *args, int64_t first, int64_t end, int thread)
{
    const struct small s = small_plan(args);
    float *packed = s.packed + thread * SMALL_CUT;
    for (int64_t panel = first; panel < end; panel++) {
        const int64_t v0 = s.vecs * panel / s.across, vecs = s.vecs * (panel + 1) / s.across - v0;
        for (int64_t l = 0; l < s.k; l += s.depth) {
            for (int64_t v = 0; v < vecs; v++)
                turn_to_lanes(packed + v * V, vecs * V,
                              s.b + small_column(&s, v0 + v) * s.b_row + l, s.b_row, V,
                              min_i64(s.depth, s.k - l));
            small_cut(&s, 0, s.m, v0, (int)vecs, l, packed, vecs * V, (vecs - 1) * V);
        }
    }
}

static inline void dot_store(const struct small *s, const float *tile, int64_t i, int rows,
                             int64_t j, int columns)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            s->c[(i + r) * s->n + j + c] =
                tile[r * DOT_COLUMNS + c] + (s->bias ? s->bias[j + c] : 0);
}

/* Tiles of rows of A, each with all of C's columns. */
static void small_dots(const struct args *args, int64_t first, int64_t end, int thread)
{
    (void)thread;
    const struct small s = small_plan(args);
    const float *b = s.how == SMALL_DOTS_PACKED ? s.packed : s.b;
    float tile[DOT_TILE];
    for (int64_t row = first; row < end; row++) {
        const int64_t i = row * s.height;
        const int rows = (int)min_i64(s.height, s.m - i);
        for (int64_t j = 0; j < s.n; j += DOT_COLUMNS) {
            const int columns = (int)min_i64(DOT_COLUMNS, s.n - j);
            hot_dots(rows, columns, s.k, s.a + i * s.k, s.k, b + j * s.k, s.k, tile);
            dot_store(&s, tile, i, rows, j, columns);
        }
    }
}

static void small_run(const struct args *args)
{
    const struct small s = small_plan(args);
    struct args few = *args;
    const int64_t work = s.k * (s.m * s.n + 4 * (s.m + s.n));
    few.hints.threads = (int)max_i64(1, min_i64(args->hints.threads, work / SMALL_GRAIN));
    switch (s.how) {
    case SMALL_PACKED: run_tiles(&few, s.across, small_panels); break;
    case SMALL_DOTS: run_tiles(&few, s.down, small_dots); break;
    case SMALL_DOTS_PACKED: /* alone, for the same reason as in small_panels */
        small_columns(&s);
        small_dots(args, 0, s.down, 0);
        break;
    default: run_tiles(&few, s.across * s.down, small_tiles);
    }
}

#define GEMM_SMALL                                                                                 \
    .formats = {{GEMM_NN, GEMM_NN}, {GEMM_NT, GEMM_NT}, {GEMM_TN, GEMM_TN}},                       \
    .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, .fits = small_fits,                      \
    .scratch_size = small_scratch, .run = small_run
