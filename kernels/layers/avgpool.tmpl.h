/* Average pooling: V channels at a time in layouts with channels in the lanes, else window by window. The bound is to read
 * the larger side once; a window's pixels are still in L1 when its neighbour reads them. */

static void avg_forward(const struct avgpool *p, const float *restrict src, float *restrict dst,
                        struct range planes)
{
    const float share = 1.0f / (float)(p->kh * p->kw);
    const int64_t lanes = p->lanes;
    for (int64_t at = planes.first * p->oh * p->ow; at < planes.last * p->oh * p->ow; at++) {
        const int64_t plane = at / (p->oh * p->ow), y = at / p->ow % p->oh, x = at % p->ow;
        const float *window = src + ((plane * p->ih + y * p->s) * p->iw + x * p->s) * lanes;
        for (int64_t l = 0; l < lanes; l += V) {
            const int64_t n = lanes - l < V ? lanes - l : V;
            vf sum = vzero();
            for (int64_t i = 0; i < p->kh; i++)
                for (int64_t j = 0; j < p->kw; j++)
                    sum = vadd(sum, vload_n(window + (i * p->iw + j) * lanes + l, n));
            vstore_n(dst + at * lanes + l, vmul(sum, vset1(share)), n);
        }
    }
}

static void avg_backward(const struct avgpool *p, const float *restrict diff_dst,
                         float *restrict diff_src, struct range planes)
{
    const float share = 1.0f / (float)(p->kh * p->kw);
    const int64_t lanes = p->lanes, plane_size = p->ih * p->iw * lanes;
    memset(diff_src + planes.first * plane_size, 0,
           (size_t)((planes.last - planes.first) * plane_size) * sizeof *diff_src);
    for (int64_t at = planes.first * p->oh * p->ow; at < planes.last * p->oh * p->ow; at++) {
        const int64_t plane = at / (p->oh * p->ow), y = at / p->ow % p->oh, x = at % p->ow;
        float *window = diff_src + ((plane * p->ih + y * p->s) * p->iw + x * p->s) * lanes;
        for (int64_t i = 0; i < p->kh; i++)
            for (int64_t j = 0; j < p->kw; j++)
                for (int64_t l = 0; l < lanes; l++)
                    window[(i * p->iw + j) * lanes + l] += share * diff_dst[at * lanes + l];
    }
}

static void avgpool_fwd(const struct avgpool *p, const float *src, float *dst, int threads)
{
    int team = team_for(p->planes * p->ih * p->iw * p->lanes, POOL_GRAIN, threads);
    if (team < 2) {
        avg_forward(p, src, dst, (struct range){0, p->planes});
        return;
    }
#pragma omp parallel num_threads(team)
    avg_forward(p, src, dst, my_range(p->planes, 1));
}

static void avgpool_bwd(const struct avgpool *p, const float *diff_dst, float *diff_src,
                        int threads)
{
    int team = team_for(p->planes * p->ih * p->iw * p->lanes, POOL_GRAIN, threads);
    if (team < 2) {
        avg_backward(p, diff_dst, diff_src, (struct range){0, p->planes});
        return;
    }
#pragma omp parallel num_threads(team)
    avg_backward(p, diff_dst, diff_src, my_range(p->planes, 1));
}
