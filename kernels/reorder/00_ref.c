/* Conversions between the three layouts, value by value; padded lanes of nchw16c are zero. Nothing
 * is computed, so the reference has no float64. */
#include "naive.tmpl.h"

const struct variant reorder_ref = {VARIANT_BUILD, NAIVE_REORDER};
