/* Pixels of a tensor as rows of vectors, channels in the lanes: what the gradient of the weights reads of diff_dst. For
 * direct_core.tmpl.h, to be included after it. */

/* n pixels, consecutive in nchw, m channels from `from` on, to rows of k vectors with zeros beyond m. */
static void take_planes(float *out, const float *from, int64_t plane, int64_t k, int64_t m,
                        int64_t n)
{
    for (int64_t j = 0; j < k; j++)
        turn_to_lanes(out + j * V, k * V, from + j * V * plane, plane, m - j * V, n);
}

/* m channels from c on of one pixel, zeros beyond. */
static inline void take_pixel(float *out, const struct tensor *t, int64_t n, int64_t at, int64_t c,
                              int64_t k, int64_t m)
{
    const int64_t pixel = at * pixel_pitch(t->layout, t->c);
    for (int64_t j = 0; j < k * V; j += V) {
        if (t->layout == NHWC || (c + j) % 16 + V <= 16) {
            const int64_t some = min_i64(max_i64(m - j, 0), V);
            vstore(out + j, vload_n(channel_of(t, n, c + j) + pixel, some));
        } else {
            for (int64_t i = j; i < j + V; i++)
                out[i] = i < m ? channel_of(t, n, c + i)[pixel] : 0;
        }
    }
}

/* Images n0 .. n0 + images of a tensor, rows y0 .. y0 + rows, columns x0 .. x0 + cols. */
struct patch {
    int64_t n0, images, y0, rows, x0, cols;
};

/* Channels c to c + m of a patch as rows of k vectors, zeros beyond m. */
static void take_block(float *out, const struct tensor *t, const struct patch *u, int64_t c,
                       int64_t k, int64_t m)
{
    int64_t plane = t->h * t->w;
    for (int64_t n = u->n0; n < u->n0 + u->images; n++) {
        const float *image = t->data + (n * t->c + c) * plane;
        if (t->layout == NCHW && u->cols == t->w) {
            take_planes(out, image + u->y0 * t->w, plane, k, m, u->rows * u->cols);
            out += u->rows * u->cols * k * V;
            continue;
        }
        for (int64_t y = u->y0; y < u->y0 + u->rows; y++) {
            if (t->layout == NCHW)
                take_planes(out, image + y * t->w + u->x0, plane, k, m, u->cols);
            else
                for (int64_t x = 0; x < u->cols; x++)
                    take_pixel(out + x * k * V, t, n, y * t->w + u->x0 + x, c, k, m);
            out += u->cols * k * V;
        }
    }
}
