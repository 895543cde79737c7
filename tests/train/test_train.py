"""batchmark train: curves that agree between kernels, runs that repeat bit-identically, reports, bad input, real data."""

import math
import os
import tempfile
from pathlib import Path

import pytest

from tensorfile import batchmark, load, read_log, save, trained, variants

FIFTY_STEPS = ["--data", "synthetic:500:10", "--steps", 50]
# Small layers: every rung is fast enough on them.
SMALL = "conv 6 3x3 stride 2; bn; relu; maxpool 2; conv 8 3x3 same; relu; maxpool 2; dense 32; bn; relu; dense 10"


def losses(log):
    return [event["loss"] for event in log if event["event"] == "step"]


@pytest.fixture(scope="module")
def naive_curves():
    """The first 50 losses of the presets by the plainest kernels, each computed once."""
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        for preset in ("lenet", "lenet-bn"):
            choice = ["--kernels", "conv_*=naive;gemm=naive;bn_*=naive", "--fuse", "off"]
            curves[preset] = losses(trained(folder, preset, *FIFTY_STEPS, *choice))
    return curves


@pytest.mark.parametrize("preset", ["lenet", "lenet-bn"])
@pytest.mark.parametrize("choice", ["default", "direct_*", "im2col*", "*_omp*", "naive_simd*"])
def test_kernel_choices_give_the_same_curve(folder, naive_curves, preset, choice):
    more = []
    if choice != "default":
        for operation in ("conv_fwd", "conv_bwd_data", "conv_bwd_weights"):
            if not variants(f"{operation}/{choice}"):
                pytest.skip(f"no variant {operation}/{choice} runs here")
        more = ["--kernels", f"conv_*={choice}", "--fuse", "off"]
    curve = losses(trained(folder, preset, *FIFTY_STEPS, *more))
    assert len(curve) == len(naive_curves[preset]) == 50
    for step, (one, other) in enumerate(zip(curve, naive_curves[preset])):
        assert math.isclose(one, other, rel_tol=1e-3), f"step {step + 1}: {one} and {other}"


@pytest.mark.parametrize("threads", [1, 2])
def test_same_seed_and_threads_same_bits(folder, threads):
    settings = [SMALL, "--data", "synthetic:300:50", "--steps", 40, "--threads", threads]
    saved = [Path(folder) / name for name in ("a", "b")]
    curves = [losses(trained(folder, *settings, "--save", path)) for path in saved]
    assert curves[0] == curves[1]
    assert saved[0].read_bytes() == saved[1].read_bytes()


def test_seed_and_shuffle_change_the_run(folder):
    settings = [SMALL, "--data", "synthetic:300:50", "--steps", 3]
    curves = [losses(trained(folder, *settings, *more)) for more in ([], ["--seed", 5], ["--shuffle", "off"])]
    assert curves[0] != curves[1] and curves[0] != curves[2]


def test_events(folder):
    events = trained(folder, "lenet-bn", "--data", "synthetic:105:20", "--epochs", 2, "--log", 5)
    kinds = [event["event"] for event in events]
    assert kinds == ["step", "step", "epoch", "step", "step", "epoch", "summary"]
    assert [event["step"] for event in events if event["event"] == "step"] == [5, 10, 15, 20]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [1, 2]
    assert [event["steps"] for event in epochs] == [11, 11]
    for event in epochs:
        assert event["train_loss"] > 0 and event["test_loss"] > 0
        assert 0 <= event["train_accuracy"] <= 1 and 0 <= event["test_accuracy"] <= 1
        assert math.isclose(event["images_per_second"], 105 / event["seconds"], rel_tol=1e-9)
    summary = events[-1]
    assert summary["preset"] == "lenet-bn" and summary["parameters"] == 62050
    assert summary["train_loss"] == epochs[-1]["train_loss"]
    assert summary["test_accuracy"] == epochs[-1]["test_accuracy"]
    assert summary["share_bn"] > 0 and summary["share_conv"] > 0
    assert math.isclose(summary["share_conv"] + summary["share_bn"] + summary["share_rest"], 1, rel_tol=1e-9)


def test_a_convolution_learns_what_a_linear_model_cannot(folder):
    settings = ["--data", "synthetic:3000:500", "--epochs", 2, "--lr", 1e-3]
    linear = trained(folder, "dense 10", *settings)[-1]
    network = "conv 8 5x5 stride 2; bn; relu; maxpool 2; dense 10"
    convolution = trained(folder, network, *settings)[-1]
    assert linear["test_accuracy"] < 0.25
    assert convolution["test_accuracy"] > 0.5


def test_weights_go_out_and_in(folder):
    path = Path(folder) / "w.safetensors"
    settings = [SMALL, "--data", "synthetic:300:50", "--shuffle", "off"]
    trained(folder, *settings, "--steps", 30, "--save", path)
    tensors, metadata = load(path)
    assert metadata["network"] == SMALL
    assert set(tensors) == {
        *(f"{layer}.{what}" for layer in (0, 1, 4, 8, 9, 11) for what in ("weight", "bias")),
        *(f"{layer}.{what}" for layer in (1, 9) for what in ("running_mean", "running_var")),
    }
    assert tensors["4.weight"].shape == (8, 6, 3, 3)
    assert tensors["8.weight"].shape == (32, 72)
    again = [losses(trained(folder, *settings, *more)) for more in (
        ["--steps", 1, "--init", path],
        ["--steps", 1, "--init", path],
        ["--steps", 1],
    )]
    assert again[0] == again[1] != again[2]

    del tensors["9.running_mean"]
    save(path, tensors)
    trained(folder, *settings, "--steps", 1, "--init", path)
    for name, change, message in (
        ("4.bias", None, "'4.bias' is missing"),
        ("4.weight", tensors["4.weight"].reshape(8, 6, 9), "'4.weight' is [8,6,9]"),
        ("7.weight", tensors["4.bias"], "'7.weight' is none of the network's"),
    ):
        changed = {**tensors, name: change}
        save(path, {key: value for key, value in changed.items() if value is not None})
        done = batchmark("train", *settings, "--steps", 1, "--init", path)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which network"),
        (["lenett"], "no preset 'lenett'"),
        (["lenet", "again"], "not also 'again'"),
        (["conv 6 5x5; rleu"], "column 13, 'rleu'"),
        (["conv 6 5x5"], "end with dense 10"),
        (["dense 20; bn; dense 10", "--batch", "1"], "one value per channel"),
        (["dense 20; bn; dense 10", "--data", "synthetic:11"], "one value per channel"),
        (["lenet", "--data", "/nonexistent"], "/nonexistent"),
        (["lenet", "--data", "synthetic:0"], "synthetic:TRAIN"),
        (["lenet", "--kernels", "conv_fwd=dierct"], "'dierct'"),
        (["lenet", "--kernels", "conv_fwd=naive;con_bwd=naive"], "'con_bwd'"),
        (["lenet", "--isa", "base", "--kernels", "conv_fwd=naive_avx2", "--data", "synthetic:50"], "naive_avx2"),
        (["lenet", "--lr", "-1e-3"], "--lr '-1e-3'"),
        (["lenet", "--lr", "1e-3x"], "--lr '1e-3x'"),
        (["lenet", "--optimizer", "adamw"], "give adam, sgd or rmsprop"),
        (["lenet", "--momentum", "0.9"], "only with --optimizer sgd"),
        (["lenet", "--optimizer", "sgd", "--momentum", "1"], "--momentum '1'"),
        (["lenet", "--optimizer", "sgd", "--nesterov"], "needs --momentum"),
        (["lenet", "--optimizer", "sgd", "--rho", "0.9"], "only with --optimizer rmsprop"),
        (["lenet", "--epochs", "0"], "--epochs '0'"),
        (["lenet", "--epochs", "1", "--steps", "1"], "not both"),
        (["lenet", "--shuffle", "maybe"], "give off or on"),
        (["lenet", "--fuse", "maybe"], "give auto, off, on or stats"),
        (["lenet", "--init", "/nonexistent", "--data", "synthetic:50"], "/nonexistent"),
        (["lenet", "--save", "/nonexistent/w", "--data", "synthetic:50"], "/nonexistent/w"),
        (["lenet", "--json", "/nonexistent/j", "--data", "synthetic:50"], "/nonexistent/j"),
        (["lenet", "--json", "/dev/full", "--data", "synthetic:50", "--steps", "1"], "/dev/full"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message):
    done = batchmark("train", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("batchmark: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_presets_and_description(folder):
    listed = batchmark("train", "--list").stdout
    for name in ("lenet:", "lenet-bn:", "lenet-bn-as-published:", "dense-tiny:", "cnn-tiny:"):
        assert name in listed
    described = batchmark("train", "lenet", "--describe", "--data", "synthetic:50").stdout
    assert "62006" in described and "conv 16 5x5" in described and "conv_bwd_weights/" in described
    assert "epoch" not in described


@pytest.mark.parametrize("preset, data, accuracy", [
    ("dense-tiny", "synthetic:20000:100", 0.8),
    ("cnn-tiny", "synthetic:1600:20", 0.7),
])
def test_the_small_examples_learn(folder, preset, data, accuracy):
    # Of training: Keras' running statistics, which the test set goes by, move by a hundredth a step.
    summary = trained(folder, preset, "--data", data, "--epochs", 2)[-1]
    assert summary["train_accuracy"] > accuracy
    assert summary["batch"] == 32


DATA = os.environ.get("BATCHMARK_DATA")


@pytest.mark.parametrize("settings", [["sgd", "--momentum", 0.9, "--nesterov", "--lr", 0.02], ["rmsprop", "--lr", 1e-3]])
def test_every_optimizer_learns(folder, settings):
    """Adam is what the other tests run."""
    events = trained(folder, SMALL, "--data", "synthetic:2000:10", "--epochs", 4, "--decay", 1e-4, "--optimizer", *settings)
    assert events[-1]["optimizer"] == settings[0]
    assert events[-1]["train_loss"] < 0.7 * math.log(10)


@pytest.mark.skipif(
    not DATA or not Path(DATA, "MNIST").is_dir(), reason="BATCHMARK_DATA does not name a folder with MNIST"
)
@pytest.mark.parametrize("preset, accuracy", [("mlp", 0.95), ("mlp-bn", 0.96)])
def test_real_digits_are_learned(folder, preset, accuracy):
    # PyTorch's first epoch ends at 0.957 and 0.970.
    events = trained(folder, preset, "--data", DATA, "--epochs", 1)
    assert events[-1]["data"] == "mnist" and events[-1]["test_accuracy"] > accuracy


@pytest.mark.skipif(not DATA, reason="BATCHMARK_DATA does not name a folder with CIFAR-10")
def test_real_images_are_learned(folder):
    # 20,000 images, as far as PyTorch's Adam at this rate gets to 2.1 and lower.
    events = trained(folder, "lenet", "--data", DATA, "--steps", 2000, "--log", 500)
    curve = losses(events)
    assert events[-1]["data"] == "cifar-10"
    assert curve[0] > curve[-1] and curve[-1] < 2.05


def test_signals_are_learned(folder):
    """Tones told apart by a small network of 1-D layers: ten classes, a tenth by chance; and the checkpoint goes on."""
    network = (
        "conv1d 16 9 stride 2; bn; relu; maxpool1d 2; conv1d 24 5; bn; relu; avgpool1d 2; conv1d 24 3; bn; relu; "
        "avgpool global; dense 10"
    )
    log, kept = Path(folder) / "log", Path(folder) / "kept"
    arguments = ["train", network, "--data", "signals:1000:200", "--epochs", "4", "--lr", "0.01", "--json", log]
    done = batchmark(*arguments, "--checkpoint", kept)
    assert done.returncode == 0, done.stderr
    assert read_log(log)[-1]["test_accuracy"] > 0.5
    shapes = {name: tensor.shape for name, tensor in load(kept / "last.safetensors")[0].items()}
    assert shapes["0.weight"] == (16, 8, 9) and shapes["optimizer.exp_avg.4.weight"] == (24, 16, 5)
    done = batchmark("train", "--resume", kept, "--epochs", 5)
    assert done.returncode == 0, done.stderr


def test_describe_says_what_layers_cost_and_which_biases_are_idle():
    network = "conv 4 3x3; bn; relu; conv 5 3x3; bn frozen; dense 6 nobias; bn; relu; dense 10"
    done = batchmark("train", network, "--data", "synthetic:100:20", "--batch", 50, "--describe")
    assert done.returncode == 0, done.stderr
    assert "note: the bn right after layers 0 takes" in done.stdout
    assert "peak memory: " in done.stdout
    first = next(line for line in done.stdout.splitlines() if line.startswith("0   conv 4 3x3"))
    # 112 weights four times over, and 50 images of 4x30x30: 0.722 MB, and the few bytes of alignment.
    assert 0.72 <= float(first.split()[-1]) <= 0.724, first
