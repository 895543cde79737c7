/* The planner: the shortest path against every path. */
#include "net_plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const enum layout layouts[] = {NCHW, NHWC, NCHW16C};
enum { LAYOUTS = 3 };

static struct net_text text;

static void parse(const char *line)
{
    char error[ERROR_TEXT];
    if (!net_text_parse(line, (struct shape){3, 32, 32}, &text, error))
        fail_msg("%s", error);
}

/* Any costs: fixed pseudo-random numbers that depend on all that identifies a call; user: their seed. */
static struct plan_cost noise(void *user, int layer, enum phase phase, enum layout before,
                              enum layout layout)
{
    bool reorder = phase == REORDER_FWD || phase == REORDER_BWD;
    if (reorder && before == layout)
        return (struct plan_cost){0};
    uint64_t x = *(uint64_t *)user + (uint64_t)layer * 1000 + (uint64_t)phase * 100 +
                 (uint64_t)layout * 10 + (reorder ? (uint64_t)before : 9);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (struct plan_cost){.seconds = (double)(x >> 40) / (reorder ? 64 : 16)};
}

static double path_cost(const enum layout *path, void *user)
{
    double sum = 0;
    for (int i = 0; i < text.count; i++)
        for (int phase = 0; phase < PHASES; phase++)
            sum += noise(user, i, (enum phase)phase, i ? path[i - 1] : NCHW, path[i]).seconds;
    return sum;
}

static void path_is_the_shortest(void **state)
{
    (void)state;
    parse("conv 4 3x3; bn; relu; maxpool 2; conv 5 3x3; relu; dense 10");
    for (uint64_t seed = 0; seed < 200; seed++) {
        static struct net_plan plan;
        double best = INFINITY, seconds[MAX_LAYERS], sum = 0;
        enum layout path[MAX_LAYERS], chosen[MAX_LAYERS];
        int paths = (int)pow(LAYOUTS, text.count);
        for (int p = 0; p < paths; p++) {
            bool possible = true;
            for (int i = 0, rest = p; i < text.count; i++, rest /= LAYOUTS) {
                path[i] = layouts[rest % LAYOUTS];
                possible &= net_layer_takes(&text.layers[i], path[i]);
            }
            if (possible)
                best = fmin(best, path_cost(path, &seed));
        }
        double total = net_plan_solve(&text, LAYOUT_NONE, noise, &seed, &plan, seconds);
        assert_true(fabs(total / best - 1) < 1e-12);
        for (int i = 0; i < text.count; i++) {
            chosen[i] = plan.layers[i].layout;
            sum += seconds[i];
        }
        assert_true(fabs(path_cost(chosen, &seed) / best - 1) < 1e-12);
        assert_true(fabs(sum / best - 1) < 1e-12);
    }
}

static void one_layout_where_possible(void **state)
{
    (void)state;
    static struct net_plan plan;
    uint64_t seed = 5;
    parse("conv 4 3x3; bn; relu; maxpool 2; conv 5 3x3; relu; dense 10");
    net_plan_solve(&text, NCHW16C, noise, &seed, &plan, NULL);
    for (int i = 0; i < text.count; i++)
        assert_int_equal(plan.layers[i].layout,
                         net_layer_takes(&text.layers[i], NCHW16C) ? NCHW16C : NCHW);
}

/* No variant in nhwc, none for the second convolution at all. */
static struct plan_cost gaps(void *user, int layer, enum phase phase, enum layout before,
                             enum layout layout)
{
    int broken = *(int *)user;
    if (layer == broken || layout == NHWC)
        return (struct plan_cost){.seconds = INFINITY};
    return (struct plan_cost){.seconds = before == layout || phase < REORDER_FWD ? 1 : 100};
}

static void what_cannot_be_done_is_avoided(void **state)
{
    (void)state;
    static struct net_plan plan;
    parse("conv 4 3x3; conv 5 3x3; dense 10");
    int broken = -1;
    assert_true(isfinite(net_plan_solve(&text, LAYOUT_NONE, gaps, &broken, &plan, NULL)));
    for (int i = 0; i < text.count; i++)
        assert_int_equal(plan.layers[i].layout, NCHW);
    broken = 1;
    assert_true(isinf(net_plan_solve(&text, LAYOUT_NONE, gaps, &broken, &plan, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_is_the_shortest),
        cmocka_unit_test(one_layout_where_possible),
        cmocka_unit_test(what_cannot_be_done_is_avoided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
