/* How direct_data.tmpl.h writes its waiting sums to the output. Include it after direct_axes.tmpl.h
 * and direct_core.tmpl.h. */

/* A unit of one phase as the output sees it. */
struct patch {
    int64_t unit;                           /* counted within a group */
    int64_t n0, images, y0, rows, x0, cols; /* in the phase's own coordinates */
    struct axis y, x;
};

/* Four pixels, a 2x2 image for one, of `rows` channels: a transpose of V x V would move mostly nothing. */
static void put_four(float *to, int64_t plane, const float *from, int64_t rows)
{
    int64_t c = 0;
    for (; c + 4 <= rows; c += 4)
        vtranspose4((const float *[]){from + c, from + TILE_LANES + c, from + 2 * TILE_LANES + c,
                                      from + 3 * TILE_LANES + c},
                    to + c * plane, plane);
    for (; c < rows; c++)
        for (int64_t p = 0; p < 4; p++)
            to[c * plane + p] = from[p * TILE_LANES + c];
}

/* Writes n consecutive pixels of one image row or plane, m <= TILE_LANES channels, to nchw. */
static void put_planes(const struct tensor *t, float *to, const float *sums, int64_t m, int64_t n)
{
    int64_t plane = t->h * t->w;
    for (int64_t j = 0; j < m; j += V) {
        int64_t rows = min_i64(m - j, V), four = V > 4 && n % V == 4 ? 4 : 0;
        turn_to_planes(to + j * plane, plane, sums + j, TILE_LANES, rows, n - four);
        if (four)
            put_four(to + j * plane + n - 4, plane, sums + (n - 4) * TILE_LANES + j, rows);
    }
}

/* Writes m channels from c on of one pixel. */
static inline void put_pixel(const struct tensor *t, int64_t n, int64_t y, int64_t x, int64_t c,
                             int64_t m, const float *sums)
{
    int64_t plane = t->h * t->w, pixel = (y * t->w + x) * pixel_pitch(t->layout, t->c);
    float *to = channel_of(t, n, c) + pixel;
    if (t->layout == NHWC || (t->layout == NCHW16C && c % 16 == 0))
        for (int64_t i = 0; i < m; i += V)
            vstore_n(to + (t->layout == NHWC ? i : i / 16 * plane * 16 + i % 16), vload(sums + i),
                     min_i64(m - i, V));
    else
        for (int64_t i = 0; i < m; i++)
            channel_of(t, n, c + i)[pixel] = sums[i];
}

/* Writes the sums of a block to the output: m channels from c on. */
static void put_block(const struct tensor *t, const struct patch *u, const float *sums, int64_t c,
                      int64_t m)
{
    int64_t plane = t->h * t->w;
    bool runs = t->layout == NCHW && u->x.out_step == 1;
    bool whole = runs && u->y.out_step == 1 && u->cols == t->w;
    for (int64_t n = 0; n < u->images; n++) {
        float *image = t->data + ((u->n0 + n) * t->c + c) * plane;
        if (whole) {
            put_planes(t, image + (u->y.out0 + u->y0) * t->w, sums, m, u->rows * u->cols);
            sums += u->rows * u->cols * TILE_LANES;
            continue;
        }
        for (int64_t r = 0; r < u->rows; r++) {
            int64_t y = u->y.out0 + (u->y0 + r) * u->y.out_step;
            if (runs)
                put_planes(t, image + y * t->w + u->x.out0 + u->x0, sums, m, u->cols);
            else
                for (int64_t q = 0; q < u->cols; q++)
                    put_pixel(t, u->n0 + n, y, u->x.out0 + (u->x0 + q) * u->x.out_step, c, m,
                              sums + q * TILE_LANES);
            sums += u->cols * TILE_LANES;
        }
    }
}

/* Lanes of the last nchw16c block that are no channels must come out as zero. */
static void put_zero_lanes(const struct tensor *t, const struct patch *u)
{
    static const float zeros[16];
    if (t->layout != NCHW16C || t->c % 16 == 0)
        return;
    struct tensor padded = *t;
    padded.c = div_up(t->c, 16) * 16;
    for (int64_t n = 0; n < u->images; n++)
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t q = 0; q < u->cols; q++)
                put_pixel(&padded, u->n0 + n, u->y.out0 + (u->y0 + r) * u->y.out_step,
                          u->x.out0 + (u->x0 + q) * u->x.out_step, t->c, padded.c - t->c, zeros);
}
