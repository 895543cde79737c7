/* conv_stats by direct convolution: see direct_data.tmpl.h. Defines direct_scratch() and direct_run(). */
#include "partition.h"

static const bool DIRECT_STATISTICS = true;

#include "direct_data.tmpl.h"
#include "direct_fwd_pass.h"
