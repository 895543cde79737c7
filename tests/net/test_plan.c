/* The planner: the shortest path against every path. */
#include "net/net_plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const enum layout layouts[] = {NCHW, NHWC, NCHW16C};
enum { LAYOUTS = 3 };

static struct net_text text;

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void parse(const char *line)
{
    char error[ERROR_TEXT];
    if (!net_text_parse(line, (struct shape){3, 32, 32}, &text, error))
        fail_msg("%s", error);
}

static const char network[] = "conv 4 3x3; bn; relu; maxpool 2; conv 5 3x3; relu; dense 10";
enum { CONV, BN, RELU, MAXPOOL };
static const struct plan_limits any = {0};

/* Any costs: fixed pseudo-random numbers that depend on all that identifies a call; user: their seed. */
static struct plan_cost noise(void *user, int layer, enum phase phase, struct plan_node before,
                              struct plan_node here)
{
    bool reorder = phase == REORDER_FWD || phase == REORDER_BWD;
    if (reorder && before.layout == here.layout)
        return (struct plan_cost){0};
    uint64_t x = *(uint64_t *)user + (uint64_t)layer * 100000 + (uint64_t)phase * 10000 +
                 (uint64_t)here.layout * 1000 + (uint64_t)here.join * 100 +
                 (reorder ? (uint64_t)before.layout : 9) * 10 + (uint64_t)before.join;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (struct plan_cost){.seconds = (double)(x >> 40) / (reorder ? 64 : 16)};
}

/* Seconds of a layer, INFINITY where the network has no such step: told layer by layer, not by the planner's rules. */
static double step_cost(int layer, struct plan_node before, struct plan_node here, void *user)
{
    double sum = 0;
    if (!layer_takes(&text.layers[layer], here.layout) || (here.join == GATHERS && layer != CONV) ||
        (here.join == POOLS && layer != BN && layer != RELU) ||
        (layer == RELU && (here.layout != before.layout || here.join != before.join)) ||
        (before.join == POOLS && before.layout != here.layout) ||
        (here.join == POOLS && here.layout != NCHW))
        return INFINITY;
    for (int phase = 0; phase < PHASES; phase++)
        sum += noise(user, layer, (enum phase)phase, before, here).seconds;
    return sum;
}

/* The shortest of all ways through the layers from one on. */
static double shortest(int layer, struct plan_node before, void *user)
{
    double best = layer < text.count ? INFINITY : 0;
    for (int k = 0; layer < text.count && k < LAYOUTS * JOINS; k++) {
        struct plan_node here = {layouts[k / JOINS], (enum join)(k % JOINS)};
        double step = step_cost(layer, before, here, user);
        if (isfinite(step))
            best = fmin(best, step + shortest(layer + 1, here, user));
    }
    return best;
}

static void path_is_the_shortest(void **state)
{
    (void)state;
    parse(network);
    int pooled = 0, apart = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        static struct net_plan plan;
        double best = shortest(0, (struct plan_node){.layout = NCHW}, &seed), seconds[MAX_LAYERS],
               sum = 0;
        double total = net_plan_solve(&text, any, noise, &seed, &plan, seconds);
        assert_true(fabs(total / best - 1) < 1e-12);
        for (int i = 0; i < text.count; i++)
            sum += seconds[i];
        assert_true(fabs(sum / best - 1) < 1e-12);
        /* What the plan says of layouts and pooling is that path; only whether the conv gathers is left to its variant. */
        double told = INFINITY;
        for (int gathers = 0; gathers < 2; gathers++) {
            struct plan_node before = {.layout = NCHW};
            double way = 0;
            for (int i = 0; i < text.count; i++) {
                struct plan_node here = {.layout = plan.layers[i].layout};
                here.join = i == CONV && gathers                    ? GATHERS
                            : plan.layers[i == RELU ? BN : i].pools ? POOLS
                                                                    : APART;
                way += step_cost(i, before, here, &seed);
                before = here;
            }
            told = fmin(told, way);
        }
        assert_true(fabs(told / best - 1) < 1e-12);
        pooled += plan.layers[BN].pools;
        apart += !plan.layers[BN].pools;
    }
    assert_true(pooled && apart);
}

static void one_layout_where_possible(void **state)
{
    (void)state;
    static struct net_plan plan;
    uint64_t seed = 5;
    parse(network);
    net_plan_solve(&text, (struct plan_limits){.only = NCHW16C}, noise, &seed, &plan, NULL);
    for (int i = 0; i < text.count; i++) {
        assert_int_equal(plan.layers[i].layout,
                         layer_takes(&text.layers[i], NCHW16C) ? NCHW16C : NCHW);
        assert_false(plan.layers[i].pools);
    }
}

/* Every call costs 1. Statistics cost the conv `gathering` more and save the bn 1; a bn that pools costs `pooling` besides,
 * and saves the call of the maxpool. */
struct prices {
    double gathering, pooling;
};

static struct plan_cost priced(void *user, int layer, enum phase phase, struct plan_node before,
                               struct plan_node here)
{
    const struct prices *p = user;
    double seconds = phase >= REORDER_FWD ? before.layout != here.layout : 1;
    if (phase == FWD && here.join == GATHERS)
        seconds += p->gathering;
    if (phase == FWD && before.join == GATHERS)
        seconds -= 1;
    if (phase == FWD && layer == BN && here.join == POOLS)
        seconds += p->pooling;
    if (phase == FWD && layer == MAXPOOL && before.join == POOLS)
        seconds -= 1;
    return (struct plan_cost){.seconds = seconds};
}

/* Fused where that saves more than it costs, and never where it may not be. */
static void fused_where_it_pays(void **state)
{
    (void)state;
    static struct net_plan plan;
    parse(network);
    const double apart = 3 * text.count;
    for (int gathers = 0; gathers < 2; gathers++)
        for (int pools = 0; pools < 2; pools++) {
            struct prices p = {gathers ? 0.25 : 1.5, pools ? 0.5 : 1.25};
            const double saved = (gathers ? 0.75 : 0) + (pools ? 0.5 : 0);
            assert_near(net_plan_solve(&text, any, priced, &p, &plan, NULL), apart - saved);
            for (int i = 0; i < text.count; i++)
                assert_int_equal(plan.layers[i].pools, pools && i == BN);
            const struct plan_limits unfused = {.apart = true};
            assert_near(net_plan_solve(&text, unfused, priced, &p, &plan, NULL), apart);
            assert_false(plan.layers[BN].pools);
        }
    /* Statistics of a frozen bn, and windows that overlap. */
    struct prices cheap = {0};
    parse("conv 4 3x3; bn frozen; relu; maxpool 2; dense 10");
    assert_near(net_plan_solve(&text, any, priced, &cheap, &plan, NULL), 3 * text.count);
    parse("conv 4 3x3; bn; relu; maxpool 2 stride 1; dense 10");
    assert_near(net_plan_solve(&text, any, priced, &cheap, &plan, NULL), 3 * text.count - 1);
    assert_false(plan.layers[BN].pools);
}

/* No variant in nhwc, none for the second convolution at all. */
static struct plan_cost gaps(void *user, int layer, enum phase phase, struct plan_node before,
                             struct plan_node here)
{
    int broken = *(int *)user;
    if (layer == broken || here.layout == NHWC)
        return (struct plan_cost){.seconds = INFINITY};
    return (struct plan_cost){.seconds =
                                  before.layout == here.layout || phase < REORDER_FWD ? 1 : 100};
}

static void what_cannot_be_done_is_avoided(void **state)
{
    (void)state;
    static struct net_plan plan;
    parse("conv 4 3x3; conv 5 3x3; dense 10");
    int broken = -1;
    assert_true(isfinite(net_plan_solve(&text, any, gaps, &broken, &plan, NULL)));
    for (int i = 0; i < text.count; i++)
        assert_int_equal(plan.layers[i].layout, NCHW);
    broken = 1;
    assert_true(isinf(net_plan_solve(&text, any, gaps, &broken, &plan, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_is_the_shortest),
        cmocka_unit_test(one_layout_where_possible),
        cmocka_unit_test(fused_where_it_pays),
        cmocka_unit_test(what_cannot_be_done_is_avoided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
