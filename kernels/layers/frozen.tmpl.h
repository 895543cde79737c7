/* The gradient through a batch normalization with given statistics: one scale per channel, and two sums. The
 * bound is to read x and dy and to write dx once. A thread takes whole channels. Sums are taken image by
 * image and added in float64, so the bits do not depend on the team. */

/* Channels first to first + n, which lie together or are one alone. */
struct frozen_channels {
    float mean[V], rstd[V], scale[V];
    double diff_beta[V], diff_gamma[V];
};

static void frozen_begin(const struct bn_frozen *p, const struct bn_frozen_tensors *t,
                         int64_t first, int64_t n, struct frozen_channels *f)
{
    *f = (struct frozen_channels){0};
    for (int64_t i = 0; i < n; i++) {
        const double rstd = 1 / sqrt((double)t->variance[first + i] + p->eps);
        f->mean[i] = t->mean[first + i];
        f->rstd[i] = (float)rstd;
        f->scale[i] = (float)((double)t->gamma[first + i] * rstd);
    }
}

static void frozen_end(const struct bn_frozen_tensors *t, int64_t first, int64_t n,
                       const struct frozen_channels *f)
{
    for (int64_t i = 0; i < n; i++) {
        t->diff_beta[first + i] = (float)f->diff_beta[i];
        t->diff_gamma[first + i] = (float)(f->diff_gamma[i] * (double)f->rstd[i]);
    }
}

/* A channel whose pixels lie together. */
static void frozen_plane(const struct bn_frozen *p, const struct bn_frozen_tensors *t, int64_t c)
{
    struct frozen_channels f;
    frozen_begin(p, t, c, 1, &f);
    const vf mean = vset1(f.mean[0]), scale = vset1(f.scale[0]);
    for (int64_t image = 0; image < p->images; image++) {
        const int64_t from = (image * p->channels + c) * p->pixels;
        vf sum = vzero(), dot = vzero();
        for (int64_t i = 0; i < p->pixels; i += V) {
            const int64_t n = p->pixels - i < V ? p->pixels - i : V;
            const vf dy = vload_n(t->diff_dst + from + i, n);
            sum = vadd(sum, dy);
            dot = vfma(dy, vsub(vload_n(t->src + from + i, n), mean), dot);
            vstore_n(t->diff_src + from + i, vmul(dy, scale), n);
        }
        f.diff_beta[0] += (double)vsum(sum);
        f.diff_gamma[0] += (double)vsum(dot);
    }
    frozen_end(t, c, 1, &f);
}

/* Lanes l to l + n of a block of channels, of which `real` are no filling. */
static void frozen_lanes(const struct bn_frozen *p, const struct bn_frozen_tensors *t,
                         int64_t block, int64_t l, int64_t n, int64_t real)
{
    const int64_t blocks = div_up(p->channels, p->lanes), first = block * p->lanes + l;
    struct frozen_channels f;
    frozen_begin(p, t, first, real, &f);
    const vf mean = vload(f.mean), scale = vload(f.scale);
    for (int64_t image = 0; image < p->images; image++) {
        const int64_t from = (image * blocks + block) * p->pixels * p->lanes + l;
        vf sum = vzero(), dot = vzero();
        for (int64_t i = 0; i < p->pixels; i++) {
            const int64_t at = from + i * p->lanes;
            const vf dy = vload_n(t->diff_dst + at, n);
            sum = vadd(sum, dy);
            dot = vfma(dy, vsub(vload_n(t->src + at, n), mean), dot);
            vstore_n(t->diff_src + at, vmul(dy, scale), n);
        }
        float sums[V], dots[V];
        vstore(sums, sum);
        vstore(dots, dot);
        for (int64_t i = 0; i < real; i++) {
            f.diff_beta[i] += (double)sums[i];
            f.diff_gamma[i] += (double)dots[i];
        }
    }
    frozen_end(t, first, real, &f);
}

static void frozen_range(const struct bn_frozen *p, const struct bn_frozen_tensors *t,
                         struct range r)
{
    const int64_t vectors = div_up(p->lanes, V);
    for (int64_t i = r.first; i < r.last; i++) {
        if (p->lanes == 1) {
            frozen_plane(p, t, i);
            continue;
        }
        const int64_t block = i / vectors, l = i % vectors * V;
        const int64_t n = min_i64(V, p->lanes - l);
        frozen_lanes(p, t, block, l, n, max_i64(0, min_i64(n, p->channels - block * p->lanes - l)));
    }
}

static void bn_frozen_bwd(const struct bn_frozen *p, const struct bn_frozen_tensors *t, int threads)
{
    const int64_t units =
        p->lanes == 1 ? p->channels : div_up(p->channels, p->lanes) * div_up(p->lanes, V);
    int team = team_for(p->images * p->channels * p->pixels, POOL_GRAIN, threads);
    if (team < 2) {
        frozen_range(p, t, (struct range){0, units});
        return;
    }
#pragma omp parallel num_threads(team)
    frozen_range(p, t, my_range(units, 1));
}
