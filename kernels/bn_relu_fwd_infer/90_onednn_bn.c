/* Batch normalization by given statistics and ReLU fused by oneDNN, in the layout of the tensors. */
#define ONEDNN_BN_PASS ONEDNN_BN_INFER
#define ONEDNN_BN_FLAGS dnnl_fuse_norm_relu
#include "peers/onednn_bn.tmpl.h"

const struct variant bn_relu_fwd_infer_onednn_bn = {VARIANT_BUILD, ONEDNN_BN};
