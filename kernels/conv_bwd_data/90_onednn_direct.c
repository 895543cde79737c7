/* The gradient of the data by oneDNN's direct algorithm: a yardstick for ours. */
#define ONEDNN_PASS ONEDNN_BWD_DATA
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_bwd_data_onednn_direct = {VARIANT_BUILD, ONEDNN_DIRECT};
