/* Times probes of the cores' speed. */
#include "machine/calm.h"
#include "core/clock.h"
#include "problem/registry.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The product that is the probe: some 20 us, in an L2 of 256 KiB. */
#define ROWS 64
#define COLUMNS 96
#define DEPTH 128
/* Floats that each thread passes to the next one. With those it receives, they fill half of a 256 KiB L2. */
#define HANDED (8 * 1024)
/* A probe is calm if it takes less than this many times the fastest one. The exchange between two cores
 * takes three times as long if they have no common cache, and varies more than a product. */
#define SLOWED 1.08
#define FARTHER 1.6
/* Probes in a row that a moment has to be found calm: one may be interrupted. */
#define TRIES 3
/* Seconds between probes while waiting, and what may be waited whatever the share. */
#define PAUSE 2e-3
#define ALWAYS 1.0
/* Probes that learn what fast is. */
#define FIRST_PROBES 50

struct calm {
    const struct variant *probe;
    struct problem problem;
    struct hints hints;
    double start, waited, share;
    int most;
    char *memory; /* of each thread `each` bytes: the operands, then the scratch */
    size_t each;
    struct probe {
        double product, handing; /* seconds */
    } * fastest;                 /* of each number of threads; 0: none yet */
};

/* A fast product on one thread. It uses AVX2 even if there is AVX-512: it then issues more instructions and
 * is slowed sooner by a neighbour on the core's second thread. */
static const struct variant *find_probe(void)
{
    const struct variant *best = NULL;
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        if (registry_match(e, "gemm/packed_*") && !registry_why_not(e, ISA_AVX2) &&
            !e->variant->parallel && (!best || e->variant->isa > best->isa))
            best = e->variant;
    }
    return best;
}

static float *memory_of(const struct calm *c, int thread)
{
    return (float *)(void *)(c->memory + (size_t)thread * c->each);
}

/* A product in every thread; then each writes what the next one reads. The time of the slowest thread. */
static struct probe probe(struct calm *c, int threads)
{
    double product = 0, handing = 0;
#pragma omp parallel num_threads(threads) reduction(max : product, handing)
    {
        int thread = omp_get_thread_num();
        float *own = memory_of(c, thread), *next = memory_of(c, (thread + 1) % threads);
        struct args a = {.problem = &c->problem, .formats = {GEMM_NN, GEMM_NN}, .hints = c->hints};
        a.t[SRC] = own + HANDED;
        a.t[WEIGHTS] = a.t[SRC] + ROWS * DEPTH;
        a.t[DST] = a.t[WEIGHTS] + DEPTH * COLUMNS;
        a.scratch = a.t[DST] + ROWS * COLUMNS;
        double begin = now();
        c->probe->run(&a);
        product = now() - begin;
        if (threads > 1) {
#pragma omp barrier
            begin = now();
            for (int i = 0; i < HANDED; i += 16)
                own[i] += 1;
#pragma omp barrier
            float sum = 0;
            for (int i = 0; i < HANDED; i += 16)
                sum += next[i];
            own[1] = sum;
            handing = now() - begin;
        }
    }
    return (struct probe){product, handing};
}

/* Two threads on one core hand lines over fastest of all, so only those count that make their product at full speed. */
static void keep_fastest(struct probe *fastest, struct probe p)
{
    if (fastest->product == 0 || p.product * SLOWED < fastest->product)
        *fastest = p;
    fastest->product = fmin(fastest->product, p.product);
    if (p.product <= SLOWED * fastest->product)
        fastest->handing = fmin(fastest->handing, p.handing);
}

struct calm *calm_open(const struct machine *m, int most, double waits)
{
    struct calm *c = calloc(1, sizeof *c);
    const struct variant *v = find_probe();
    if (!c || !v) {
        free(c);
        return NULL;
    }
    *c = (struct calm){.probe = v,
                       .problem = {.kind = PROBLEM_GEMM, .gemm = {ROWS, COLUMNS, DEPTH}},
                       .hints = machine_hints(m, 1),
                       .share = waits,
                       .most = most};
    size_t scratch =
        v->scratch_size
            ? v->scratch_size(&c->problem, (struct formats){GEMM_NN, GEMM_NN}, &c->hints)
            : 0;
    c->each = (HANDED + ROWS * DEPTH + DEPTH * COLUMNS + ROWS * COLUMNS) * sizeof(float) + scratch;
    c->each = (c->each + 4095) / 4096 * 4096;
    c->memory = aligned_alloc(4096, c->each * (size_t)most);
    c->fastest = calloc((size_t)most + 1, sizeof *c->fastest);
    if (!c->memory || !c->fastest) {
        calm_close(c);
        return NULL;
    }
    memset(c->memory, 0, c->each * (size_t)most);
    c->start = now();
    return c;
}

void calm_close(struct calm *c)
{
    if (!c)
        return;
    free(c->memory);
    free(c->fastest);
    free(c);
}

bool calm_now(struct calm *c, int threads)
{
    if (!c || threads > c->most)
        return true;
    struct probe *fastest = &c->fastest[threads];
    for (int i = fastest->product > 0 ? FIRST_PROBES : 0; i < FIRST_PROBES; i++)
        keep_fastest(fastest, probe(c, threads));
    for (int i = 0; i < TRIES; i++) {
        struct probe p = probe(c, threads);
        keep_fastest(fastest, p);
        if (p.product <= SLOWED * fastest->product && p.handing <= FARTHER * fastest->handing)
            return true;
    }
    return false;
}

bool calm_wait(struct calm *c, int threads)
{
    bool calm = calm_now(c, threads);
    if (calm)
        return true;
    double begin = now();
    while (!calm && c->waited + now() - begin < ALWAYS + c->share * (begin - c->start)) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * PAUSE)}, NULL);
        calm = calm_now(c, threads);
    }
    c->waited += now() - begin;
    return calm;
}

double calm_waited(const struct calm *c)
{
    return c ? c->waited : 0;
}
