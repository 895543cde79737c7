/* conv_bwd_weights/onednn_direct: the gradient of the weights by oneDNN's direct algorithm. In nchw16c the library has all
 * operands in the layouts it prefers, converted outside the time; in nchw and nhwc conversions are inside. */
#define ONEDNN_PASS ONEDNN_BWD_WEIGHTS
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_bwd_weights_onednn_direct = {
    VARIANT_BUILD,
    .peer = onednn_peer,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = SUM_OF_PRODUCTS,
    .fits = onednn_conv_fits,
    .flops = onednn_direct_flops,
    .prepare = onednn_conv_prepare,
    .finish = onednn_finish,
    .release = onednn_release,
    .run = onednn_run,
};
