"""What all pictures share: size, colours (Okabe and Ito's, which the colour-blind can tell apart, too), names, files."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
import matplotlib  # noqa: E402
from matplotlib import pyplot  # noqa: E402

# Okabe and Ito
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#7f7f7f"
CYCLE = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
# 9 in at 100 dots an inch: the width of a README.
WIDTH = 9
DPI = 100
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}
TITLES = {
    "conv_fwd": "convolution, forward",
    "conv_bwd_data": "convolution, gradient by the data",
    "conv_bwd_weights": "convolution, gradient by the weights",
    "conv_bn_infer": "convolution with folded BN",
    "conv_stats": "convolution with BN statistics",
    "gemm": "matrix product",
    "bn_fwd_train": "BN, training",
    "bn_fwd_infer": "BN, inference",
    "bn_bwd": "BN, backward",
    "bn_relu_fwd_train": "BN and ReLU, training",
    "bn_relu_fwd_infer": "BN and ReLU, inference",
    "bn_relu_bwd": "BN and ReLU, backward",
    "bn_pool_fwd_train": "BN, ReLU and pooling, training",
    "bn_pool_fwd_infer": "BN, ReLU and pooling, inference",
    "bn_pool_bwd": "BN, ReLU and pooling, backward",
    "reorder": "change of layout",
}


def style():
    """What all pictures share."""
    matplotlib.rcParams.update(
        {
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.hashsalt": "batchmark",
        }
    )


def save(figure, folder, name):
    """Writes both formats and returns the path of the PNG."""
    path = folder / f"{name}.png"
    figure.savefig(path)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return path


def plain(value):
    """A figure on a bar."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"
