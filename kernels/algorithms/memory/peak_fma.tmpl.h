/* Measures the peak: independent multiply-adds in registers and nothing else, limited by the
 * multiply-add ports alone. The including file defines
 *
 *   CHAINS   independent accumulators: at least (FMA latency) x (FMAs a cycle), and all
 *            of them in registers
 *
 * Each of the 64 counters of dst is counted up TILES_A_COUNTER times, from 0 by acc = acc * src[0]
 * + src[1] with src = {1, 1}, so that the result proves how many steps were taken: dst[i] =
 * iterations. The grid is fixed; 64 * 60 tiles split evenly over any usual number of cores. */
#include "shared/partition.h"
#include "vec/vec.h"

_Static_assert(CHAINS >= 1 && CHAINS <= VREGS, "accumulators stay in registers");

#define COUNTERS 64
#define TILES_A_COUNTER 60

/* float32 counts exactly up to here. */
#define MAX_ITERATIONS (1 << 24)

static const char *fits(const struct problem *p, struct formats f)
{
    (void)f;
    return p->iterations <= MAX_ITERATIONS ? NULL : "float32 cannot count beyond iter16777216";
}

static double flops(const struct problem *p, struct formats f)
{
    (void)f;
    return 2.0 * V * CHAINS * COUNTERS * TILES_A_COUNTER * (double)p->iterations;
}

/* Counts every lane of every chain from 0; returns the largest count of each lane. */
static inline vf count(vf factor, vf step, int64_t iterations)
{
    /* Read anew for each chain, so that the compiler cannot see that all chains compute the same.
     */
    static const volatile float zero = 0;
    vf acc[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        acc[i] = vset1(zero);
    for (int64_t n = 0; n < iterations; n++)
        for (int i = 0; i < CHAINS; i++)
            acc[i] = vfma(acc[i], factor, step);
    vf most = acc[0];
    for (int i = 1; i < CHAINS; i++)
        most = vmax(most, acc[i]);
    return most;
}

static void tiles(const struct args *a, int64_t first, int64_t last, int thread)
{
    (void)thread;
    vf factor = vset1(a->t[SRC][0]), step = vset1(a->t[SRC][1]);
    vf most = vzero();
    for (int64_t t = first; t < last; t++) {
        most = vmax(most, count(factor, step, a->problem->iterations));
        if ((t + 1) % TILES_A_COUNTER == 0)
            vstore_n(a->t[DST] + t / TILES_A_COUNTER, most, 1);
    }
}

static void run(const struct args *a)
{
    run_tiles(a, COUNTERS * TILES_A_COUNTER, tiles);
}

#define PEAK_FMA(flops_of_run)                                                                     \
    .formats = {{FLAT, FLAT}}, .algebra = SUM_OF_PRODUCTS, .thread_invariant = true, .fits = fits, \
    .flops = flops_of_run, .run = run
