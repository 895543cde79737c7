"""batchmark plan: the file it leaves, its use in training, and what makes it invalid."""

import json
import math
import subprocess
from pathlib import Path

import pytest

from tensorfile import BATCHMARK

NETWORK = "conv 8 3x3 same; bn; relu; maxpool 2; conv 16 3x3; relu; dense 10"


def call(folder, *arguments):
    return subprocess.run([Path(BATCHMARK).resolve(), *map(str, arguments)], cwd=folder, capture_output=True,
                          text=True, timeout=600)


def train(folder, *arguments):
    return call(folder, "train", NETWORK, "--data", "synthetic:60:10", "--steps", 6, *arguments)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    done = call(folder, "plan", NETWORK, "--limit", 20, "--threads", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("results/*/plans/*.json")
    return folder, path


def test_every_layer_has_a_layout_and_its_calls(planned):
    plan = json.loads(planned[1].read_text())
    assert [layer["layer"].split()[0] for layer in plan["layers"]] == [
        "conv", "bn", "relu", "maxpool", "conv", "relu", "flatten", "dense"]
    first, bn, *_ = plan["layers"]
    assert {"fwd", "bwd_weights"} <= set(first["calls"]) and "bwd_data" not in first["calls"]
    assert bn["calls"]["fwd"]["op"] == "bn_relu_fwd_train"
    assert 0 < plan["seconds"] <= plan["seconds_nchw"]
    names = {row["name"] for row in plan["rows"]}
    for layer in plan["layers"]:
        for called in layer["calls"].values():
            assert any(name.startswith(f"{called['op']}/{called['variant']}/") for name in names)


def test_training_uses_it_and_learns_the_same(planned):
    folder, _ = planned
    curves = []
    for kernels in ([], ["--kernels", "auto"]):
        done = train(folder, "--threads", 1, "--json", "log.jsonl", *kernels)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        curves.append([event["loss"] for event in events if event["event"] == "step"])
    assert len(curves[0]) == len(curves[1]) == 6
    assert all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(*curves))


def test_statistics_are_not_of_a_plan_that_goes_on(planned):
    folder, _ = planned
    assert train(folder, "--threads", 1, "--kernels", "auto", "--checkpoint", "kept").returncode == 0
    for options in ([], ["--fuse", "off"]):
        done = call(folder, "train", "--resume", "kept", "--steps", 8, "--stats", 1, *options)
        assert done.returncode == 2 and "--stats" in done.stderr and done.stderr.count("\n") == 1
    assert call(folder, "train", "--resume", "kept", "--steps", 8).returncode == 0


@pytest.mark.parametrize("field, value, said", [
    ("build", "0" * 16, "another build"), ("machine", "other", "another machine"), ("batch", 11, "another batch"),
    ("schema", 99, "another schema"), ("layers", [], "do not fit"), (None, "{", "not a plan")])
def test_a_plan_for_something_else_is_refused(planned, field, value, said):
    folder, path = planned
    good = path.read_text()
    path.write_text(json.dumps(json.loads(good) | {field: value}) if field else value)
    try:
        done = train(folder, "--threads", 1, "--kernels", "auto")
    finally:
        path.write_text(good)
    assert done.returncode == 2 and said in done.stderr and "batchmark plan" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_plan_is_for_images_of_a_size(planned, tmp_path):
    """The text alone does not say what it is given."""
    folder, path = planned
    assert json.loads(path.read_text())["image"] == "3x32x32"
    done = call(folder, "train", NETWORK, "--data", "signals:60:10", "--threads", 1, "--kernels", "auto")
    assert done.returncode == 2
    text = "conv1d 4 3; relu; dense 10"
    done = call(tmp_path, "plan", text, "--image", "8x1x128", "--limit", 10, "--threads", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    done = call(tmp_path, "train", text, "--data", "signals:60:10", "--steps", 2, "--threads", 1, "--kernels", "auto")
    assert done.returncode == 0, done.stderr


def test_no_plan_is_an_error(tmp_path):
    done = train(tmp_path, "--kernels", "auto")
    assert done.returncode == 2 and "make one with batchmark plan" in done.stderr


@pytest.mark.parametrize("arguments, said", [
    ([], "give one network"), (["nonet"], "nonet"), (["lenet", "--limit", "0"], "--limit"),
    (["lenet", "--threads", "1000"], "usable cores"), (["dense 10", "--image", "3x32"], "--image '3x32'"),
    (["lenet", "--image", "3x32x32"], "images of its own")])
def test_bad_input(tmp_path, arguments, said):
    done = call(tmp_path, "plan", *arguments)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
