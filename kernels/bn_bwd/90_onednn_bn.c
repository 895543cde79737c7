/* bn_bwd/onednn_bn: the gradient of batch normalization by oneDNN.
 * In nchw16c its best layout, in nchw and nhwc the tensors as they lie: no conversion in any. */
#define ONEDNN_BN_PASS ONEDNN_BN_BWD
#define ONEDNN_BN_FLAGS 0
#include "peers/onednn_bn.tmpl.h"

const struct variant bn_bwd_onednn_bn = {
    VARIANT_BUILD,
    .peer = onednn_peer,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = TWO_PASS,
    .fits = onednn_bn_fits,
    .prepare = onednn_bn_prepare,
    .finish = onednn_finish,
    .release = onednn_release,
    .run = onednn_run,
};
