/* conv_bwd_weights as products: for every group diff_weights[oc][taps] = diff_dst[oc][pixels] columns^T[pixels][taps].
 *
 * The sum runs over all pixels of the batch. A tile of the grid is one group, one block of taps and one chunk of the
 * pixels; chunks leave partial sums in scratch, which are then added in ascending order. The number of chunks follows
 * from the problem alone, so the bits do not depend on the threads.
 *
 * Scratch: partial sums [chunk][oc][taps] where there is more than one chunk; then for each thread a packed cut of
 * diff_dst [panel][k][rows] and a panel of columns. */
#include "algorithms/conv/im2col.tmpl.h"

enum {
    /* Taps of a tile: packing a cut of diff_dst is shared by so many panels. */
    GRAD_TAPS = 16 * GEMM_COLUMNS,
    /* Floats a tile of the final addition covers. */
    GRAD_SUM = 4096
};

struct grad {
    struct conv p;
    int64_t icg, ocg, taps, height; /* height of a panel of diff_dst */
    int64_t pixels, tap_blocks, chunks,
        chunk; /* of all images; of a group; of the pixels; pixels in one */
};

static inline struct grad grad_plan(const struct conv *conv)
{
    struct grad f = {.p = *conv};
    f.icg = f.p.ic / f.p.g;
    f.ocg = f.p.oc / f.p.g;
    f.taps = f.icg * f.p.kh * f.p.kw;
    f.height = gemm_panel_rows(f.ocg);
    f.pixels = f.p.mb * f.p.oh * f.p.ow;
    f.tap_blocks = div_up(f.taps, GRAD_TAPS);
    const int64_t cuts = div_up(f.pixels, GEMM_DEPTH);
    f.chunks = max_i64(1, min_i64(cuts, IM2COL_GRID / (f.p.g * f.tap_blocks)));
    f.chunk = div_up(cuts, f.chunks) * GEMM_DEPTH;
    f.chunks = div_up(f.pixels, f.chunk);
    return f;
}

static inline int64_t grad_partial(const struct grad *f)
{
    return f->chunks > 1 ? im2col_line(f->chunks * f->p.oc * f->taps) : 0;
}

static inline int64_t grad_packed(const struct grad *f)
{
    return im2col_line(f->ocg * GEMM_DEPTH);
}

/* The slack is for panels narrower than the four taps that are made together. */
static inline int64_t grad_panel(void)
{
    return gemm_b_panel(GEMM_DEPTH) + IM2COL_SLACK;
}

static size_t grad_scratch(const struct problem *p, struct formats formats, const struct hints *h)
{
    (void)formats;
    const struct grad f = grad_plan(&p->conv);
    return (size_t)(grad_partial(&f) + h->threads * (grad_packed(&f) + grad_panel())) *
           sizeof(float);
}

/* Packs the pixels of the pieces, k in all, of every channel: [panel][k][rows]. diff_dst points at the group's first. */
static inline void grad_pack(const struct grad *f, const float *restrict diff_dst,
                             const struct im2col_piece *pieces, int64_t count, int64_t k,
                             float *restrict out)
{
    const int64_t plane = f->p.oh * f->p.ow;
    for (int64_t s = 0; s < count;) {
        /* Pieces of one image follow each other in memory: they are transposed in one go. */
        int64_t end = s, run = 0;
        for (; end < count && pieces[end].image == pieces[s].image; end++)
            run += pieces[end].count;
        const float *in = diff_dst + pieces[s].image * f->p.oc * plane + pieces[s].pixel;
        for (int64_t i = 0; i < f->ocg; i += f->height) {
            const int64_t rows = min_i64(f->height, f->ocg - i);
            gemm_transpose(out + i * k + pieces[s].at * rows, rows, in + i * plane, plane, rows,
                           run);
        }
        s = end;
    }
}

/* Four taps of one piece: out[pixel][4], zero where a tap is outside the image. */
static inline void grad_columns4(const struct conv *p, const float *restrict image,
                                 const struct im2col_piece *s, const struct im2col_tap t[4],
                                 int64_t taps, float *restrict out)
{
    const float *row[4];
    int64_t x[4], first = 0, last = s->count;
    bool inside[4];
    for (int64_t j = 0; j < 4; j++) {
        const struct im2col_tap at = t[j < taps ? j : 0];
        const int64_t ih = s->top + at.kh * (p->dh + 1);
        x[j] = s->left + at.kw * (p->dw + 1);
        inside[j] = j < taps && ih >= 0 && ih < p->ih;
        row[j] = image + (at.channel * p->ih + ih) * p->iw + x[j];
        first = max_i64(first, -x[j]);
        last = inside[j] && p->sw == 1 ? min_i64(last, p->iw - x[j]) : 0;
    }
    int64_t i = 0;
    for (; i < s->count; i++) {
        /* Whole squares in the middle, single values at the edges and with strides. */
        for (; i >= first && i + 4 <= last; i += 4)
            vtranspose4((const float *[]){row[0] + i, row[1] + i, row[2] + i, row[3] + i},
                        out + i * GEMM_COLUMNS, GEMM_COLUMNS);
        if (i == s->count)
            break;
        for (int j = 0; j < 4; j++) {
            const int64_t at = x[j] + i * p->sw;
            out[i * GEMM_COLUMNS + j] = inside[j] && at >= 0 && at < p->iw ? row[j][i * p->sw] : 0;
        }
    }
}

/* The transposed column matrix for one panel of taps: out[k][GEMM_COLUMNS]. */
static inline void grad_columns(const struct grad *f, const float *restrict src,
                                const struct im2col_piece *pieces, int64_t count, int64_t tap,
                                int64_t taps, float *restrict out)
{
    for (int64_t j = 0; j < GEMM_COLUMNS; j += 4) {
        struct im2col_tap t[4];
        for (int64_t i = 0; i < 4; i++)
            t[i] = im2col_tap(&f->p, min_i64(tap + j + i, f->taps - 1));
        for (const struct im2col_piece *s = pieces; s < pieces + count; s++)
            grad_columns4(&f->p, src + s->image * f->p.ic * f->p.ih * f->p.iw, s, t, taps - j,
                          out + s->at * GEMM_COLUMNS + j);
    }
}

static void grad_tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct grad f = grad_plan(&a->problem->conv);
    float *packed =
        (float *)a->scratch + grad_partial(&f) + thread * (grad_packed(&f) + grad_panel());
    float *columns = packed + grad_packed(&f);
    struct im2col_piece pieces[GEMM_DEPTH];

    for (int64_t tile = first; tile < last; tile++) {
        const int64_t chunk = tile / (f.p.g * f.tap_blocks), group = tile / f.tap_blocks % f.p.g;
        const int64_t tap_first = tile % f.tap_blocks * GRAD_TAPS,
                      tap_last = min_i64(tap_first + GRAD_TAPS, f.taps);
        const float *src = a->t[SRC] + group * f.icg * f.p.ih * f.p.iw;
        const float *diff_dst = a->t[DIFF_DST] + group * f.ocg * f.p.oh * f.p.ow;
        float *out =
            (f.chunks > 1 ? (float *)a->scratch + chunk * f.p.oc * f.taps : a->t[DIFF_WEIGHTS]) +
            group * f.ocg * f.taps;
        const int64_t begin = chunk * f.chunk, end = min_i64(begin + f.chunk, f.pixels);
        for (int64_t q = begin; q < end; q += GEMM_DEPTH) {
            const int64_t k = min_i64(GEMM_DEPTH, end - q),
                          count = im2col_pieces(&f.p, q, k, pieces);
            grad_pack(&f, diff_dst, pieces, count, k, packed);
            for (int64_t tap = tap_first; tap < tap_last; tap += GEMM_COLUMNS) {
                const int64_t taps = min_i64(GEMM_COLUMNS, tap_last - tap);
                grad_columns(&f, src, pieces, count, tap, taps, columns);
                gemm_block(f.ocg, f.height, taps, k, packed, columns, q == begin, NULL, out + tap,
                           f.taps);
            }
        }
    }
}

/* One tile is GRAD_SUM weights: their partial sums, added in the order of the chunks. */
static void grad_sum(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct grad f = grad_plan(&a->problem->conv);
    const int64_t size = f.p.oc * f.taps, end = min_i64(last * GRAD_SUM, size);
    const float *restrict partial = a->scratch;
    float *restrict diff_weights = a->t[DIFF_WEIGHTS];
    int64_t i = first * GRAD_SUM;
    for (; i + V <= end; i += V) {
        vf sum = vload(partial + i);
        for (int64_t c = 1; c < f.chunks; c++)
            sum = vadd(sum, vload(partial + c * size + i));
        vstore(diff_weights + i, sum);
    }
    for (; i < end; i++) {
        float sum = partial[i];
        for (int64_t c = 1; c < f.chunks; c++)
            sum += partial[c * size + i];
        diff_weights[i] = sum;
    }
}

/* One tile is one output channel. */
static void grad_bias(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const struct conv *p = &a->problem->conv;
    const int64_t plane = p->oh * p->ow;
    for (int64_t oc = first; oc < last; oc++) {
        float total = 0;
        for (int64_t n = 0; n < p->mb; n++) {
            const float *restrict dy = a->t[DIFF_DST] + (n * p->oc + oc) * plane;
            vf sum = vzero();
            int64_t i = 0;
            for (; i + V <= plane; i += V)
                sum = vadd(sum, vload(dy + i));
            total += vsum(vadd(sum, vload_n(dy + i, plane - i)));
        }
        a->t[DIFF_BIAS][oc] = total;
    }
}

static void grad_run(const struct args *a)
{
    const struct grad f = grad_plan(&a->problem->conv);
    run_tiles(a, f.chunks * f.p.g * f.tap_blocks, grad_tiles);
    if (f.chunks > 1)
        run_tiles(a, div_up(f.p.oc * f.taps, GRAD_SUM), grad_sum);
    if (a->t[DIFF_BIAS])
        run_tiles(a, f.p.oc, grad_bias);
}

#define IM2COL_BWD_WEIGHTS                                                                         \
    .formats = {{NCHW, NCHW}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true,               \
    .scratch_size = grad_scratch, .run = grad_run
