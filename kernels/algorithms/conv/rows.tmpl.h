/* What the convolutions with pixels in the lanes share. Plain nchw only: V neighbouring pixels of an image row are a
 * vector, weights are broadcast. Channels then need no multiple of V: 3 input channels fill 3 of 16 lanes where
 * channels are the lanes (direct_core.tmpl.h), and every lane here. rows_*.tmpl.h lose at rows that are no multiple of V
 * instead; planes_fwd.tmpl.h copies the input so that rows have no ends. Results are written without transposition. */
#include "shared/carve.h"
#include "shared/lines.h"
#include "shared/partition.h"
#include "vec/vec.h"

/* The pixels along a row: a vector may reach over the end of a short one. */
static inline int64_t row_vectors(int64_t width)
{
    return div_up(width, V);
}

/* Whether `stride` divides at; if so, *quotient is set. Most strides are 1, and a division takes as long as a vector of
 * products with three channels. */
static inline bool row_divides(int64_t at, int64_t stride, int64_t *quotient)
{
    *quotient = stride == 1 ? at : at / stride;
    return *quotient * stride == at;
}
