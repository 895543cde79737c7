"""batchmark plan: the file it leaves, its use in training, and what makes it invalid."""

import json
import math

import pytest

from tensorfile import batchmark

NETWORK = "conv 8 3x3 same; bn; relu; maxpool 2; conv 16 3x3; relu; dense 10"


def call(folder, *arguments):
    return batchmark(*arguments, cwd=folder)


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
    gathered = first["calls"]["fwd"]["op"] == "conv_stats"
    fused = "bn_pool" if bn.get("pools") else "bn_relu"
    assert bn["calls"]["fwd"]["op"] == f"{fused}_fwd_{'infer' if gathered else 'train'}"
    if bn.get("pools"):
        assert [layer["layout"] for layer in plan["layers"][1:4]] == ["nchw"] * 3
    assert plan["layers"][4]["calls"]["fwd"]["op"] == "conv_fwd", "no bn comes after it"
    assert 0 < plan["seconds"] <= plan["seconds_nchw"]
    names = {row["name"] for row in plan["rows"]}
    assert {"conv_fwd", "conv_stats", "bn_relu_fwd_train", "bn_relu_fwd_infer", "bn_pool_fwd_train", "bn_pool_bwd"} <= {
        name.split("/")[0] for name in names}, "fused and apart are both timed"
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


def fused(plan, gathers, pools):
    """The plan with its first conv, bn, relu and maxpool so, in nchw, whatever was measured."""
    plan = json.loads(json.dumps(plan))
    conv, bn, *_ = layers = plan["layers"]
    for layer in layers[:5]:
        layer["layout"] = "nchw"
        for turn in ("reorder_fwd", "reorder_bwd"):
            layer["calls"].pop(turn, None)
    runs = {v["variant"] for v in json.loads(call(".", "list", "conv_stats", "--json").stdout) if v["available"]}
    level = next(level for level in ("avx512", "avx2", "neon", "sse2") if f"direct_{level}_omp" in runs)
    conv["calls"]["fwd"] = {"op": "conv_stats" if gathers else "conv_fwd", "variant": f"direct_{level}_omp"}
    kind = "infer" if gathers else "train"
    bn["calls"] = {} if pools else {"fwd": {"op": f"bn_relu_fwd_{kind}", "variant": f"fused_{level}_omp"},
                                    "bwd_data": {"op": "bn_relu_bwd", "variant": f"fused_{level}_omp"}}
    bn.pop("pools", None)
    if pools:
        bn["pools"] = True
    return plan


@pytest.mark.parametrize("by_hand, gathers, pools", [("on", False, True), ("stats", True, True), ("off", False, False)])
def test_fused_by_plan_has_the_bits_of_fused_by_hand(planned, tmp_path, by_hand, gathers, pools):
    """A plan that fuses and a run that leaves it to that, against a plan that says the opposite and an option."""
    folder, path = planned
    good = path.read_text()
    said = []
    try:
        for name, plan, options in [("plan", fused(json.loads(good), gathers, pools), []),
                                    ("hand", fused(json.loads(good), not gathers, not pools), ["--fuse", by_hand])]:
            path.write_text(json.dumps(plan))
            done = train(folder, "--threads", 1, "--kernels", "auto", "--save", tmp_path / name, *options)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
    finally:
        path.write_text(good)
    for text in said:
        assert ("conv_stats/direct" in text) == gathers
        assert ("bn, relu and maxpool as one" in text) == pools
    if by_hand != "off":  # it takes the relu apart too
        assert (tmp_path / "plan").read_bytes() == (tmp_path / "hand").read_bytes()


@pytest.mark.parametrize("layer, change", [(4, {"pools": True}), (1, {"pools": True}), (1, {"layout": "nhwc"})])
def test_a_plan_that_pools_what_cannot_be_is_refused(planned, layer, change):
    """A conv; a bn whose relu is in another layout; one that is itself."""
    folder, path = planned
    good = path.read_text()
    plan = fused(json.loads(good), True, "layout" in change)
    plan["layers"][2]["layout"] = "nhwc" if layer == 1 and "pools" in change else "nchw"
    plan["layers"][layer] |= change
    path.write_text(json.dumps(plan))
    try:
        done = train(folder, "--threads", 1, "--kernels", "auto")
    finally:
        path.write_text(good)
    assert done.returncode == 2 and "do not fit" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("field, value, said", [
    ("build", "0" * 16, "another build"), ("machine", "other", "another machine"), ("batch", 11, "another batch"),
    ("schema", 1, "another version of the planner"), ("schema", 99, "another version of the planner"),
    ("layers", [], "do not fit"), (None, "{", "not a plan")])
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
