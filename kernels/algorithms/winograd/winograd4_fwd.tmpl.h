/* conv_fwd by Winograd's F(4x4,3x3): see winograd4_data.tmpl.h. Defines w4_fits(), w4_scratch(), w4_flops(), w4_run(). */
#include "shared/partition.h"

static const bool W4_STATISTICS = false;

#include "algorithms/winograd/winograd4_data.tmpl.h"
#include "algorithms/winograd/winograd4_fwd_pass.h"
