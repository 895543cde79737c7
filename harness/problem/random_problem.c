/* Random small problems. */
#include "problem/random_problem.h"

#include "core/rng.h"
#include "problem/problem.h"

struct dice {
    uint64_t seed, index, thrown;
};

/* Uniform in low .. high. */
static int64_t throw(struct dice * d, int64_t low, int64_t high)
{
    uint64_t bits = rng_at(d->seed, 1000 + d->index, d->thrown++);
    return low + (int64_t)(bits % (uint64_t)(high - low + 1));
}

static bool one_in(struct dice *d, int64_t n)
{
    return throw(d, 1, n) == 1;
}

/* One spatial dimension. The padding behind the image may differ from the one before it. */
static void dimension(struct dice *d, int64_t *in, int64_t *out, int64_t *k, int64_t *s,
                      int64_t *dilation, int64_t *pad)
{
    *in = throw(d, 1, 19);
    *k = one_in(d, 2) ? 3 : throw(d, 1, 5);
    *s = one_in(d, 2) ? 1 : throw(d, 1, 3);
    *dilation = one_in(d, 4) ? throw(d, 1, 2) : 0;
    int64_t extent = (*k - 1) * (*dilation + 1) + 1;
    *pad = throw(d, 0, min_i64(extent - 1, 3));
    int64_t behind = one_in(d, 3) ? throw(d, 0, extent) : *pad;
    behind = max_i64(behind, extent - *in - *pad);
    *out = (*in + *pad + behind - extent) / *s + 1;
}

static struct conv random_conv(struct dice *d)
{
    struct conv c = {.mb = throw(d, 1, 3), .g = 1};
    int64_t icg = throw(d, 1, 20), ocg = throw(d, 1, 37);
    if (one_in(d, 4)) {
        c.g = throw(d, 2, 18);
        bool depthwise = one_in(d, 2);
        icg = depthwise ? 1 : throw(d, 1, 5);
        ocg = depthwise ? 1 : throw(d, 1, 5);
    }
    c.ic = c.g * icg;
    c.oc = c.g * ocg;
    dimension(d, &c.ih, &c.oh, &c.kh, &c.sh, &c.dh, &c.ph);
    dimension(d, &c.iw, &c.ow, &c.kw, &c.sw, &c.dw, &c.pw);
    if (one_in(d, 8)) {
        c.ih = c.oh = c.kh = c.sh = 1;
        c.dh = c.ph = 0;
    }
    if (one_in(d, 3)) {
        /* The commonest kind, which special kernels take. */
        c.kh = c.kw = 3;
        c.sh = c.sw = c.ph = c.pw = 1;
        c.dh = c.dw = 0;
        c.oh = c.ih;
        c.ow = c.iw;
    }
    return c;
}

struct problem problem_random(enum problem_kind kind, uint64_t seed, uint64_t index)
{
    struct dice d = {seed, index, 0};
    struct problem p = {.kind = kind, .eps = DEFAULT_EPS};
    switch (kind) {
    case PROBLEM_CONV: p.conv = random_conv(&d); break;
    case PROBLEM_BN:
        p.bn = (struct bn){throw(&d, 2, 9), throw(&d, 1, 40), throw(&d, 1, 13), throw(&d, 1, 13)};
        if (one_in(&d, 4))
            p.bn.ih = p.bn.iw = 1;
        p.eps = one_in(&d, 4) ? 1e-3 : DEFAULT_EPS;
        break;
    case PROBLEM_GEMM:
        p.eps = 0;
        p.gemm = (struct gemm){throw(&d, 1, 70), throw(&d, 1, 70), throw(&d, 1, 90)};
        break;
    case PROBLEM_ITERATIONS:
        p = (struct problem){.kind = kind, .iterations = throw(&d, 1, 5000)};
        break;
    }
    return p;
}
