/* The gradient of the data by what oneDNN has for activations as they lie. */
#define ONEDNN_PASS ONEDNN_BWD_DATA
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_same
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_bwd_data_onednn_plain = {VARIANT_BUILD, ONEDNN_PLAIN};
