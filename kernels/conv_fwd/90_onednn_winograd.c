/* The convolution by oneDNN's Winograd F(4x4,3x3), which its later versions dropped. */
#define ONEDNN_PASS ONEDNN_FWD
#define ONEDNN_ALGORITHM dnnl_convolution_winograd
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_fwd_onednn_winograd = {VARIANT_BUILD, ONEDNN_WINOGRAD};
