/* One pass over the pixels of the result. Shift and flip are undone first, which gives a place in the
 * transformed image; an affine map around the centre then gives a place between pixels of the source. */
#include "data/augment.h"
#include "core/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool augment_any(const struct augment *a)
{
    return a->shear > 0 || a->zoom > 0 || a->flip || a->shift > 0;
}

/* One part: "flip", or a word and a number from 0 to `most`. */
static bool read_part(const char *part, struct augment *out, char error[ERROR_TEXT])
{
    char word[8], rest[2];
    double number = 0;
    int found = sscanf(part, "%7s %lf %1s", word, &number, rest);
    if (found == 1 && !strcmp(word, "flip")) {
        out->flip = true;
        return true;
    }
    if (found == 2 && !strcmp(word, "shear") && number >= 0 && number < 90)
        out->shear = number;
    else if (found == 2 && !strcmp(word, "zoom") && number >= 0 && number < 1)
        out->zoom = number;
    else if (found == 2 && !strcmp(word, "shift") && number >= 0 && number <= 1000 &&
             number == floor(number))
        out->shift = (int64_t)number;
    else
        return explain(error,
                       "--augment '%.100s': parts are flip, shear DEGREES below 90, zoom SHARE "
                       "below 1 and shift PIXELS up to 1000, separated by commas; or none",
                       part);
    return true;
}

bool augment_parse(const char *text, struct augment *out, char error[ERROR_TEXT])
{
    *out = (struct augment){0};
    if (!strcmp(text, "none"))
        return true;
    for (const char *at = text;; at++) {
        char part[64];
        size_t length = strcspn(at, ",");
        if (length >= sizeof part)
            return explain(error, "--augment '%.100s': too long", text);
        memcpy(part, at, length);
        part[length] = '\0';
        if (!read_part(part, out, error))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

char *augment_print(const struct augment *a, char text[AUGMENT_TEXT])
{
    if (augment_any(a))
        snprintf(text, AUGMENT_TEXT, "shear %.17g, zoom %.17g, shift %lld%s", a->shear, a->zoom,
                 (long long)a->shift, a->flip ? ", flip" : "");
    else
        snprintf(text, AUGMENT_TEXT, "none");
    return text;
}

static double between(struct rng *r, double low, double high)
{
    return low + (high - low) * (double)rng_next_unit(r);
}

/* Four pixels of a plane and how much each counts: found once for all channels. */
struct corners {
    int64_t at[4];
    double left, right, above, below; /* shares */
};

/* Around a place between pixels; beyond the edge the nearest. */
static struct corners corners_of(int64_t height, int64_t width, double y, double x)
{
    y = fmin(fmax(y, 0), (double)(height - 1));
    x = fmin(fmax(x, 0), (double)(width - 1));
    const int64_t top = (int64_t)y, left = (int64_t)x;
    const int64_t down = top + (top + 1 < height), right = left + (left + 1 < width);
    const double v = y - (double)top, u = x - (double)left;
    return (struct corners){
        .at = {top * width + left, top * width + right, down * width + left, down * width + right},
        .left = 1 - u,
        .right = u,
        .above = 1 - v,
        .below = v};
}

static float interpolate(const uint8_t *plane, const struct corners *c)
{
    const double above = plane[c->at[0]] * c->left + plane[c->at[1]] * c->right;
    const double below = plane[c->at[2]] * c->left + plane[c->at[3]] * c->right;
    return (float)(above * c->above + below * c->below);
}

void augment_image(const struct augment *a, uint64_t key, int64_t channels, int64_t height,
                   int64_t width, const uint8_t *src, float *dst)
{
    struct rng r = {key};
    const double angle = between(&r, -a->shear, a->shear) * (3.14159265358979323846 / 180);
    const double zoom_y = between(&r, 1 - a->zoom, 1 + a->zoom);
    const double zoom_x = between(&r, 1 - a->zoom, 1 + a->zoom);
    const bool flip = rng_next_below(&r, 2) && a->flip;
    const uint64_t places = (uint64_t)(2 * a->shift + 1);
    const int64_t shift_y = (int64_t)rng_next_below(&r, places) - a->shift;
    const int64_t shift_x = (int64_t)rng_next_below(&r, places) - a->shift;
    /* Keras' matrix, rows first: shear times zoom. */
    const double yy = zoom_y, yx = -sin(angle) * zoom_x, xx = cos(angle) * zoom_x;
    const double centre_y = (double)height / 2 - 0.5, centre_x = (double)width / 2 - 0.5;
    for (int64_t h = 0; h < height; h++) {
        for (int64_t w = 0; w < width; w++) {
            int64_t row = h - shift_y, column = w - shift_x;
            const bool inside = row >= 0 && row < height && column >= 0 && column < width;
            column = flip ? width - 1 - column : column;
            const double down = (double)row - centre_y, along = (double)column - centre_x;
            const double y = centre_y + yy * down + yx * along, x = centre_x + xx * along;
            const struct corners corners = corners_of(height, width, y, x);
            for (int64_t c = 0; c < channels; c++)
                dst[(c * height + h) * width + w] =
                    inside ? interpolate(src + c * height * width, &corners) : 0;
        }
    }
}
