/* What the convolutions with pixels in the lanes share. Plain nchw only: V neighbouring pixels of an image row are a
 * vector, and weights are broadcast. So all lanes are used with 3 input channels, too; with channels in the lanes
 * (direct_core.tmpl.h) they would fill 3 of 16. On the other hand, rows_*.tmpl.h waste lanes if a row is no multiple of
 * V; planes_fwd.tmpl.h avoids that by a copy. Results are written without transposition. */
#include "shared/carve.h"
#include "shared/lines.h"
#include "shared/partition.h"
#include "vec/vec.h"

/* The pixels along a row: a vector may reach over the end of a short one. */
static inline int64_t row_vectors(int64_t width)
{
    return div_up(width, V);
}

/* Does `stride` divide `at`? If so, sets *quotient. Stride 1 is a case of its own, because it is the usual one and a
 * division takes as long as a vector of products with three channels. */
static inline bool row_divides(int64_t at, int64_t stride, int64_t *quotient)
{
    *quotient = stride == 1 ? at : at / stride;
    return *quotient * stride == at;
}
