/* Batch normalization in training by oneDNN, in the layout of the tensors. */
#define ONEDNN_BN_PASS ONEDNN_BN_TRAIN
#define ONEDNN_BN_FLAGS 0
#include "peers/onednn_bn.tmpl.h"

const struct variant bn_fwd_train_onednn_bn = {VARIANT_BUILD, ONEDNN_BN};
