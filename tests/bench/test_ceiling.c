/* Rows that beat their ceiling: it is measured again beside them, and what no ceiling explains is not published. */
#include "bench/bench.h"
#include "core/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Seconds that a call of the planted copy and of the planted operation takes. The copy lags until the other has run. */
static double copy_lags, copy_takes;
static bool beside;

static void wait_until(double end)
{
    while (now() < end)
        ;
}

static void planted_copy(const struct args *a)
{
    (void)a;
    wait_until(now() + (beside ? copy_takes : copy_lags));
}

static void planted_work(const struct args *a)
{
    (void)a;
    beside = true;
    wait_until(now() + 4e-5);
}

static const struct variant copy_variant = {VARIANT_BUILD, .formats = {{NCHW, NCHW}},
                                            .run = planted_copy};
static const struct variant work_variant = {VARIANT_BUILD, .formats = {{NCHW, NCHW}},
                                            .run = planted_work};

/* A timed row of so many seconds a call. */
static struct bench_row timed(const struct entry *e, const struct problem *p, double seconds)
{
    struct bench_row row;
    row_init(&row, e, p, (struct formats){NCHW, NCHW}, false, 1);
    const struct gbench_sample sample = {10, 10 * seconds, 10 * seconds, false};
    row_take_round(&row, &sample, 1);
    return row;
}

static const struct entry copy_entry = {.op = "copy", .name = "planted", .variant = &copy_variant};
static const struct entry work_entry = {
    .op = "bn_fwd_infer", .name = "planted", .variant = &work_variant};

/* An operation, and a copy of its size. */
static void problems(struct problem *work, struct problem *copy)
{
    struct bench_row row;
    char error[ERROR_TEXT];
    struct named_problem named;
    if (!problem_parse(PROBLEM_BN, "mb1ic16ih32", &named, error))
        fail_msg("%s", error);
    *work = named.problem;
    row_init(&row, &work_entry, work, (struct formats){NCHW, NCHW}, false, 1);
    *copy = footprint_problem(footprint_step(row_footprint(&row)));
}

static void a_share_above_the_whole_is_left_out(void **state)
{
    (void)state;
    struct problem work, copy;
    problems(&work, &copy);
    struct bench_row rows[] = {timed(&work_entry, &work, 1e-5), timed(&copy_entry, &copy, 1e-4)};
    rows_count(rows, 2);
    assert_true(row_beats(&rows[0], CEILING_COPY, rows, 2));
    assert_true(isnan(rows[0].counters.pct_copy) && rows[0].over > 500);
    assert_true(rows[0].counters.gbps > 0);
    assert_true(rows[1].counters.pct_copy == 100 && rows[1].over == 0);
    /* What was measured beside the row counts in place of the other. */
    rows[0].beside[CEILING_COPY] = 2 * rows[0].counters.gbps;
    rows_count(rows, 2);
    assert_false(row_beats(&rows[0], CEILING_COPY, rows, 2));
    assert_true(fabs(rows[0].counters.pct_copy - 50) < 1e-9 && rows[0].over == 0);
    /* A row within its ceiling is held to that alone. */
    rows[0].beside[CEILING_COPY] = 1e-9;
    row_free(&rows[1]);
    rows[1] = timed(&copy_entry, &copy, 1e-6);
    rows_count(rows, 2);
    assert_true(rows[0].counters.pct_copy < 50 && rows[0].over == 0);
    for (int i = 0; i < 2; i++)
        row_free(&rows[i]);
}

/* Times both; returns the operation's row, its counters and what was measured beside it. */
static struct bench_row bench_both(double lags, double takes)
{
    static struct machine here;
    char error[ERROR_TEXT];
    struct problem work, copy;
    struct bench_options o = {.warm = true, .budget = 0.01, .seed = 1, .plan = PLAN_QUICK};
    struct bench_rows rows = {0};
    assert_true(machine_detect(&here, error, sizeof error));
    assert_true(threads_parse("1", &here, &o, error));
    copy_lags = lags, copy_takes = takes, beside = false;
    problems(&work, &copy);
    assert_true(rows_add(&rows, &copy_entry, &copy, (struct formats){NCHW, NCHW}, false, 1));
    assert_true(rows_add(&rows, &work_entry, &work, (struct formats){NCHW, NCHW}, false, 1));
    for (int i = 0; i < 2; i++)
        rows.items[i].state = ROW_VERIFIED;
    bench_time(&o, &here, &rows, NULL, NULL);
    assert_int_equal(rows.items[1].state, ROW_TIMED);
    struct bench_row found = rows.items[1];
    rows_free(&rows);
    machine_free(&here);
    return found;
}

static void a_ceiling_is_measured_again_beside_the_row(void **state)
{
    (void)state;
    struct bench_row row = bench_both(8e-3, 1e-6);
    assert_true(row.beside[CEILING_COPY] > row.counters.gbps);
    assert_true(row.counters.pct_copy < 100 && row.over == 0);
    /* One that stays below the row explains nothing. */
    row = bench_both(8e-3, 8e-3);
    assert_true(row.beside[CEILING_COPY] > 0 && row.beside[CEILING_COPY] < row.counters.gbps);
    assert_true(isnan(row.counters.pct_copy) && row.over > 100);
    /* One that is above the row from the beginning is not measured again. */
    row = bench_both(1e-6, 1e-6);
    assert_true(isnan(row.beside[CEILING_COPY]) && row.counters.pct_copy < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_above_the_whole_is_left_out),
        cmocka_unit_test(a_ceiling_is_measured_again_beside_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
