"""A network's state_dict as safetensors.torch.save_file writes it, of every type it may have, as --init of a training."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tensorfile import batchmark, load, save

NETWORK = "conv 4 3x3 stride 2; bn; relu; dense 10 nobias; bn"
BN = (1, 5)
SETTINGS = [NETWORK, "--data", "synthetic:40:20", "--steps", 1, "--threads", 1]


def bfloat16(array):
    """The upper halves of float32, rounded to even."""
    bits = array.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


# The name in a file, its bytes, and back to float32.
TYPES = {
    "F64": (lambda a: a.astype("<f8"), lambda a: a.astype("<f4")),
    "F32": (lambda a: a.astype("<f4"), lambda a: a),
    "F16": (lambda a: a.astype("<f2"), lambda a: a.astype("<f4")),
    "BF16": (bfloat16, lambda a: (a.astype("<u4") << 16).view("<f4")),
}


def save_file(path, tensors):
    """{name: (type, array)} byte for byte as safetensors.torch 0.8 writes them: the widest elements first, then by name."""
    header, pieces, end = {"__metadata__": {"format": "pt"}}, [], 0
    order = ["I64", "F64", "F32", "I32", "BF16", "F16", "U8", "BOOL"]
    for name in sorted(tensors, key=lambda name: (order.index(tensors[name][0]), name)):
        kind, array = tensors[name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        pieces.append(array.tobytes())
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(pieces))


def state_dict(weights, kind, counter="I64"):
    """PyTorch's: floats of one type, and a count of batches at each bn, which stays what it is when a model is converted."""
    counts = np.array(3, {"I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}[counter])
    return {name: (kind, TYPES[kind][0](array)) for name, array in weights.items()} | {
        f"{bn}.num_batches_tracked": (counter, counts) for bn in BN
    }


def step(folder, init):
    """The first step from those weights: its loss, and what it leaves."""
    log, after = Path(folder) / "log", Path(folder) / "after"
    done = batchmark("train", *SETTINGS, "--init", init, "--json", log, "--save", after)
    assert done.returncode == 0, done.stderr
    return json.loads(log.read_text().splitlines()[0])["loss"], after.read_bytes()


@pytest.fixture
def weights(folder):
    path = Path(folder) / "weights"
    done = batchmark("train", *SETTINGS, "--save", path)
    assert done.returncode == 0, done.stderr
    return load(path)[0]


def test_of_every_type(folder, weights):
    path = Path(folder) / "state"
    for kind, (store, back) in TYPES.items():
        save(path, {name: back(store(array)) for name, array in weights.items()})
        expected = step(folder, path)
        save_file(path, state_dict(weights, kind))
        assert step(folder, path) == expected, kind
    # Types that a count has had, and the mean and variance that a half model keeps in float32.
    for counter in ("I32", "U8", "BOOL"):
        save_file(path, state_dict(weights, "F32", counter))
        step(folder, path)
    mixed = {name: one for name, one in state_dict(weights, "BF16").items() if "running" not in name}
    save_file(path, mixed | {name: one for name, one in state_dict(weights, "F32").items() if "running" in name})
    step(folder, path)


def refused(folder, tensors, *messages):
    path = Path(folder) / "state"
    save_file(path, tensors)
    done = batchmark("train", *SETTINGS, "--init", path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert all(message in done.stderr for message in messages), done.stderr


def test_what_no_network_can_have_is_refused(folder, weights):
    state = state_dict(weights, "F32")

    def changed(name, at, value):
        array = weights[name].copy()
        array[at] = value
        return state | {name: ("F32", array)}

    refused(folder, changed("1.running_var", 2, -1e-30), "'1.running_var' is -1e-30 at element 2", "below 0")
    refused(folder, changed("1.running_mean", 0, np.inf), "'1.running_mean' is inf")
    refused(folder, state | {"0.weight": ("I64", np.zeros((4, 3, 3, 3), "<i8"))}, "'0.weight'", "dtype is I64")
    refused(folder, state | {"1.running_var": ("F64", np.full(4, 1e300))}, "'1.running_var' is inf")
    refused(folder, state | {"1.count": ("I64", np.array(3))}, "'1.count' is none of the network's")
    step(folder, Path(folder) / "weights")
