/* Direct convolution, forward: see direct_data.tmpl.h. Defines direct_scratch() and direct_run(). */
#include "shared/partition.h"

static const bool DIRECT_STATISTICS = false;

#include "algorithms/conv/direct_data.tmpl.h"
#include "algorithms/conv/direct_fwd_pass.h"
