/* Plain order <-> layout, plane by plane. */
#include "problem/layout.h"

#include <string.h>

enum { LANES = 16 };

static bool is_activation(const struct tensor_spec *t)
{
    return t->layout == NHWC || t->layout == NCHW16C;
}

struct plane layout_plane(const struct tensor_spec *t, int64_t n, int64_t c)
{
    int64_t channels = t->dims[1], hw = t->dims[2] * t->dims[3];
    switch (t->layout) {
    case NHWC: return (struct plane){n * hw * channels + c, channels};
    case NCHW16C:
        return (struct plane){(n * div_up(channels, LANES) + c / LANES) * hw * LANES + c % LANES,
                              LANES};
    default: return (struct plane){(n * channels + c) * hw, 1};
    }
}

void layout_from_plain(const struct tensor_spec *t, const float *plain, float *out)
{
    if (!is_activation(t)) {
        memcpy(out, plain, (size_t)tensor_logical(t) * sizeof *out);
        return;
    }
    if (t->layout == NCHW16C)
        memset(out, 0, (size_t)tensor_physical(t) * sizeof *out);
    int64_t hw = t->dims[2] * t->dims[3];
    for (int64_t n = 0; n < t->dims[0]; n++) {
        for (int64_t c = 0; c < t->dims[1]; c++) {
            struct plane p = layout_plane(t, n, c);
            for (int64_t i = 0; i < hw; i++)
                memcpy(&out[p.base + i * p.stride], plain++, sizeof *out);
        }
    }
}

void layout_to_plain(const struct tensor_spec *t, const float *in, float *plain)
{
    if (!is_activation(t)) {
        memcpy(plain, in, (size_t)tensor_logical(t) * sizeof *plain);
        return;
    }
    int64_t hw = t->dims[2] * t->dims[3];
    for (int64_t n = 0; n < t->dims[0]; n++) {
        for (int64_t c = 0; c < t->dims[1]; c++) {
            struct plane p = layout_plane(t, n, c);
            for (int64_t i = 0; i < hw; i++)
                memcpy(plain++, &in[p.base + i * p.stride], sizeof *plain);
        }
    }
}
