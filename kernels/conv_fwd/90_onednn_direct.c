/* conv_fwd/onednn_direct: the direct convolution of oneDNN, the yardstick for ours. In nchw16c the library has all
 * operands in the layouts it prefers, converted beforehand; in nchw and nhwc their conversions are inside the time. */
#define ONEDNN_PASS ONEDNN_FWD
#define ONEDNN_ALGORITHM dnnl_convolution_direct
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_fwd_onednn_direct = {
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
