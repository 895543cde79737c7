/* Sigmoid and tanh, in place, and their gradients from the outputs; included by layers.tmpl.h.
 *
 * Plain loops that the compiler turns into vectors of its flags. The exponential is Cephes' expf (S. Moshier): x = n ln 2 + r,
 * a polynomial of degree 5 in r after 1 + r, times 2^n by the exponent's bits; within 2 units of the last place. tanh takes
 * Cephes' polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel. NaN stays NaN. About 20 operations a value: bound by
 * arithmetic in the caches, by bandwidth beyond them. */

static inline float power_of_e(float x)
{
    /* Adding it rounds to an integer, which then stands in the low bits. */
    const float shift = 12582912.0f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    union {
        float number;
        uint32_t bits;
    } rounded = {x * 1.44269504f + shift}, scale;
    const float n = rounded.number - shift;
    const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    scale.bits = (rounded.bits << 23) + 0x3f800000u;
    return (p * r * r + r + 1) * scale.number;
}

static inline float sigmoid_of(float x)
{
    return 1 / (1 + power_of_e(-x));
}

static inline float tanh_of(float x)
{
    const float z = x * x, size = fabsf(x);
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float near = p * z * x + x;
    const float far = copysignf(1 - 2 / (power_of_e(2 * size) + 1), x);
    return size < 0.625f ? near : far;
}

static void curve_fwd_range(enum curve curve, float *x, struct range r)
{
    if (curve == CURVE_SIGMOID) {
#pragma omp simd
        for (int64_t i = r.first; i < r.last; i++)
            x[i] = sigmoid_of(x[i]);
    } else {
#pragma omp simd
        for (int64_t i = r.first; i < r.last; i++)
            x[i] = tanh_of(x[i]);
    }
}

static void curve_bwd_range(enum curve curve, const float *restrict y, float *restrict dy,
                            struct range r)
{
    if (curve == CURVE_SIGMOID) {
#pragma omp simd
        for (int64_t i = r.first; i < r.last; i++)
            dy[i] *= y[i] * (1 - y[i]);
    } else {
#pragma omp simd
        for (int64_t i = r.first; i < r.last; i++)
            dy[i] *= 1 - y[i] * y[i];
    }
}

static void curve_fwd(enum curve curve, float *x, int64_t n, int threads)
{
    int team = team_for(n, CURVE_GRAIN, threads);
    if (team < 2) {
        curve_fwd_range(curve, x, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    curve_fwd_range(curve, x, my_range(n, 16));
}

static void curve_bwd(enum curve curve, const float *y, float *dy, int64_t n, int threads)
{
    int team = team_for(n, RELU_GRAIN, threads);
    if (team < 2) {
        curve_bwd_range(curve, y, dy, (struct range){0, n});
        return;
    }
#pragma omp parallel num_threads(team)
    curve_bwd_range(curve, y, dy, my_range(n, 16));
}
