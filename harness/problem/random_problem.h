/* Random small problems, with shapes that no set has. */
#ifndef BATCHMARK_RANDOM_PROBLEM_H
#define BATCHMARK_RANDOM_PROBLEM_H

#include "kernel.h"

/* Problem `index` of a seed, of the given kind. Always valid; small enough to verify in milliseconds. Convolutions cover
 * strides, dilation, groups, depthwise, asymmetric padding and kernels larger than the image. */
struct problem problem_random(enum problem_kind kind, uint64_t seed, uint64_t index);

#endif
