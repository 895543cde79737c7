/* Expected outputs: coordinates, memory, and the operations that need no error analysis. */
#include "core/rng.h"
#include "verify/verify_parts.h"

#include <math.h>
#include <stdlib.h>

const struct tensor_spec *outcome_spec(const struct outcome *r, enum role role)
{
    for (int i = 0; i < r->count; i++)
        if (r->specs[i].role == role)
            return &r->specs[i];
    return NULL;
}

void expectation_free(struct expectation *x)
{
    for (int i = 0; i < x->count && !x->shared; i++) {
        free(x->e[i].at);
        free(x->e[i].value);
        free(x->e[i].limit);
    }
    x->count = 0;
}

/* A random coordinate of a dimension, often one of the two outermost on either side: there kernels err
 * most. */
static int64_t draw_coordinate(uint64_t bits, int64_t size)
{
    uint64_t choice = bits >> 32;
    if (bits % 4)
        return (int64_t)(choice % (uint64_t)size);
    int64_t border = (int64_t)(choice % 4);
    return border < 2 ? min_i64(border, size - 1) : max_i64(size - 1 - (border - 2), 0);
}

/* All combinations of first, second, last but one and last in every dimension, then random ones. */
static int64_t *sample(const struct tensor_spec *t, uint64_t seed, int64_t count)
{
    int64_t *at = malloc((size_t)count * sizeof *at);
    for (int64_t i = 0; at && i < count; i++) {
        int64_t index = 0, combination = i;
        for (int d = 0; d < t->ndim; d++) {
            int64_t size = t->dims[d], x;
            if (i < 1 << (2 * t->ndim)) {
                int64_t border = combination % 4;
                x = border < 2 ? min_i64(border, size - 1) : max_i64(size - 1 - (border - 2), 0);
                combination /= 4;
            } else {
                x = draw_coordinate(rng_at(seed, 100 + t->role, (uint64_t)(i * 4 + d)), size);
            }
            index = index * size + x;
        }
        at[i] = index;
    }
    return at;
}

struct expected *expect_output(struct expectation *x, const struct outcome *r, enum role role)
{
    const struct tensor_spec *t = outcome_spec(r, role);
    struct expected *e = &x->e[x->count++];
    *e = (struct expected){.role = role, .count = tensor_logical(t)};
    if (r->max_coordinates > 0 && e->count > r->max_coordinates) {
        e->count = r->max_coordinates;
        e->at = sample(t, r->seed, e->count);
    }
    e->value = calloc((size_t)e->count, sizeof *e->value);
    e->limit = calloc((size_t)e->count, sizeof *e->limit);
    if (!e->value || !e->limit ||
        (r->max_coordinates > 0 && e->count < tensor_logical(t) && !e->at))
        abort(); /* the supervisor reports it */
    return e;
}

struct expectation expect_simple(const struct outcome *r)
{
    struct expectation x = {0};
    struct expected *e = expect_output(&x, r, DST);
    for (int64_t i = 0; i < e->count; i++) {
        int64_t at = expected_at(e, i);
        if (r->problem.kind == PROBLEM_ITERATIONS) {
            e->value[i] = (double)r->problem.iterations;
        } else if (!r->op->moves) { /* triad */
            double a = r->t[SRC][at], b = 3 * (double)r->t[DIFF_DST][at];
            e->value[i] = a + b;
            /* A multiplication and an addition, fused or not. */
            e->limit[i] =
                r->fill == FILL_INTEGER ? 0 : U * (fabs(b) + 1.01 * fabs(a + b)) + 0x1p-149;
        } else {
            e->value[i] = r->t[SRC][at];
        }
    }
    return x;
}
