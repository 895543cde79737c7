"""The ONNX backend tests as an oracle nobody of this project wrote.

Debian's libonnx-testdata holds models of one node with inputs and expected outputs, made with NumPy or exported
from PyTorch. Every one that says something about an operation here goes through `batchmark run`, with every
variant and layout that takes the problem. ConvTranspose is the backward pass of a convolution to its input.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import onnxdata
from tensorfile import CannotDo, run, variants

DATA = Path("/usr/share/libonnx-testdata/data")
MISSING = "the ONNX node tests are not installed (Debian's libonnx-testdata)"
VARIANTS = variants()
OPERATIONS = ["Conv", "ConvTranspose", "BatchNormalization", "Gemm", "MatMul"]


def cases(operation, supported):
    """The tests of an operation as pytest parameters; one skipped test where there are none to read."""
    if not DATA.is_dir():
        return [pytest.param(None, id=operation, marks=pytest.mark.skip(reason=MISSING))]
    found = [t for t in onnxdata.node_tests(DATA, [operation]) if supported(t)]
    return [pytest.param(t, id=t.name.replace("/", "-")) for t in found]


def spatial(test):
    """Number of spatial dimensions of the first input."""
    return next(test.sets())[0][0].ndim - 2


def tolerance(variant):
    """Allowed error relative to the largest expected value."""
    if "bf16" in variant:
        return 3e-2
    return 1e-4 if "winograd_f4" in variant else 1e-5


def conv_problem(attributes, image, weights, result):
    """The problem string of the convolution from an image to a result, shapes as in ONNX, all sizes written out."""
    axes = len(image) - 2
    text = f"g{attributes.get('group', 1)}mb{image[0]}ic{image[1]}oc{result[1]}"
    for axis, key in enumerate("hw"[-axes:]):
        size, out, kernel = image[2 + axis], result[2 + axis], weights[2 + axis]
        stride = attributes.get("strides", [1] * axes)[axis]
        dilation = attributes.get("dilations", [1] * axes)[axis]
        pad = attributes.get("pads", [0] * 2 * axes)[axis]
        auto = attributes.get("auto_pad", "NOTSET")
        if auto.startswith("SAME") or "output_shape" in attributes:
            total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            pad = total // 2 if auto == "SAME_UPPER" else total - total // 2
        text += f"i{key}{size}o{key}{out}k{key}{kernel}s{key}{stride}d{key}{dilation - 1}p{key}{pad}"
    return text


def check_all(operation, problem, tensors, expected, folder, layouts=None):
    """Holds every variant of the operation that takes the problem against the expected outputs."""
    done = set()
    wrong = []

    def check(row, layout):
        name = f"{operation}/{row['variant']}"
        try:
            outputs = run(name, problem, tensors, folder, layout, threads=2 if row["parallel"] else 1)
        except CannotDo:
            return
        done.add(row["variant"])
        for role, want in expected.items():
            got = outputs[role]
            assert got.shape == want.shape, f"{name} {problem} {layout}: {role} has shape {got.shape}"
            error = np.max(np.abs(got - want.astype(np.float64)), initial=0)
            limit = tolerance(name) * max(np.max(np.abs(want), initial=0), 1e-3)
            if not error <= limit:
                wrong.append(f"{name} {problem} {layout}: {role} is off by {error:g}, allowed {limit:g}")

    rows = [row for row in VARIANTS if row["op"] == operation]
    pairs = [(row, l) for row in rows for l in row["layouts"] if not layouts or l in layouts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in [pool.submit(check, *pair) for pair in pairs]:
            outcome.result()
    assert not wrong, "\n".join(wrong)
    assert {"ref", "naive"} <= done, f"{problem}: only {sorted(done)} took it"


@pytest.mark.parametrize("test", cases("Conv", lambda t: spatial(t) <= 2))
def test_conv(test, folder):
    """Forward convolutions: padding, strides, dilation, groups, bias, 1-D and 2-D."""
    for inputs, (result,) in test.sets():
        problem = conv_problem(test.attributes, inputs[0].shape, inputs[1].shape, result.shape)
        tensors = dict(zip(["src", "weights", "bias"], inputs))
        check_all("conv_fwd", problem, tensors, {"dst": result}, folder)


@pytest.mark.parametrize("test", cases("ConvTranspose", lambda t: spatial(t) <= 2))
def test_conv_transpose(test, folder):
    """A transposed convolution is conv_bwd_data; its bias is none of that operation's business."""
    for inputs, (result,) in test.sets():
        problem = conv_problem(test.attributes, result.shape, inputs[1].shape, inputs[0].shape)
        if len(inputs) == 3:
            bias = inputs[2].reshape(-1, *[1] * spatial(test))
            result = result.astype(np.float64) - bias
        tensors = {"diff_dst": inputs[0], "weights": inputs[1]}
        check_all("conv_bwd_data", problem, tensors, {"diff_src": result}, folder)


def bn_problem(test, shape):
    """The problem string of a batch normalization; the width is all that follows the height."""
    text = f"mb{shape[0]}ic{shape[1]}"
    if len(shape) > 2:
        text += f"ih{shape[2] if len(shape) > 3 else 1}iw{shape[-1]}"
    return text + f"eps{test.attributes.get('epsilon', 1e-5)!r}"


def is_training(test):
    """Does the test compute statistics? Until opset 6 is_test said no, from 14 training_mode says yes."""
    return bool(test.attributes.get("training_mode", 0))


def as_2d(array):
    """x[N][C][D][H][W] as x[N][C][D * H][W], the same to batch normalization."""
    return array.reshape(*array.shape[:2], -1, array.shape[-1]) if array.ndim == 5 else array


@pytest.mark.parametrize("test", cases("BatchNormalization", lambda t: not is_training(t)))
def test_batchnorm_inference(test, folder):
    """y from given statistics."""
    for inputs, (result,) in test.sets():
        src, gamma, beta, mean, variance = inputs
        tensors = {"src": as_2d(src), "gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
        problem = bn_problem(test, tensors["src"].shape)
        check_all("bn_fwd_infer", problem, tensors, {"dst": as_2d(result)}, folder)


@pytest.mark.parametrize("test", cases("BatchNormalization", is_training))
def test_batchnorm_training(test, folder):
    """y and statistics of the batch; the test data hold what they make of the running ones."""
    for inputs, (result, running_mean, running_variance) in test.sets():
        src, gamma, beta, old_mean, old_variance = (a.astype(np.float64) for a in inputs)
        momentum = test.attributes.get("momentum", 0.9)
        mean = (running_mean - momentum * old_mean) / (1 - momentum)
        variance = (running_variance - momentum * old_variance) / (1 - momentum)
        # Solving for them costs the digits of 1 / (1 - momentum), so they are compared less closely.
        assert np.allclose(mean, src.mean((0, 2, 3)), atol=1e-5)
        assert np.allclose(variance, src.var((0, 2, 3)), atol=1e-5)
        problem = bn_problem(test, src.shape)
        tensors = {"src": src, "gamma": gamma, "beta": beta}
        expected = {"dst": result, "mean": src.mean((0, 2, 3)), "variance": src.var((0, 2, 3))}
        check_all("bn_fwd_train", problem, tensors, expected, folder)


def is_plain_product(test):
    """C = A B + bias of one row (or none), nothing scaled."""
    inputs, (result,) = next(test.sets())
    scaled = test.attributes.get("alpha", 1) != 1 or test.attributes.get("beta", 1) not in (0, 1)
    both = test.attributes.get("transA", 0) and test.attributes.get("transB", 0)
    row = len(inputs) < 3 or inputs[2].size in (1, result.shape[-1])
    return result.ndim == 2 and row and not scaled and not both


@pytest.mark.parametrize("test", cases("Gemm", is_plain_product) + cases("MatMul", is_plain_product))
def test_gemm(test, folder):
    """Products of matrices, stored plain or transposed."""
    for inputs, (result,) in test.sets():
        layout = "tn" if test.attributes.get("transA", 0) else "nt" if test.attributes.get("transB", 0) else "nn"
        m, n = result.shape
        k = inputs[0].size // m
        tensors = dict(zip(["src", "weights"], inputs))
        if len(inputs) == 3 and test.attributes.get("beta", 1):
            tensors["bias"] = np.broadcast_to(inputs[2].reshape(-1), (n,))
        check_all("gemm", f"{m}x{k}:{k}x{n}", tensors, {"dst": result}, folder, [layout])


def test_nothing_is_missed():
    """The number of tests there are in Debian 12's package, so that a reader that skips some does not go unseen."""
    if not DATA.is_dir():
        pytest.skip(MISSING)
    counts = {}
    for test in onnxdata.node_tests(DATA, OPERATIONS):
        counts[test.operation] = counts.get(test.operation, 0) + 1
    assert counts["Conv"] >= 32 and counts["ConvTranspose"] >= 13 and counts["BatchNormalization"] >= 9, counts
