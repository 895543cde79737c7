"""--no-times: training and inference that say nothing of time, as for emulated CPUs."""

import re
from pathlib import Path

import pytest

import check_results
from tensorfile import batchmark, read_log

TIMES = re.compile(r"second|images/s|latency|\d s\b|\d us\b|%|share_|speed|left\b")


def train(log, *more):
    done = batchmark("train", "lenet-bn", "--data", "synthetic:60:20", "--threads", 1, "--json", log, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout, read_log(log)


def keys(events):
    return {key for event in events for key in event}


def test_the_same_training_without_a_word_of_time(folder):
    more = ("--steps", 8, "--test-every", 4, "--target-accuracy", 0)
    out, events = train(f"{folder}/without.jsonl", "--no-times", *more)
    _, timed = train(f"{folder}/with.jsonl", *more)
    assert not TIMES.search(out), TIMES.search(out)
    gone = keys(timed) - keys(events)
    assert {"seconds", "images_per_second", "target_seconds", "share_conv"} <= gone
    assert not [key for key in keys(events) if TIMES.search(key)]
    assert keys(events) - keys(timed) == {"times"}
    for mine, other in zip(events, timed, strict=True):
        assert {key: other[key] for key in mine if key != "times"} == {k: v for k, v in mine.items() if k != "times"}


def test_a_run_goes_on_without_times(folder):
    train(f"{folder}/one.jsonl", "--no-times", "--steps", 3, "--checkpoint", f"{folder}/run")
    done = batchmark("train", "--resume", f"{folder}/run", "--steps", 6)
    assert done.returncode == 0, done.stderr
    assert not TIMES.search(done.stdout), TIMES.search(done.stdout)


def test_such_a_log_is_no_result(folder):
    log = Path(folder) / "train-lenet-bn.jsonl"
    train(log, "--no-times", "--steps", 2)
    assert any("times" in line for line in check_results.check_training(log))
    train(log, "--steps", 2)
    assert not check_results.check_training(log)


@pytest.mark.parametrize("more, timed", [((), True), (("--no-times",), False)])
def test_inference(folder, more, timed):
    train(f"{folder}/log.jsonl", "--no-times", "--steps", 2, "--checkpoint", f"{folder}/run")
    done = batchmark("infer", f"{folder}/run", "--seconds", 0.01, "--batch", 1, "--json", f"{folder}/infer.jsonl", *more)
    assert done.returncode == 0, done.stderr
    events = {event["event"] for event in read_log(f"{folder}/infer.jsonl")}
    assert events == ({"test", "batch"} if timed else {"test"})
    assert ("latency" in done.stdout) == timed
