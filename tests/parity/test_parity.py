"""One step of training from PyTorch's state against PyTorch's own, as files in golden/ have it.

`build/venv/bin/python scripts/parity/parity.py --golden tests/parity/golden` makes them anew; `make parity`
compares with PyTorch itself.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tensorfile import BATCHMARK, load

GOLDEN = Path(__file__).resolve().parent / "golden"
IMAGE = 3072
FILE = 10000 * (1 + IMAGE)


@pytest.fixture
def data(folder):
    """CIFAR-10's files with the batch as the one that the step takes, and nothing but zeros elsewhere."""
    place = Path(folder) / "data"
    place.mkdir()
    images = load(GOLDEN / "images.safetensors")[0]
    batch = len(images["labels"])
    records = np.concatenate([images["labels"].reshape(batch, 1), images["pixels"].reshape(batch, IMAGE)], axis=1)
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        with open(place / name, "wb") as file:
            file.truncate(FILE)
            if name == "data_batch_1.bin":
                done = json.loads(load(GOLDEN / "adam-before.safetensors")[1]["run"])["place"]["next"]
                file.seek(done * (1 + IMAGE))
                file.write(records.astype(np.uint8).tobytes())
    return place


def distance(got, expected):
    norm = np.linalg.norm(np.float64(expected))
    # What is all zero, as frozen statistics are, must be met exactly.
    return np.linalg.norm(np.float64(got) - expected) / norm if norm else float(np.any(got != expected))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "conventions"])
@pytest.mark.parametrize("kernels", [None, "conv_*=naive;gemm=naive;bn_*=naive"])
def test_a_step_is_pytorchs(folder, data, optimizer, kernels):
    log, after, slopes = (Path(folder) / name for name in ("log", "after", "gradients"))
    arguments = ["--resume", GOLDEN / f"{optimizer}-before.safetensors", "--data", data, "--checkpoint", folder,
                 "--json", log, "--save", after, "--gradients", slopes]  # fmt: skip
    if kernels:
        arguments += ["--kernels", kernels, "--fuse", "off"]
    done = subprocess.run([BATCHMARK, "train", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected, metadata = load(GOLDEN / f"{optimizer}-after.safetensors")
    loss = json.loads(log.read_text().splitlines()[0])["loss"]
    assert abs(loss / float(metadata["loss"]) - 1) < 1e-5
    weights, gradients = load(after)[0], load(slopes)[0]
    # The bias right before a bn has no gradient but rounding.
    assert set(gradients) == {name.removeprefix("gradient.") for name in expected if "gradient" in name} | {
        "0.bias",
        "4.bias",
    }
    for name, value in expected.items():
        if name in ("0.bias", "4.bias"):
            continue
        got = gradients[name.removeprefix("gradient.")] if "gradient" in name else weights[name]
        assert distance(got, value) < (1e-5 if "running" in name else 1e-4), name


def test_the_files_differ_from_where_they_start():
    """A test that compares what did not change would pass for nothing."""
    for optimizer in ("adam", "sgd", "rmsprop"):
        before, after = (load(GOLDEN / f"{optimizer}-{when}.safetensors")[0] for when in ("before", "after"))
        for name in before:
            if not name.startswith("optimizer.") and name not in ("0.bias", "4.bias"):
                assert distance(before[name], after[name]) > 1e-4, (optimizer, name)
