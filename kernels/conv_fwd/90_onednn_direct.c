/* The convolution by oneDNN's direct algorithm: a yardstick for ours. */
#define ONEDNN_PASS ONEDNN_FWD
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_fwd_onednn_direct = {VARIANT_BUILD, ONEDNN_DIRECT};
