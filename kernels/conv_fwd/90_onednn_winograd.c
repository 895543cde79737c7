/* conv_fwd/onednn_winograd: Winograd F(4x4,3x3) of oneDNN (Lavin and Gray 2015), which its later versions dropped:
 * the highest anchor for 3x3. Weights are transformed inside the time, as in training; layouts as in onednn_direct. */
#define ONEDNN_PASS ONEDNN_FWD
#define ONEDNN_ALGORITHM dnnl_convolution_winograd
#define ONEDNN_LAYOUT onednn_any
#include "peers/onednn_conv.tmpl.h"

const struct variant conv_fwd_onednn_winograd = {
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
