"""Trainings that diverge: they stop with one line and keep the last good checkpoint, or continue if asked to."""

import json
from pathlib import Path

import numpy as np
import pytest

from tensorfile import batchmark, load, save

NETWORK = "dense 12; bn; relu; dense 10"
SETTINGS = ["--data", "synthetic:600:50", "--batch", 20, "--optimizer", "sgd", "--threads", 1]
MSE = ["--loss", "mse"]  # which a large rate soon makes inf


def train(status, *arguments):
    done = batchmark("train", *arguments)
    assert done.returncode == status, (done.stdout[-500:], done.stderr)
    return done


def events(log, kind):
    return [event for event in map(json.loads, Path(log).read_text().splitlines()) if event["event"] == kind]


def files(place):
    return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def test_a_run_gone_nan_stops_and_keeps_the_last_good_checkpoint(folder):
    kept, log, weights = (Path(folder) / name for name in ("kept", "log", "weights"))
    train(0, NETWORK, *SETTINGS, *MSE, "--epochs", 1, "--checkpoint", kept)
    before = files(kept)
    done = train(1, "--resume", kept, "--epochs", 3, "--lr", 1e6, "--json", log, "--save", weights)
    line = done.stderr
    assert line.startswith("batchmark: diverged at step 3") and line.count("\n") == 1
    assert "layer " in line and "try a lower --lr (it is 1e+06)" in line and line.endswith(f"{kept}/last.safetensors\n")
    assert "nan" not in done.stdout and not weights.exists() and files(kept) == before
    found = events(log, "diverged")
    assert len(found) == 1 and f"at step {found[0]['step']}: {found[0]['what']};" in line
    assert not events(log, "epoch") and not events(log, "summary")
    train(0, "--resume", kept, "--epochs", 2, "--lr", 1e-3)


def test_a_run_that_is_to_keep_going_does_and_writes_no_weights(folder):
    kept, log, weights = (Path(folder) / name for name in ("kept", "log", "weights"))
    train(0, NETWORK, *SETTINGS, *MSE, "--epochs", 1, "--checkpoint", kept)
    before = files(kept)
    wild = ["--resume", kept, "--epochs", 3, "--lr", 1e6, "--json", log, "--keep-going"]
    done = train(0, *wild)
    assert not done.stderr and done.stdout.count("diverged at step") == 1
    assert "-nan" not in done.stdout and "epoch 3:" in done.stdout
    assert files(kept) == before
    found, summary = events(log, "diverged"), events(log, "summary")[0]
    assert len(found) == 1 and summary["diverged_step"] == found[0]["step"] and summary["steps"] == 90
    assert summary["train_loss"] is None
    done = train(1, *wild, "--save", weights)
    assert "--save" in done.stderr and not weights.exists()


def test_what_the_loss_does_not_tell_is_found(folder):
    """The variance of values that large is inf in float32, and what is divided by its root is 0 and not NaN."""
    log = Path(folder) / "log"
    done = train(1, NETWORK, *SETTINGS, "--lr", 1e5, "--epochs", 9, "--json", log, "--log", 1)
    assert "layer 2 (bn) has inf or NaN in its running_var" in done.stderr
    step = events(log, "diverged")[0]["step"]
    losses = [event["loss"] for event in events(log, "step")]
    assert None not in losses and step < 50


@pytest.mark.parametrize("fuse", ["off", "on"])
@pytest.mark.parametrize("layer, text", [(0, "conv 4 3x3"), (4, "conv 6 3x3"), (9, "dense 10")])
def test_the_layer_is_named(folder, layer, text, fuse):
    network = "conv 4 3x3; bn; relu; maxpool 2; conv 6 3x3; bn; relu; maxpool 2; flatten; dense 10"
    settings = [network, *SETTINGS, "--steps", 1, "--fuse", fuse]
    weights = Path(folder) / "weights"
    train(0, *settings, "--save", weights)
    tensors = {name: tensor.copy() for name, tensor in load(weights)[0].items()}
    tensors[f"{layer}.weight"] = np.full_like(tensors[f"{layer}.weight"], 3e38)
    save(weights, tensors)
    done = train(1, *settings, "--init", weights)
    assert f"at step 1: layer {layer} ({text}) is the first to give inf or NaN" in done.stderr


def test_weights_that_are_no_numbers_are_named(folder):
    """The loss of the only step is fine; what it makes of weights at the end of float32's range is not."""
    weights = Path(folder) / "weights"
    settings = ["dense 12; tanh; dense 10", *SETTINGS, "--steps", 1]
    train(0, *settings, "--save", weights)
    tensors = {name: tensor.copy() for name, tensor in load(weights)[0].items()}
    tensors["1.weight"][:, :] = 0
    tensors["1.weight"][3, 5] = -3e38
    save(weights, tensors)
    done = train(1, *settings, "--init", weights, "--lr", 1e6, "--decay", 0.9)
    assert "at step 1: layer 1 (dense 12) has inf or NaN in its weight" in done.stderr
