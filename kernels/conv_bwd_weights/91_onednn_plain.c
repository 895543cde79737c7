/* conv_bwd_weights/onednn_plain: oneDNN on activations as they lie, with whatever it has for them: its direct kernels on nhwc
 * and on few channels, matrix products over columns on nchw. Beside onednn_direct, which converts: which of the two is
 * faster depends on the layer. Weights are converted inside the time. */
#define ONEDNN_PASS ONEDNN_BWD_WEIGHTS
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_same
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_bwd_weights_onednn_plain = {
    VARIANT_BUILD,
    .peer = onednn_peer,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}},
    .algebra = SUM_OF_PRODUCTS,
    .fits = onednn_conv_fits,
    .flops = onednn_direct_flops,
    .prepare = onednn_conv_prepare,
    .finish = onednn_finish,
    .release = onednn_release,
    .run = onednn_run,
};
