/* What direct_data.tmpl.h knows of a pass: its tensors, and how output pixels and taps of a dimension meet. */
#include "shared/tensor.h"

/* One dimension of one phase: output j < count lies at out0 + j out_step and reads, with tap i <
 * taps, input j in_step + shift0 + i shift_step. Tap i is the kernel's k0 + i k_step. */
struct axis {
    int64_t out0, out_step, count, in_step;
    int64_t k0, k_step, taps, shift0, shift_step;
};

/* One pass: what is read, what is written, and where weight (output o, input i, tap) of a group
 * lies. */
struct pass {
    const struct conv *conv;
    struct tensor in, out;
    const float *weights, *bias;
    int64_t inputs, outputs;      /* channels per group */
    int64_t group, output, input; /* distances in weights */
    int64_t phases_y, phases_x;
};

static struct pass direct_pass(const struct args *a);
static struct axis direct_axis(const struct conv *p, bool vertical, int64_t phase);

/* What the phases of a dimension have in common. */
struct span {
    int64_t count, step, low, high, taps;
};

static struct span direct_span(const struct conv *p, bool vertical, int64_t phases)
{
    struct span s = {.low = INT64_MAX, .high = INT64_MIN};
    for (int64_t i = 0; i < phases; i++) {
        struct axis a = direct_axis(p, vertical, i);
        s.count = max_i64(s.count, a.count);
        s.step = a.in_step;
        s.taps = max_i64(s.taps, a.taps);
        if (a.taps == 0)
            continue;
        int64_t last = a.shift0 + (a.taps - 1) * a.shift_step;
        s.low = min_i64(s.low, min_i64(a.shift0, last));
        s.high = max_i64(s.high, max_i64(a.shift0, last));
    }
    return s;
}

/* Taps lo <= i < hi of output j of a dimension lie inside the image. */
struct reach {
    int64_t lo, hi;
};

static inline struct reach reach_of(const struct axis *a, int64_t size, int64_t j)
{
    struct reach r = {0, a->taps};
    int64_t first = j * a->in_step + a->shift0, last = first + (a->taps - 1) * a->shift_step;
    for (; r.lo < r.hi && (first < 0 || first >= size); first += a->shift_step)
        r.lo++;
    for (; r.lo < r.hi && (last < 0 || last >= size); last -= a->shift_step)
        r.hi--;
    return r;
}

/* Share of the taps of a dimension that lie inside the image. */
static double share_inside(const struct conv *p, bool vertical, int64_t phases, int64_t size)
{
    int64_t inside = 0, all = 0;
    for (int64_t i = 0; i < phases; i++) {
        struct axis a = direct_axis(p, vertical, i);
        for (int64_t j = 0; j < a.count; j++) {
            struct reach r = reach_of(&a, size, j);
            inside += r.hi - r.lo;
        }
        all += a.count * a.taps;
    }
    return all ? (double)inside / (double)all : 1;
}
