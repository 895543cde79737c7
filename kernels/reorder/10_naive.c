/* The loops of the reference; the inner one runs over pixels. Limited by computing indices, and by
 * cache lines of which one float is used at a time. */
#include "naive.tmpl.h"

const struct variant reorder_naive = {VARIANT_BUILD, NAIVE_REORDER};
