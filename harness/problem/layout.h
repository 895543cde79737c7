/* Conversion between the plain order of a tensor (nchw, oihw, row-major) and the layout a variant
 * takes. */
#ifndef BATCHMARK_LAYOUT_H
#define BATCHMARK_LAYOUT_H

#include "problem/op.h"

/* Where the H x W plane of image n, channel c lies: element i of the plane is at base + i * stride.
 */
struct plane {
    int64_t base, stride;
};
struct plane layout_plane(const struct tensor_spec *t, int64_t n, int64_t c);

/* plain holds tensor_logical(t) floats, the other side tensor_physical(t). Values are copied with all
 * their bits; padded lanes of nchw16c become zero. Only activations (NCHW, NHWC, NCHW16C) are reordered;
 * all other tensors are plain already. */
void layout_from_plain(const struct tensor_spec *t, const float *plain, float *out);
void layout_to_plain(const struct tensor_spec *t, const float *in, float *plain);

#endif
