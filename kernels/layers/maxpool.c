/* Max pooling, plane by plane (a plane is one channel of one image, or those that lie together), so
 * that threads write disjoint planes. The place of the maximum is one byte, a quarter of the traffic
 * of an index. The 2x2 window of stride 2, which all seed networks use, and channels that lie
 * together have loops without branches: which value wins is a coin toss no predictor learns. */
#include "layers.h"
#include "team.h"

#include <string.h>

/* PyTorch's rule: a later value wins if it is larger or not a number. */
static inline int wins(float challenger, float holder)
{
    return challenger > holder || challenger != challenger;
}

static void fwd_2x2(const struct maxpool *p, const float *restrict src, float *restrict dst,
                    uint8_t *restrict chosen)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        const float *top = src + 2 * oh * p->iw, *bottom = top + p->iw;
        for (int64_t ow = 0; ow < p->ow; ow++) {
            float best = top[2 * ow];
            int at = 0, win = wins(top[2 * ow + 1], best);
            best = win ? top[2 * ow + 1] : best;
            at = win ? 1 : at;
            win = wins(bottom[2 * ow], best);
            best = win ? bottom[2 * ow] : best;
            at = win ? 2 : at;
            win = wins(bottom[2 * ow + 1], best);
            best = win ? bottom[2 * ow + 1] : best;
            at = win ? 3 : at;
            dst[oh * p->ow + ow] = best;
            chosen[oh * p->ow + ow] = (uint8_t)at;
        }
    }
}

static void fwd_any(const struct maxpool *p, const float *restrict src, float *restrict dst,
                    uint8_t *restrict chosen)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++) {
            const float *window = src + oh * p->s * p->iw + ow * p->s;
            float best = window[0];
            int64_t at = 0;
            for (int64_t kh = 0; kh < p->k; kh++) {
                for (int64_t kw = 0; kw < p->k; kw++) {
                    if (wins(window[kh * p->iw + kw], best)) {
                        best = window[kh * p->iw + kw];
                        at = kh * p->k + kw;
                    }
                }
            }
            dst[oh * p->ow + ow] = best;
            chosen[oh * p->ow + ow] = (uint8_t)at;
        }
    }
}

/* Channels that lie together: the same window for all of them. */
static void fwd_lanes(const struct maxpool *p, const float *restrict src, float *restrict dst,
                      uint8_t *restrict chosen)
{
    int64_t lanes = p->lanes;
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++, dst += lanes, chosen += lanes) {
            const float *window = src + (oh * p->s * p->iw + ow * p->s) * lanes;
            memcpy(dst, window, (size_t)lanes * sizeof *dst);
            memset(chosen, 0, (size_t)lanes);
            for (int64_t at = 1; at < p->k * p->k; at++) {
                const float *restrict value = window + (at / p->k * p->iw + at % p->k) * lanes;
                for (int64_t l = 0; l < lanes; l++) {
                    int win = wins(value[l], dst[l]);
                    dst[l] = win ? value[l] : dst[l];
                    chosen[l] = win ? (uint8_t)at : chosen[l];
                }
            }
        }
    }
}

static void fwd_planes(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                       struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        int64_t from = i * p->ih * p->iw * p->lanes, to = i * p->oh * p->ow * p->lanes;
        if (p->lanes > 1)
            fwd_lanes(p, src + from, dst + to, chosen + to);
        else if (p->k == 2 && p->s == 2)
            fwd_2x2(p, src + from, dst + to, chosen + to);
        else
            fwd_any(p, src + from, dst + to, chosen + to);
    }
}

void maxpool_fwd(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                 int threads)
{
    int64_t planes = p->planes;
    int team = team_for(planes * p->ih * p->iw * p->lanes, threads);
    if (team < 2) {
        fwd_planes(p, src, dst, chosen, (struct range){0, planes});
        return;
    }
#pragma omp parallel num_threads(team)
    fwd_planes(p, src, dst, chosen, my_range(planes, 1));
}

/* Windows of 2x2 do not overlap: each is written whole, and only what no window covers is cleared.
 */
static void bwd_2x2(const struct maxpool *p, const float *restrict diff_dst,
                    const uint8_t *restrict chosen, float *restrict diff_src)
{
    for (int64_t oh = 0; oh < p->oh; oh++) {
        float *top = diff_src + 2 * oh * p->iw, *bottom = top + p->iw;
        for (int64_t ow = 0; ow < p->ow; ow++) {
            float d = diff_dst[oh * p->ow + ow];
            int at = chosen[oh * p->ow + ow];
            top[2 * ow] = at == 0 ? d : 0;
            top[2 * ow + 1] = at == 1 ? d : 0;
            bottom[2 * ow] = at == 2 ? d : 0;
            bottom[2 * ow + 1] = at == 3 ? d : 0;
        }
        for (int64_t iw = 2 * p->ow; iw < p->iw; iw++)
            top[iw] = bottom[iw] = 0;
    }
    int64_t covered = 2 * p->oh * p->iw;
    memset(diff_src + covered, 0, (size_t)(p->ih * p->iw - covered) * sizeof *diff_src);
}

static void bwd_any(const struct maxpool *p, const float *restrict diff_dst,
                    const uint8_t *restrict chosen, float *restrict diff_src)
{
    memset(diff_src, 0, (size_t)(p->ih * p->iw) * sizeof *diff_src);
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++) {
            int64_t at = chosen[oh * p->ow + ow];
            diff_src[(oh * p->s + at / p->k) * p->iw + ow * p->s + at % p->k] +=
                diff_dst[oh * p->ow + ow];
        }
    }
}

static void bwd_lanes(const struct maxpool *p, const float *restrict diff_dst,
                      const uint8_t *restrict chosen, float *restrict diff_src)
{
    int64_t lanes = p->lanes;
    memset(diff_src, 0, (size_t)(p->ih * p->iw * lanes) * sizeof *diff_src);
    for (int64_t oh = 0; oh < p->oh; oh++) {
        for (int64_t ow = 0; ow < p->ow; ow++, diff_dst += lanes, chosen += lanes) {
            float *window = diff_src + (oh * p->s * p->iw + ow * p->s) * lanes;
            for (int64_t at = 0; at < p->k * p->k; at++) {
                float *restrict to = window + (at / p->k * p->iw + at % p->k) * lanes;
                for (int64_t l = 0; l < lanes; l++)
                    to[l] += chosen[l] == at ? diff_dst[l] : 0;
            }
        }
    }
}

static void bwd_planes(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                       float *diff_src, struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        int64_t to = i * p->ih * p->iw * p->lanes, from = i * p->oh * p->ow * p->lanes;
        if (p->lanes > 1)
            bwd_lanes(p, diff_dst + from, chosen + from, diff_src + to);
        else if (p->k == 2 && p->s == 2)
            bwd_2x2(p, diff_dst + from, chosen + from, diff_src + to);
        else
            bwd_any(p, diff_dst + from, chosen + from, diff_src + to);
    }
}

void maxpool_bwd(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                 float *diff_src, int threads)
{
    int64_t planes = p->planes;
    int team = team_for(planes * p->ih * p->iw * p->lanes, threads);
    if (team < 2) {
        bwd_planes(p, diff_dst, chosen, diff_src, (struct range){0, planes});
        return;
    }
#pragma omp parallel num_threads(team)
    bwd_planes(p, diff_dst, chosen, diff_src, my_range(planes, 1));
}
