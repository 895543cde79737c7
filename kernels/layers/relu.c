/* ReLU, in place both ways: what it needs of the forward pass is its own output, so no copy is
 * kept. Limited by bandwidth; the compiler vectorises the loops. */
#include "layers.h"
#include "team.h"

static void fwd_range(float *x, struct range r)
{
    for (int64_t i = r.first; i < r.last; i++)
        x[i] = x[i] < 0 ? 0 : x[i];
}

void relu_fwd(float *x, int64_t n, int threads)
{
    int team = team_for(n, threads);
    if (team < 2) {
        fwd_range(x, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    fwd_range(x, my_range(n, 16));
}

static void bwd_range(const float *restrict y, float *restrict dy, struct range r)
{
    for (int64_t i = r.first; i < r.last; i++)
        dy[i] = y[i] <= 0 ? 0 : dy[i];
}

void relu_bwd(const float *y, float *dy, int64_t n, int threads)
{
    int team = team_for(n, threads);
    if (team < 2) {
        bwd_range(y, dy, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    bwd_range(y, dy, my_range(n, 16));
}
