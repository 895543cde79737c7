"""The reports of batchmark train about layers and steps: they are correct, and asking for them changes nothing."""

import math
from pathlib import Path

import numpy as np
import pytest

from tensorfile import batchmark, load, trained

NETWORK = "conv 6 3x3 stride 2; bn; relu; maxpool 2; dropout 0.2; dense 16; sigmoid; dense 10"
# So small a rate leaves the weights as they are.
STILL = ["--optimizer", "sgd", "--lr", "1e-30"]


def train(folder, *arguments):
    """Trains and returns the events of the JSON file, by kind."""
    kinds = {}
    for event in trained(folder, *arguments):
        kinds.setdefault(event["event"], []).append(event)
    return kinds


def test_looking_changes_no_bits(folder):
    paths = [Path(folder) / name for name in ("plain", "looked")]
    settings = [NETWORK, "--data", "synthetic:90:50", "--batch", 20, "--epochs", 2, "--fuse", "off"]
    train(folder, *settings, "--save", paths[0])
    looks = ["--stats", 2, "--direction", 3, "--test-every", 2, "--test-bn", "both", "--test-shifts", "contrast:0.5"]
    seen = train(folder, *settings, "--save", paths[1], *looks)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [e["step"] for e in seen["layers"]] == [1, 2, 4, 6, 8, 10]
    assert [e["step"] for e in seen["direction"]] == [1, 3, 6, 9]
    assert [e["step"] for e in seen["test"]] == [2, 4, 6, 8, 10]
    # At steps 1 and 6 both are due: what lies along the step is not what the layers held.
    assert train(folder, *settings, "--stats", 2)["layers"] == seen["layers"]


def test_loss_along_a_step_is_that_of_the_next_step(folder):
    """Where every batch is the whole set, the loss at the whole step is the loss of the step after it."""
    settings = ["conv 6 3x3 stride 2; bn; relu; dense 10", "--data", "synthetic:40:10", "--batch", 40, "--steps", 5]
    seen = train(folder, *settings, "--direction", 1, "--lr", 1e-2)
    for i, event in enumerate(seen["direction"]):
        assert math.isclose(event["loss"], seen["step"][i]["loss"], rel_tol=1e-9)
        assert event["scales"] == [0.25, 0.5, 1, 2, 4]
        if i + 1 < 5:
            assert math.isclose(event["losses"][2], seen["step"][i + 1]["loss"], rel_tol=1e-4)
        assert event["gradient_changes"] == sorted(event["gradient_changes"])


def test_norms_are_those_of_weights_and_gradients(folder):
    weights, gradients = Path(folder) / "w", Path(folder) / "g"
    settings = [NETWORK, "--data", "synthetic:40:10", "--batch", 20, "--steps", 3, *STILL]
    seen = train(folder, *settings, "--stats", 1, "--save", weights, "--gradients", gradients)
    layers = seen["layers"][-1]["layers"]
    for path, kind in ((weights, "weight_norm"), (gradients, "gradient_norm")):
        tensors = load(path)[0]
        for i, layer in enumerate(layers):
            if f"{i}.weight" in tensors:
                norm = np.linalg.norm(tensors[f"{i}.weight"].astype(np.float64))
                assert math.isclose(layer[kind], norm, rel_tol=1e-6)
            else:
                assert layer[kind] is None


def test_activations(folder):
    """BN gives mean 0 and deviation 1; large weights saturate a sigmoid and small ones do not."""
    network = "dense 32; bn; dropout 0.1; dense 16; sigmoid; dense 10"
    seen = {}
    for scale in (0.01, 100):
        events = train(folder, network, "--data", "synthetic:64:10", "--batch", 64, "--steps", 1, "--stats", 1,
                       "--initial-scale", scale)
        seen[scale] = events["layers"][0]["layers"]
    bn, sigmoid = seen[100][2], seen[100][5]
    assert bn["layer"].startswith("bn") and abs(bn["mean"]) < 1e-4 and abs(bn["std"] - 1) < 1e-2
    assert sigmoid["layer"] == "sigmoid" and sigmoid["saturated"] > 0.9
    assert seen[0.01][5]["saturated"] == 0 and seen[0.01][5]["std"] < 0.1
    assert seen[100][4]["mean"] is None, "what the sigmoid wrote over is not shown"


def test_initial_scale_multiplies_weights_alone(folder):
    saved = {}
    for scale in (1, 0.5):
        path = Path(folder) / str(scale)
        train(folder, NETWORK, "--data", "synthetic:20:10", "--steps", 1, *STILL, "--initial-scale", scale, "--save", path)
        saved[scale] = load(path)[0]
    for name, tensor in saved[1].items():
        if "running" not in name:
            factor = 0.5 if tensor.ndim > 1 else 1
            assert np.allclose(tensor * factor, saved[0.5][name], rtol=0, atol=1e-20)


def test_shifts_that_shift_nothing_and_all(folder):
    shifts = "brightness:0,contrast:1,brightness:1"
    seen = train(folder, NETWORK, "--data", "synthetic:500:100", "--batch", 20, "--lr", 3e-3, "--test-shifts", shifts)
    last = seen["epoch"][-1]
    none, same, white = seen["shifted"]
    assert none["test_loss"] == same["test_loss"] == last["test_loss"]
    assert none["test_accuracy"] == last["test_accuracy"] > white["test_accuracy"]


def test_statistics_of_the_batch(folder):
    """Without BN both tests agree; with it they do not, and what fills no batch is left out."""
    data = ["--data", "synthetic:100:60", "--batch", 20, "--epochs", 1, "--test-bn", "both"]
    plain = train(folder, "dense 16; dropout 0.5; relu; dense 10", *data)["epoch"][-1]
    assert math.isclose(plain["test_loss"], plain["test_batch_loss"], rel_tol=1e-6)
    normalized = train(folder, "dense 16; bn; relu; dense 10", *data)["epoch"][-1]
    assert abs(normalized["test_loss"] - normalized["test_batch_loss"]) > 1e-3
    short = train(folder, "dense 16; bn; relu; dense 10", *data, "--subset", "100:19")["epoch"][-1]
    assert "test_batch_loss" not in short


def test_subset_is_kept_by_a_checkpoint(folder):
    settings = ["dense 10", "--data", "synthetic:100:60", "--subset", "30:20", "--batch", 10]
    seen = train(folder, *settings, "--epochs", 1, "--checkpoint", folder)
    assert seen["epoch"][0]["steps"] == 3
    more = train(folder, "--resume", folder, "--epochs", 2)
    assert more["epoch"][-1]["steps"] == 3
    assert (more["epoch"][-1]["test_accuracy"] * 20).is_integer()


def test_what_is_looked_at_is_kept_by_a_checkpoint(folder):
    settings = [NETWORK, "--data", "synthetic:100:20", "--batch", 20]
    looks = ["--stats", 2, "--direction", 3, "--test-every", 4, "--test-bn", "both", "--test-shifts",
             "contrast:0.1,brightness:-0.2"]
    train(folder, *settings, *looks, "--steps", 5, "--checkpoint", folder)
    more = train(folder, "--resume", folder, "--steps", 10)
    assert [e["step"] for e in more["layers"]] == [1, 2, 4, 6, 8, 10]
    assert [e["step"] for e in more["direction"]] == [1, 3, 6, 9]
    assert [e["step"] for e in more["test"]] == [4, 8]
    assert all("test_batch_loss" in e for e in more["epoch"])
    assert [(e["shift"], e["amount"]) for e in more["shifted"]] == [("contrast", 0.1), ("brightness", -0.2)]
    # What the command line says goes before it.
    less = train(folder, "--resume", folder, "--steps", 15, "--test-bn", "running", "--test-shifts", "contrast:2")
    assert "test_batch_loss" not in less["epoch"][-1] and len(less["shifted"]) == 1
    done = batchmark("train", "--resume", folder, "--steps", 20, "--kernels", "auto")
    assert done.returncode == 2 and "--stats" in done.stderr and done.stderr.count("\n") == 1


def test_time_spent_looking_is_not_training(folder):
    """A direction costs seven passes, statistics all values in float64 besides."""
    settings = ["dense 512; relu; dense 10", "--data", "synthetic:640:10", "--batch", 64, "--threads", 1]
    plain, looked = (
        min(train(folder, *settings, "--steps", 20, *looks)["summary"][0]["seconds"] for _ in range(3))
        for looks in ([], ["--direction", 1, "--stats", 1])
    )
    assert looked < 3 * plain


def test_a_subset_is_no_larger_than_the_data():
    for subset in ("31", "30:21"):
        done = batchmark("train", "dense 10", "--data", "synthetic:30:20", "--subset", subset)
        assert done.returncode == 2 and "30 images to train on and 20 to test" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "option, value, says",
    [
        ("--test-shifts", "fog:1", "brightness:SHARE"),
        ("--test-shifts", "contrast", "brightness:SHARE"),
        ("--test-shifts", "contrast:", "brightness:SHARE"),
        ("--test-shifts", "contrast:1x", "brightness:SHARE"),
        ("--test-shifts", ",".join(["contrast:1"] * 17), "up to 16"),
        ("--subset", "0", "--subset '0'"),
        ("--subset", "5:", "--subset"),
        ("--initial-scale", "-1", "above 0"),
        ("--test-bn", "batch", "running or both"),
        ("--verify", "maybe", "off or on"),
    ],
)
def test_mistakes(option, value, says):
    done = batchmark("train", "dense 10", option, value)
    assert done.returncode == 2 and says in done.stderr


def test_statistics_need_layers_apart():
    for more in (["--fuse", "on"], ["--kernels", "auto"]):
        done = batchmark("train", "dense 10", "--stats", 1, *more)
        assert done.returncode == 2 and "--stats" in done.stderr
