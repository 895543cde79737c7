/* conv_bwd_data/onednn_winograd: the gradient of the data by oneDNN's Winograd F(4x4,3x3) (Lavin and Gray 2015).
 * Layouts as in onednn_direct. */
#define ONEDNN_PASS ONEDNN_BWD_DATA
#define ONEDNN_ALGORITHM dnnl_convolution_winograd
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_bwd_data_onednn_winograd = {
    VARIANT_BUILD,
    .peer = onednn_peer,
    .formats = {{NCHW, NCHW}, {NHWC, NHWC}, {NCHW16C, NCHW16C}},
    .algebra = WINOGRAD_F4,
    .fits = onednn_conv_fits,
    .prepare = onednn_conv_prepare,
    .finish = onednn_finish,
    .release = onednn_release,
    .run = onednn_run,
};
