/* The built-in sets: gratings to be told apart by orientation and fineness, numbers, and tones. */
#include "core/rng.h"
#include "data/data_parts.h"

#include <math.h>

enum { WAVE = 1024 }; /* steps of one period of the sine table */

static float between(struct rng *r, float low, float high)
{
    return low + (high - low) * rng_next_unit(r);
}

/* Classes 0 to 4: five orientations at 36 degrees, 7 pixels a period; 5 to 9: the same at 4.5. Both fit the
 * receptive field of two 5x5 convolutions. */
static void grating(int class, struct rng *r, const float *wave, const struct data *d,
                    uint8_t *pixels)
{
    const float periods[] = {7.0f, 4.5f};
    float angle = (float)(class % 5) * 0.62831853f + between(r, -0.15f, 0.15f);
    float period = periods[class / 5] * between(r, 0.9f, 1.1f);
    float step_x = cosf(angle) / period * WAVE, step_y = sinf(angle) / period * WAVE;
    float phase = between(r, 0, WAVE) + 64 * WAVE; /* stays positive over the image */
    for (int64_t c = 0; c < d->channels; c++) {
        float level = between(r, 80, 176), depth = between(r, -70, 70);
        for (int64_t y = 0; y < d->height; y++) {
            for (int64_t x = 0; x < d->width; x++) {
                int at = (int)(phase + step_x * (float)x + step_y * (float)y) % WAVE;
                float noise = (rng_next_unit(r) + rng_next_unit(r) - 1) * 90;
                float value = level + depth * wave[at] + noise;
                pixels[(c * d->height + y) * d->width + x] = (uint8_t)(value < 0     ? 0
                                                                       : value > 255 ? 255
                                                                                     : value);
            }
        }
    }
}

static void make_split(const struct data *d, struct images *s, uint64_t seed, uint64_t use,
                       const float *wave)
{
    int64_t size = d->channels * d->height * d->width;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->count; i++) {
        struct rng r = {rng_stream(seed, use, (uint64_t)i)};
        s->labels[i] = (uint8_t)rng_next_below(&r, (uint64_t)d->classes);
        grating(s->labels[i], &r, wave, d, s->pixels + i * size);
    }
}

void data_synthetic_make(struct data *d, uint64_t seed)
{
    float wave[WAVE];
    for (int i = 0; i < WAVE; i++)
        wave[i] = sinf((float)i * (6.2831853f / WAVE));
    make_split(d, &d->train, seed, USE_TRAIN_IMAGES, wave);
    make_split(d, &d->test, seed, USE_TEST_IMAGES, wave);
}

static void make_numbers(const struct data *d, struct images *s, uint64_t seed, uint64_t use)
{
    for (int64_t i = 0; i < s->count; i++) {
        struct rng r = {rng_stream(seed, use, (uint64_t)i)};
        uint8_t *numbers = s->pixels + i * d->channels;
        for (int64_t c = 0; c < d->channels; c++)
            numbers[c] = (uint8_t)rng_next_below(&r, 256);
        bool wrong = rng_next_below(&r, 20) == 0;
        s->labels[i] = ((numbers[0] >= 128) == (numbers[1] >= 128)) != wrong;
    }
}

void data_numbers_make(struct data *d, uint64_t seed)
{
    make_numbers(d, &d->train, seed, USE_TRAIN_IMAGES);
    make_numbers(d, &d->test, seed, USE_TEST_IMAGES);
}

static void make_signals(const struct data *d, struct images *s, uint64_t seed, uint64_t use)
{
    const int64_t length = d->width;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->count; i++) {
        struct rng r = {rng_stream(seed, use, (uint64_t)i)};
        const int class = (int)rng_next_below(&r, (uint64_t)d->classes);
        /* Periods in the middle from 24 down to 8 values; the frequency changes by half from end to end. */
        const float middle = 1 / (24 - 4 * (float)(class % 5)) * between(&r, 0.95f, 1.05f);
        const float slope = (class < 5 ? 0.5f : -0.5f) * middle / (float)length;
        s->labels[i] = (uint8_t) class;
        for (int64_t c = 0; c < d->channels; c++) {
            const float phase = between(&r, 0, 1), level = between(&r, 100, 156),
                        depth = between(&r, 20, 60);
            for (int64_t x = 0; x < length; x++) {
                const float t = (float)x - (float)length / 2;
                const float wave = sinf(6.2831853f * (phase + middle * t + 0.5f * slope * t * t));
                const float noise = (rng_next_unit(&r) + rng_next_unit(&r) - 1) * 40;
                s->pixels[(i * d->channels + c) * length + x] =
                    (uint8_t)fminf(fmaxf(level + depth * wave + noise, 0), 255);
            }
        }
    }
}

void data_signals_make(struct data *d, uint64_t seed)
{
    make_signals(d, &d->train, seed, USE_TRAIN_IMAGES);
    make_signals(d, &d->test, seed, USE_TEST_IMAGES);
}
