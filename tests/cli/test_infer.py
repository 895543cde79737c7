"""batchmark infer: the same answers with batch normalization folded away, wherever it stands; figures; bad input."""

from pathlib import Path

import pytest

from tensorfile import batchmark, read_log


def train(folder, network, *more):
    done = batchmark("train", network, "--data", "synthetic:400:150", "--epochs", 2, "--lr", 0.02, "--threads", 1,
                "--checkpoint", folder, *more)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def infer(folder, *more):
    log = Path(folder) / "infer.jsonl"
    done = batchmark("infer", folder, "--seconds", 0.01, "--json", log, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout, read_log(log)


@pytest.mark.parametrize(
    "network, folded, left",
    [
        # Behind a convolution and behind a dense layer.
        ("conv 6 5x5; bn; relu; maxpool 2; conv 7 3x3 nobias; bn; relu; dense 20; bn; relu; dense 10", 3, 0),
        # Before a convolution without padding, across a flatten before a dense layer, before a dense layer.
        ("conv 6 5x5 stride 2; relu; bn; conv 7 3x3 stride 2; relu; bn; dense 20; tanh; bn; dense 10 nobias", 3, 0),
        # On both sides of one layer.
        ("conv 6 5x5 stride 2; relu; bn; conv 7 3x3; bn; relu; dense 10", 2, 0),
        # Padding puts zeros in that a shift would have moved, and a pooling may choose another value.
        ("conv 6 5x5 stride 2; relu; bn; conv 7 3x3 same; relu; bn; maxpool 2; dense 10", 0, 2),
        ("conv 6 5x5 stride 2; relu; dense 10", 0, 0),
        # Other conventions; without running statistics there is nothing to fold.
        ("conv 6 5x5; bn keras3; relu; conv 7 3x3; bn running off; relu; dense 20; bn affine off; relu; dense 10", 2, 1),
        ("conv 6 5x5 stride 2; relu; bn affine off momentum cumulative; conv 7 3x3 stride 2; bn frozen; dense 10", 2, 0),
    ],
)
def test_folding_changes_no_answer(folder, network, folded, left):
    train(folder, network)
    out, events = infer(folder, "--batch", 1)
    assert f"{folded} bn folded, {left} stay" in out
    tests = [event for event in events if event["event"] == "test"]
    assert [event["folded"] for event in tests] == [False, True][: 1 + (folded > 0)]
    assert {event["test_accuracy"] for event in tests} == {tests[0]["test_accuracy"]}
    assert abs(tests[0]["test_loss"] - tests[-1]["test_loss"]) < 1e-5 * tests[0]["test_loss"]


def test_it_agrees_with_training_and_reports_each_batch(folder):
    out = train(folder, "lenet-bn")
    trained = max(float(line.split()[-5].rstrip(",")) for line in out.splitlines() if line.startswith("epoch "))
    out, events = infer(folder, "--batch", "1,7,300", "--threads", 2)
    assert events[0]["test_accuracy"] == pytest.approx(trained, abs=1e-4)
    rows = [(event["batch"], event["folded"]) for event in events if event["event"] == "batch"]
    assert rows == [(1, False), (1, True), (7, False), (7, True), (300, False), (300, True)]
    for event in events:
        if event["event"] == "batch":
            assert 0 < event["seconds"] <= event["seconds_95"]
            assert event["images_per_second"] == pytest.approx(event["batch"] / event["seconds"])


def test_bad_input_is_one_line_and_status_2(folder):
    train(folder, "dense 10")
    for arguments, message in (
        ([], "one checkpoint"),
        ([folder, folder], "one checkpoint"),
        ([Path(folder) / "none"], "cannot open"),
        ([folder, "--batch", "1,,2"], "--batch ''"),
        ([folder, "--batch", ",".join("1" * 17)], "up to 16"),
        ([folder, "--seconds", "0"], "--seconds '0'"),
        ([folder, "--kernels", "auto"], "plan for training"),
        ([folder, "--kernels", "dierct"], "'dierct'"),
        ([folder, "--data", "/nonexistent"], "/nonexistent"),
        ([folder, "--json", "/nonexistent/j"], "/nonexistent/j"),
    ):
        done = batchmark("infer", *arguments)
        assert done.returncode == 2 and message in done.stderr, (arguments, done.stderr)
        assert done.stderr.startswith("batchmark: ") and done.stderr.count("\n") == 1
