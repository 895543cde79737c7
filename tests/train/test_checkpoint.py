"""Checkpoints: runs that stop, are interrupted or killed, and resume bit-identically; what is in the files; bad files."""

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tensorfile import BATCHMARK, batchmark, load, read_log, save

NETWORK = "conv 6 3x3 stride 2; bn; relu; maxpool 2; dropout 0.2; dense 32; bn; relu; dense 10"
# Short batches at the end of an epoch, random changes of images and dropped values: all must be found again.
SETTINGS = ["--data", "synthetic:305:50", "--augment", "flip, zoom 0.1", "--log", 7, "--threads", 2]
OPTIMIZERS = {
    "adam": ({"exp_avg", "exp_avg_sq"}, []),
    "sgd": ({"momentum_buffer"}, ["--momentum", 0.9, "--nesterov", "--lr", 0.02]),
    "rmsprop": ({"square_avg"}, []),
}


def good(*arguments):
    done = batchmark("train", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curve(path):
    """The steps and epochs of a log without their times."""
    timing = ("seconds", "images_per_second")
    return [
        {key: value for key, value in event.items() if key not in timing}
        for event in read_log(path)
        if event["event"] != "summary"
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_goes_on_has_the_bits_of_one_that_did_not_stop(folder, optimizer):
    memories, options = OPTIMIZERS[optimizer]
    at = Path(folder)
    settings = [NETWORK, *SETTINGS, "--optimizer", optimizer, *options]
    good(*settings, "--steps", 75, "--json", at / "whole.jsonl", "--save", at / "whole")
    # Two stops, neither between two epochs nor between two lines of the log.
    good(*settings, "--steps", 20, "--json", at / "parts.jsonl", "--checkpoint", at / "kept")
    good("--resume", at / "kept", "--steps", 53, "--json", at / "parts.jsonl")
    good("--resume", at / "kept", "--steps", 75, "--json", at / "parts.jsonl", "--save", at / "parts")
    assert (at / "whole").read_bytes() == (at / "parts").read_bytes()
    whole, parts = curve(at / "whole.jsonl"), curve(at / "parts.jsonl")
    steps = [[event for event in events if event["event"] == "step"] for events in (whole, parts)]
    assert len(steps[0]) == 10 and steps[0] == steps[1]
    # Each part ends with a test; the last one closes the same epoch.
    assert whole[-1] == parts[-1] and whole[-1]["event"] == "epoch"
    summary = json.loads((at / "whole.jsonl").read_text().splitlines()[-1])
    assert summary["share_augment"] > 0 == summary["share_input"]  # gathered and changed in one pass
    tensors, metadata = load(at / "kept" / "last.safetensors")
    assert metadata["network"] == NETWORK
    found = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    assert found == memories
    assert {f"optimizer.{memory}.6.weight" for memory in memories} <= set(tensors)


def interrupt(arguments, kind, ready):
    """Starts a run, sends it the signal once ready() holds, and returns it finished."""
    process = subprocess.Popen(
        [BATCHMARK, "train", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while not ready() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(kind)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_bn_of_every_convention_goes_on_bit_by_bit(folder):
    network = (
        "conv 4 3x3 stride 2; bn momentum cumulative; relu; conv 5 3x3; bn keras3 affine off; tanh; conv 6 3x3; bn frozen; "
        "relu; maxpool 2; dense 10; bn running off"
    )
    at = Path(folder)
    settings = [network, "--data", "synthetic:100:20", "--batch", 10]
    good(*settings, "--steps", 12, "--save", at / "whole")
    good(*settings, "--steps", 7, "--checkpoint", at / "kept")
    good("--resume", at / "kept", "--steps", 12, "--save", at / "parts")
    assert (at / "whole").read_bytes() == (at / "parts").read_bytes()
    tensors, _ = load(at / "whole")
    names = {name for name in tensors if name.split(".")[0] in ("1", "4", "7", "12")}
    both, running = ("weight", "bias"), ("running_mean", "running_var")
    assert names == {
        f"{layer}.{part}"
        for layer, parts in ((1, both + running), (4, running), (7, both + running), (12, both))
        for part in parts
    }
    assert not tensors["7.running_mean"].any() and tensors["1.running_mean"].any()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_checkpoint_and_says_how_to_go_on(folder, kind):
    at = Path(folder)
    settings = [NETWORK, *SETTINGS]
    kept = at / "kept" / "last.safetensors"
    status, out, err = interrupt([*settings, "--epochs", 100000, "--checkpoint", at / "kept"], kind, kept.exists)
    assert status == 128 + kind and not err
    assert out.splitlines()[-1].endswith(f"--resume {at / 'kept'}")
    done = json.loads(load(kept)[1]["run"])["place"]["done"]
    good("--resume", at / "kept", "--steps", done + 40, "--save", at / "parts")
    good(*settings, "--steps", done + 40, "--save", at / "whole")
    assert (at / "whole").read_bytes() == (at / "parts").read_bytes()


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(folder):
    at = Path(folder)
    settings = [NETWORK, *SETTINGS]
    for wait in (0, 0.05, 0.11, 0.17):
        kept = at / f"kept{wait}" / "last.safetensors"

        def ready():
            if not kept.exists():
                return False
            time.sleep(wait)
            return True

        status, _, _ = interrupt(
            [*settings, "--epochs", 100000, "--checkpoint", kept.parent], signal.SIGKILL, ready
        )
        assert status == -signal.SIGKILL
        done = json.loads(load(kept)[1]["run"])["place"]["done"]
        assert done and done % 31 == 0  # the end of an epoch
        if wait == 0:
            good("--resume", kept.parent, "--steps", done + 5, "--save", at / "parts")
            good(*settings, "--steps", done + 5, "--save", at / "whole")
            assert (at / "whole").read_bytes() == (at / "parts").read_bytes()


def test_the_best_epoch_is_kept(folder):
    at = Path(folder)
    # A rate at which the second half of the run is no better than the first.
    good(NETWORK, *SETTINGS, "--epochs", 8, "--lr", 0.03, "--checkpoint", at / "kept", "--json", at / "log")
    tested = [event["test_accuracy"] for event in curve(at / "log") if event["event"] == "epoch"]
    place = json.loads(load(at / "kept" / "best.safetensors")[1]["run"])["place"]
    assert place["best"] == max(tested) and place["epoch"] == tested.index(max(tested)) + 1


def test_the_command_line_goes_before_the_checkpoint(folder):
    at = Path(folder)
    good("lenet", "--data", "synthetic:50:10", "--epochs", 1, "--checkpoint", at / "kept")
    out = good("--resume", at / "kept", "--epochs", 2, "--lr", 0.5, "--threads", 1, "--checkpoint", at / "other")
    assert "adam 0.5" in out and "1 threads" in out
    assert (at / "other" / "last.safetensors").exists()
    assert json.loads(load(at / "other" / "last.safetensors")[1]["run"])["place"]["done"] == 10
    assert json.loads(load(at / "kept" / "last.safetensors")[1]["run"])["place"]["done"] == 5


def test_a_target_ends_the_run(folder):
    log = Path(folder) / "log"
    out = good(NETWORK, "--data", "synthetic:1000:100", "--epochs", 50, "--target-accuracy", 0.2, "--json", log)
    summary = json.loads(log.read_text().splitlines()[-1])
    epochs = [event["test_accuracy"] for event in curve(log) if event["event"] == "epoch"]
    assert epochs[-1] >= 0.2 > max(epochs[:-1], default=0)
    assert summary["target_epoch"] == len(epochs) and 0 < summary["target_seconds"] <= summary["seconds"]
    assert "reached after epoch" in out
    out = good(NETWORK, "--data", "synthetic:50:10", "--epochs", 1, "--target-accuracy", 0.99, "--json", log)
    assert "not reached" in out and json.loads(log.read_text().splitlines()[-1])["target_epoch"] is None


def test_gradients_are_those_of_the_last_step(folder):
    """Plain descent shows them: w - lr g."""
    at = Path(folder)
    settings = [NETWORK, "--data", "synthetic:50:10", "--optimizer", "sgd", "--lr", 0.5]
    good(*settings, "--steps", 2, "--save", at / "two")
    good(*settings, "--steps", 3, "--save", at / "three", "--gradients", at / "slopes")
    two, three, slopes = (load(at / name)[0] for name in ("two", "three", "slopes"))
    assert set(slopes) == {name for name in two if "running" not in name}
    for name, slope in slopes.items():
        np.testing.assert_allclose(two[name] - np.float32(0.5) * slope, three[name], rtol=1e-6, atol=1e-7)


def windows(x):
    """The values of each window of 2x2, row by row: (n, c, h, w, 4)."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)


def test_decisions_are_those_of_the_last_step(folder):
    """Fused or not: a maximum passes where its ReLU keeps it, and is none where the ReLU keeps nothing of its window."""
    at = Path(folder)
    network = "conv 4 3x3 same; bn; relu; maxpool 2; conv 6 3x3 same; relu; maxpool 2; dense 12; relu; dense 10"
    settings = [network, "--data", "synthetic:50:10", "--batch", 10, "--steps", 3]
    good(*settings, "--fuse", "off", "--decisions", at / "apart")
    good(*settings, "--decisions", at / "fused")
    apart, fused = load(at / "apart")[0], load(at / "fused")[0]
    assert {name: x.shape for name, x in apart.items()} == {
        "2.keep": (10, 4, 32, 32), "3.chosen": (10, 4, 16, 16), "5.keep": (10, 6, 16, 16), "6.chosen": (10, 6, 8, 8),
        "9.keep": (10, 12, 1, 1)}  # fmt: skip
    assert set(apart) - set(fused) <= {"2.keep"}
    for relu, pool in (("2.keep", "3.chosen"), ("5.keep", "6.chosen")):
        kept, places = windows(apart[relu]), apart[pool].astype(int)
        assert 0.1 < kept.mean() < 0.9 and set(np.unique(places)) == {0, 1, 2, 3}
        passes = kept.max(-1) > 0
        np.testing.assert_array_equal(np.take_along_axis(kept, places[..., None], -1)[..., 0], passes)
        np.testing.assert_array_equal(fused[pool], np.where(passes, places, -1))
    np.testing.assert_array_equal(fused["9.keep"], apart["9.keep"])
    bad("cannot", *settings, "--decisions", at / "none" / "file")


@pytest.fixture
def checkpoint(folder):
    good(NETWORK, "--data", "synthetic:50:10", "--epochs", 1, "--checkpoint", folder)
    return Path(folder) / "last.safetensors"


def bad(message, *arguments):
    done = batchmark("train", *arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr.startswith("batchmark: ") and done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr


def test_another_batch_only_where_whole_batches_were_seen(folder):
    good(NETWORK, "--data", "synthetic:100:10", "--steps", 3, "--checkpoint", folder)
    bad("no whole batches of 7", "--resume", folder, "--steps", 9, "--batch", 7)
    good("--resume", folder, "--steps", 9, "--batch", 15)


def test_bad_checkpoints_are_one_line(checkpoint):
    folder = checkpoint.parent
    bad("the run is done", "--resume", folder)
    bad("not both", "--resume", folder, "--init", checkpoint)
    bad("not both", "lenet", "--resume", folder)
    bad("cannot open", "--resume", folder / "none")
    raw = checkpoint.read_bytes()
    checkpoint.write_bytes(raw[: len(raw) // 2])
    bad("last.safetensors", "--resume", folder, "--epochs", 2)
    checkpoint.write_bytes(raw)
    tensors, metadata = load(checkpoint)
    run = json.loads(metadata["run"])

    def changed(*path, value):
        copy = json.loads(metadata["run"])
        at = copy
        for name in path[:-1]:
            at = at[name]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        save(checkpoint, tensors, {**metadata, "run": json.dumps(copy)})

    for path, value, message in (
        (["schema"], 99, "'schema'"),
        (["settings", "batch"], None, "'batch'"),
        (["settings", "augment"], "flop", "'augment'"),
        (["optimizer", "name"], "adamw", "'name'"),
        (["optimizer", "lr"], "fast", "'lr'"),
        (["place", "next"], 51, "'next'"),
        (["place", "in_epoch"], [], "'correct'"),
        (["data_set"], "imagenet", "'data_set'"),
        (["network"], "conv 6 5x5; rleu", "'rleu'"),
        (["network"], "dense 10", "'1.weight' is [6]"),
        (["settings", "isa"], "mmx", "'isa'"),
        (["settings", "kernels"], "dierct", "'dierct'"),
    ):
        changed(*path, value=value)
        bad(message, "--resume", folder, "--epochs", 2)
    save(checkpoint, tensors, {**metadata, "run": "[1"})
    bad("weights and not a run", "--resume", folder, "--epochs", 2)
    tensors["6.bias"] = tensors["6.bias"].copy()
    tensors["6.bias"][3] = np.nan
    save(checkpoint, tensors, metadata)
    bad("'6.bias' is nan at element 3", "--resume", folder, "--epochs", 2)
    bad("'6.bias' is nan at element 3", NETWORK, "--data", "synthetic:50:10", "--init", checkpoint)
    tensors["6.bias"][3] = 0
    del tensors["optimizer.exp_avg.6.bias"]
    save(checkpoint, tensors, {**metadata, "run": json.dumps(run)})
    bad("'optimizer.exp_avg.6.bias' is missing", "--resume", folder, "--epochs", 2)


def test_a_checkpoint_is_a_file_of_weights_too(checkpoint):
    good(NETWORK, "--data", "synthetic:50:10", "--steps", 1, "--init", checkpoint)


@pytest.mark.parametrize(
    "network, options, expected",
    [
        ("dense 20; relu; dense 10", ["--bn", "on"], "dense 20; bn; relu; dense 10"),
        ("dense 20; relu; dense 10", ["--bn", "pre", "--bias", "drop"], "dense 20 nobias; bn; relu; dense 10"),
        ("dense 20; relu; dense 10", ["--bn", "post"], "dense 20; relu; bn; dense 10"),
        ("dense 20; relu; bn eps 0.001; dense 10", ["--bn", "pre"], "dense 20; bn eps 0.001 momentum 0.1; relu; dense 10"),
        ("dense 20; bn; relu; dense 10", ["--bn", "post"], "dense 20; relu; bn; dense 10"),
        ("dense 20; bn; relu; dense 10", ["--bn", "pre"], "dense 20; bn; relu; dense 10"),
        ("dense 20; bn; dense 9; bn; relu; dense 10", ["--bn", "post"], "dense 20; bn; dense 9; relu; bn; dense 10"),
        ("dense 20; bn; relu; dense 10", ["--bn", "off"], "dense 20; relu; dense 10"),
        ("dense 20; bn; relu; dense 10", ["--bias", "drop"], "dense 20 nobias; bn; relu; dense 10"),
        ("dense 20; relu; dense 10", ["--bias", "drop"], "dense 20; relu; dense 10"),
    ],
)
def test_bn_goes_where_it_is_asked_for(folder, network, options, expected):
    path = Path(folder) / "w"
    good(network, *options, "--data", "synthetic:20:10", "--steps", 1, "--save", path)
    assert load(path)[1]["network"] == "flatten; " + expected


def test_bn_on_both_sides_is_not_guessed_about():
    for place in ("pre", "post"):
        bad("column 15: this relu has a bn on either side", "dense 20; bn; relu; bn; dense 10", "--bn", place)


def test_schedule_and_loss_go_on_bit_by_bit(folder):
    at = Path(folder)
    settings = [NETWORK, "--data", "synthetic:100:20", "--batch", 10, "--lr", 0.01, "--loss", "smoothing 0.1", "--log", 1]
    good(*settings, "--schedule", "warmup 4, cosine", "--steps", 16, "--json", at / "whole.jsonl", "--save", at / "whole")
    good(*settings, "--schedule", "warmup 4, cosine 16", "--steps", 9, "--checkpoint", at / "kept")
    good("--resume", at / "kept", "--steps", 16, "--save", at / "parts")
    assert (at / "whole").read_bytes() == (at / "parts").read_bytes()
    rates = [event["lr"] for event in curve(at / "whole.jsonl") if event["event"] == "step"]
    expected = [0.01 * (t + 1) / 4 for t in range(4)]
    expected += [0.005 * (1 + math.cos(math.pi * t / 12)) for t in range(12)]
    assert rates == pytest.approx(expected)
    # Plain descent shows the rate that was used.
    settings = [NETWORK, "--data", "synthetic:50:10", "--optimizer", "sgd", "--lr", 0.5, "--schedule", "step 2 0.1"]
    good(*settings, "--loss", "mse", "--steps", 2, "--save", at / "two")
    good(*settings, "--loss", "mse", "--steps", 3, "--save", at / "three", "--gradients", at / "slopes")
    two, three, slopes = (load(at / name)[0] for name in ("two", "three", "slopes"))
    for name, slope in slopes.items():
        np.testing.assert_allclose(two[name] - np.float32(0.05) * slope, three[name], rtol=1e-6, atol=1e-7)


def test_a_log_tells_no_step_twice(folder):
    at = Path(folder)
    settings = [NETWORK, "--data", "synthetic:100:20", "--batch", 10, "--log", 3]
    good(*settings, "--steps", 20, "--json", at / "whole.jsonl")
    good(*settings, "--steps", 10, "--checkpoint", at / "kept")
    # What a run that was killed had told: 5 steps after its last checkpoint, and half a line.
    good(*settings, "--steps", 15, "--json", at / "parts.jsonl")
    lines = (at / "parts.jsonl").read_text().splitlines(keepends=True)
    (at / "parts.jsonl").write_text("".join(line for line in lines if '"summary"' not in line) + lines[0][:9])
    good("--resume", at / "kept", "--steps", 20, "--json", at / "parts.jsonl")
    assert [event for event in curve(at / "parts.jsonl")] == curve(at / "whole.jsonl")
    assert (at / "parts.jsonl").read_text().count('"summary"') == 1


def test_a_log_tells_one_end(folder):
    at = Path(folder)
    settings = [NETWORK, "--data", "synthetic:100:20", "--batch", 10, "--test-shifts", "brightness:0.1"]
    good(*settings, "--steps", 10, "--json", at / "log", "--checkpoint", at / "kept")
    good("--resume", at / "kept", "--steps", 20, "--json", at / "log")
    events = read_log(at / "log")
    assert [event["event"] for event in events[-2:]] == ["shifted", "summary"]
    assert sum(event["event"] in ("shifted", "summary") for event in events) == 2
    assert events[-1]["steps"] == 20 and [e["step"] for e in events if e["event"] == "step"] == list(range(1, 21))


def test_a_name_that_is_no_text_is_refused_at_once(folder):
    name = os.fsencode(folder) + b"/\xff"
    os.mkdir(name)
    done = subprocess.run([BATCHMARK, "train", NETWORK, "--data", name], capture_output=True, timeout=60)
    assert done.returncode == 2 and b"UTF-8" in done.stderr and done.stderr.count(b"\n") == 1
