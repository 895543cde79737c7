/* Checks convolutions of inputs with inf and NaN by the rule in kernels/kernel.h.
 *
 * Three runs: an inf at a corner of the operand that meets padding (weights; diff_dst for the gradient of
 * the weights); an inf at a corner of the image; an inf and a NaN at random places of both. */
#include "core/rng.h"
#include "verify/verify_parts.h"

#include <math.h>

enum { OTHER_SPECIAL = 1, IMAGE_SPECIAL, BOTH_SPECIAL };

/* The operand that is padded with zeros, and the one that is multiplied with it. */
struct factors {
    enum role image, other;
};

static struct factors factors_of(const struct op *op)
{
    if (op->pass == BACKWARD_DATA)
        return (struct factors){DIFF_DST, WEIGHTS};
    if (op->pass == BACKWARD_WEIGHTS)
        return (struct factors){SRC, DIFF_DST};
    return (struct factors){SRC, WEIGHTS};
}

/* Data */

struct special_data {
    struct factors factors;
    uint64_t seed;
    int special;
};

/* An inf at a corner, beside the padding, or an inf and a NaN anywhere. */
static void put(struct operands *o, enum role role, const struct special_data *d)
{
    const struct tensor_spec *t = &o->specs[operands_find(o, role)];
    const bool corner = d->special != BOTH_SPECIAL;
    float *plain = must(malloc((size_t)tensor_logical(t) * sizeof *plain));
    operands_get(o, role, plain);
    for (int i = 0; i < (corner ? 1 : 2); i++) {
        uint64_t bits = rng_at(d->seed, 310 + role, (uint64_t)(2 * d->special + i));
        int64_t at = 0;
        for (int k = 0; k < t->ndim; k++) {
            int64_t x = (int64_t)(rng_at(bits, 320, (uint64_t)k) % (uint64_t)t->dims[k]);
            if (corner && k >= 2)
                x = bits >> k & 1 ? 0 : t->dims[k] - 1;
            at = at * t->dims[k] + x;
        }
        plain[at] = i ? NAN : bits & 1 ? INFINITY : -INFINITY;
    }
    operands_set(o, role, plain);
    free(plain);
}

static void special_adjust(struct operands *o, const void *how)
{
    const struct special_data *d = how;
    if (d->special != IMAGE_SPECIAL)
        put(o, d->factors.other, d);
    if (d->special != OTHER_SPECIAL)
        put(o, d->factors.image, d);
}

/* Padding */

/* Whether an output of conv_fwd has a special weight on padding. */
static bool padded_fwd(const struct conv *p, const float *weights, const int64_t x[4])
{
    const int64_t taps = p->kh * p->kw, icg = p->ic / p->g;
    for (int64_t i = 0; i < icg * taps; i++) {
        int64_t ih = x[2] * p->sh - p->ph + i % taps / p->kw * (p->dh + 1);
        int64_t iw = x[3] * p->sw - p->pw + i % p->kw * (p->dw + 1);
        bool outside = ih < 0 || ih >= p->ih || iw < 0 || iw >= p->iw;
        if (outside && !isfinite(weights[x[1] * icg * taps + i]))
            return true;
    }
    return false;
}

/* Does an output of conv_bwd_data have an inf or NaN weight where diff_dst has no value: beyond its borders,
 * or between its values with a stride above 1? */
static bool padded_bwd_data(const struct conv *p, const float *weights, const int64_t x[4])
{
    const int64_t icg = p->ic / p->g, ocg = p->oc / p->g, group = x[1] / icg;
    for (int64_t oc = group * ocg; oc < (group + 1) * ocg; oc++) {
        for (int64_t kh = 0; kh < p->kh; kh++) {
            for (int64_t kw = 0; kw < p->kw; kw++) {
                int64_t oh = x[2] + p->ph - kh * (p->dh + 1), ow = x[3] + p->pw - kw * (p->dw + 1);
                bool outside = oh < 0 || ow < 0 || oh % p->sh || ow % p->sw ||
                               oh / p->sh >= p->oh || ow / p->sw >= p->ow;
                if (outside &&
                    !isfinite(weights[((oc * icg + x[1] % icg) * p->kh + kh) * p->kw + kw]))
                    return true;
            }
        }
    }
    return false;
}

/* Does an output of conv_bwd_weights have an inf or NaN gradient on padding of src, or any inf or NaN in
 * src? The latter counts because kernels may fill up diff_dst with zeros. */
static bool padded_bwd_weights(const struct conv *p, const float *src, const float *diff_dst,
                               const int64_t x[4])
{
    const int64_t channel = x[0] / (p->oc / p->g) * (p->ic / p->g) + x[1];
    for (int64_t n = 0; n < p->mb; n++) {
        const float *d = diff_dst + (n * p->oc + x[0]) * p->oh * p->ow;
        const float *s = src + (n * p->ic + channel) * p->ih * p->iw;
        for (int64_t i = 0; i < p->oh * p->ow; i++) {
            int64_t ih = i / p->ow * p->sh - p->ph + x[2] * (p->dh + 1);
            int64_t iw = i % p->ow * p->sw - p->pw + x[3] * (p->dw + 1);
            if (!isfinite(d[i]) && (ih < 0 || ih >= p->ih || iw < 0 || iw >= p->iw))
                return true;
        }
        for (int64_t i = 0; i < p->ih * p->iw; i++)
            if (!isfinite(s[i]))
                return true;
    }
    return false;
}

static bool beside_padding(const struct outcome *r, enum role role, int64_t at)
{
    const struct tensor_spec *t = outcome_spec(r, role);
    const struct conv *p = &r->problem.conv;
    int64_t x[4] = {0};
    for (int d = t->ndim - 1; d >= 0; d--) {
        x[d] = at % t->dims[d];
        at /= t->dims[d];
    }
    switch (role) {
    case DST: return padded_fwd(p, r->t[WEIGHTS], x);
    case DIFF_SRC: return padded_bwd_data(p, r->t[WEIGHTS], x);
    case DIFF_WEIGHTS: return padded_bwd_weights(p, r->t[SRC], r->t[DIFF_DST], x);
    default: return false;
    }
}

/* The rule */

/* The reference's value is finite as the variant's must be, or the same inf, or NaN like it. */
static bool agrees(double value, double limit, float got)
{
    if (!isfinite(value) || !isfinite(got))
        return isnan(value) ? isnan(got) : value == (double)got;
    return !isfinite(limit) || fabs((double)got - value) <= limit;
}

static const char *class_name(double x)
{
    return isnan(x) ? "NaN" : isinf(x) ? x > 0 ? "inf" : "-inf" : "finite";
}

static bool holds_rule(struct check *k, const struct outcome *r, const struct expected *e)
{
    const bool winograd = r->variant->algebra == WINOGRAD_F2 || r->variant->algebra == WINOGRAD_F4;
    char text[COORDINATE_TEXT];
    for (int64_t i = 0; i < e->count; i++) {
        const int64_t at = expected_at(e, i);
        const float got = r->t[e->role][at];
        if (agrees(e->value[i], e->limit[i], got))
            continue;
        /* The limit is made of all a tile goes through, so a tile with inf or NaN has no finite one. */
        const bool tile = winograd && !isfinite(e->limit[i]);
        if (isnan(got) && (tile || beside_padding(r, e->role, at)))
            continue;
        return check_fail(k, "inf and NaN among the inputs (%d): %s is %.9g, expected %.9g (%s)",
                          r->special, coordinate(outcome_spec(r, e->role), at, text), (double)got,
                          e->value[i], class_name(e->value[i]));
    }
    return true;
}

bool special_gate(struct check *k)
{
    /* What a sample of a large problem would show, a small one shows as well. */
    if (k->c->max_coordinates)
        return true;
    bool good = true;
    for (int special = OTHER_SPECIAL; special <= BOTH_SPECIAL && good; special++) {
        struct special_data how = {factors_of(k->op), k->c->seed, special};
        struct setup s = check_setup(k);
        struct outcome r;
        s.special = special;
        s.poisoned = true;
        s.adjust = special_adjust;
        s.how = &how;
        if (!check_call(k, &s, &r))
            return false;
        check_sample(k, &s, &r);
        struct expectation x = expect_products(&r);
        /* Statistics follow from dst, which is compared. */
        for (int i = 0; i < x.count && good; i++)
            if (x.e[i].role != MEAN && x.e[i].role != VARIANCE)
                good = holds_rule(k, &r, &x.e[i]);
        expectation_free(&x);
        outcome_free(&r);
        verify_status->beats++;
    }
    return good;
}
