/* Max pooling, plane by plane (a plane is one channel of one image), so that threads write disjoint
 * planes. The place of the maximum is one byte, a quarter of the traffic of an index. The 2x2
 * window of stride 2, which all seed networks use, has loops without branches: which value wins is
 * a coin toss no predictor learns. */
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

static void fwd_planes(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                       struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        int64_t from = i * p->ih * p->iw, to = i * p->oh * p->ow;
        if (p->k == 2 && p->s == 2)
            fwd_2x2(p, src + from, dst + to, chosen + to);
        else
            fwd_any(p, src + from, dst + to, chosen + to);
    }
}

void maxpool_fwd(const struct maxpool *p, const float *src, float *dst, uint8_t *chosen,
                 int threads)
{
    int64_t planes = p->mb * p->c;
    int team = team_for(planes * p->ih * p->iw, threads);
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

static void bwd_planes(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                       float *diff_src, struct range r)
{
    for (int64_t i = r.first; i < r.last; i++) {
        int64_t to = i * p->ih * p->iw, from = i * p->oh * p->ow;
        if (p->k == 2 && p->s == 2)
            bwd_2x2(p, diff_dst + from, chosen + from, diff_src + to);
        else
            bwd_any(p, diff_dst + from, chosen + from, diff_src + to);
    }
}

void maxpool_bwd(const struct maxpool *p, const float *diff_dst, const uint8_t *chosen,
                 float *diff_src, int threads)
{
    int64_t planes = p->mb * p->c;
    int team = team_for(planes * p->ih * p->iw, threads);
    if (team < 2) {
        bwd_planes(p, diff_dst, chosen, diff_src, (struct range){0, planes});
        return;
    }
#pragma omp parallel num_threads(team)
    bwd_planes(p, diff_dst, chosen, diff_src, my_range(planes, 1));
}
