"""What parity.py excuses, on networks so small that one call decides: a value at a kink, two level in a window of a maximum,
and weights of an optimizer that makes whole steps of rounding. And that it excuses nothing else.

Needs torch beside pytest: build/venv/bin/pip install pytest, then
build/venv/bin/python -m pytest tests/parity/test_close_calls.py.
"""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from paths import script_file

torch = pytest.importorskip("torch")
import close_calls
import parity

BATCH = 2
# Of a value: apart by rounding, and so the other way.
CLOSE = 1e-6


def run_of(network, x, optimizer="sgd"):
    """That network about to take its first step, on those images."""
    preset = {"network": network, "data_set": "cifar-10", "batch": BATCH, "pixels": "unit"}
    images = SimpleNamespace(tensor=lambda _: x, labels=torch.arange(BATCH))
    return parity.Run(preset, parity.OPTIMIZERS[optimizer], images)


def images_at_random():
    """A batch of images."""
    return torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def at_a_kink(side):
    """The run in which the largest value of one window lies so close to zero, on that side."""
    run = run_of("conv 2 5x5 stride 2; relu; maxpool 7; dense 10", images_at_random())
    conv = run.model[0].double()
    with torch.no_grad():
        largest = torch.nn.functional.max_pool2d(conv(run.x.double()), 7)[:, 0]
        conv.bias[0] += side * CLOSE * largest.std() - largest.min()
    run.model.float()
    return run


def level(side):
    """The run with two values in one window so nearly level, one of them ahead, from pixels that differ."""
    run = run_of("conv 2 1x1; relu; maxpool 8; dense 10", images_at_random())
    weights = run.model[0].weight.detach()[0].flatten()
    across = torch.linalg.cross(weights, torch.tensor([1.0, -2.0, 0.5]))
    run.x[0, :, 2, 2] = 5 * weights / weights.norm()
    run.x[0, :, 5, 6] = run.x[0, :, 2, 2] + across / across.norm() + side * CLOSE * weights / weights.norm()
    return run


def decided(run):
    """What batchmark train --decisions writes, of the next step: a ReLU before a maximum is told of by that."""
    x, decisions = run.x[:BATCH], {}
    layers = list(run.model.named_children())
    for (name, layer), (_, after) in zip(layers, [*layers[1:], (None, None)]):
        if isinstance(layer, torch.nn.MaxPool2d):
            y, at = torch.nn.functional.max_pool2d(x, layer.kernel_size, layer.stride, return_indices=True)
            size, width = layer.kernel_size, x.shape[3]
            place = at // width % size * size + at % width % size
            decisions[f"{name}.chosen"] = torch.where(y > 0, place, -1).float().numpy()
        elif isinstance(layer, torch.nn.ReLU) and not isinstance(after, torch.nn.MaxPool2d):
            decisions[f"{name}.keep"] = (x > 0).float().numpy()
        x = layer(x).detach()
    return decisions


def step_of(run):
    """What parity.our_step returns, of a step that PyTorch takes from there."""
    twin = run.twin()
    loss = twin.step()
    slopes = {name: weights.grad.numpy().copy() for name, weights in twin.model.named_parameters()}
    tensors = {name: tensor.numpy().copy() for name, tensor in twin.model.state_dict().items()}
    return loss, slopes, tensors, decided(run)


class Kept(parity.Report):
    """Remembers the checks."""

    def __init__(self):
        super().__init__()
        self.failures, self.checked = set(), set()

    def check(self, what, worst, limit, where=""):
        """Under the last word of what is checked."""
        failed = self.failed
        super().check(what, worst, limit, where)
        part = what.rsplit(": ", 1)[1]
        self.checked.add(part)
        if self.failed > failed:
            self.failures.add(part)


def failures(monkeypatch, run, ours):
    """What parity finds wrong with one step, where that is ours."""
    monkeypatch.setattr(parity, "our_step", lambda *_: ours)
    report = Kept()
    parity.single_step(report, "tiny", {}, run, None, None, None)
    assert {"loss", "gradients", "weights"} <= report.checked
    return report.failures


@pytest.mark.parametrize("plant", [at_a_kink, level])
def test_a_call_within_rounding_is_decided_as_ours_was(plant, monkeypatch):
    start, ours = plant(1), step_of(plant(-1))
    # Decided otherwise than PyTorch does from there, and by more than any limit allows.
    assert parity.compare(ours, start, {})["gradients"][0] > parity.LOOSEST
    decisions, margins = close_calls.follow(start, ours[3])
    assert len(margins) == 1 and 0 < margins[0] < close_calls.CLOSE
    found = parity.compare(ours, start, decisions)
    assert all(worst <= limit for worst, limit, _ in found.values()), found
    assert failures(monkeypatch, plant(1), ours) == set()


@pytest.mark.parametrize("plant", [at_a_kink, level])
def test_without_such_decisions_the_step_fails(plant, monkeypatch):
    monkeypatch.setattr(close_calls, "follow", lambda *_: ({}, []))
    assert "gradients" in failures(monkeypatch, plant(1), step_of(plant(-1)))


@pytest.mark.parametrize("plant", [at_a_kink, level])
def test_a_gradient_that_no_decision_gives_fails(plant, monkeypatch):
    """An error as small as a close call's effect is not taken for one."""
    start = plant(1)
    ours = step_of(plant(1))
    ours[1]["0.weight"][0] *= 1.05
    assert failures(monkeypatch, start, ours) == {"gradients"}


@pytest.mark.parametrize("plant", [at_a_kink, level])
def test_a_call_that_is_not_close_fails(plant, monkeypatch):
    """The other way by a hundred times as much as rounding may be is another step and not another rounding."""
    monkeypatch.setattr(sys.modules[__name__], "CLOSE", 1e-4)
    start, ours = plant(1), step_of(plant(-1))
    assert close_calls.follow(start, ours[3])[1][0] > close_calls.CLOSE
    assert "close calls" in failures(monkeypatch, start, ours)


def test_a_relu_told_of_apart_is_followed(monkeypatch):
    """A ReLU that no maximum decides for, with one value taken for another."""
    start = run_of("conv 2 5x5 stride 2; relu; conv 3 3x3; dense 10", images_at_random())
    ours = step_of(start)
    ours[3]["1.keep"][0, 1, 2, 3] = 1 - ours[3]["1.keep"][0, 1, 2, 3]
    decisions, margins = close_calls.follow(start, ours[3])
    assert len(margins) == 1 and decisions["1"].keep[0, 1, 2, 3] == bool(ours[3]["1.keep"][0, 1, 2, 3])
    assert "gradients" not in failures(monkeypatch, start, ours)  # they hold as they are


def test_where_nothing_passes_any_place_will_do(monkeypatch):
    """A maximum behind a ReLU done apart, which tells what it keeps: windows of zeros alone are decided by their order."""
    start = run_of("conv 2 5x5 stride 2; relu; maxpool 2; dense 10", images_at_random())
    with torch.no_grad():
        start.model[0].bias -= start.model[0](start.x[:BATCH]).mean((0, 2, 3))
    ours = step_of(start)
    nothing = ours[3]["2.chosen"] < 0
    assert 0 < nothing.mean() < 1
    ours[3]["2.chosen"] = np.where(nothing, 3, ours[3]["2.chosen"])
    x = start.model[0](start.x[:BATCH])
    ours[3]["1.keep"] = (x > 0).float().numpy()
    assert close_calls.follow(start, ours[3])[1] == []
    assert failures(monkeypatch, start, ours) == set()


def steps_of_rounding():
    """A run with Adam, half of whose pixels are so dark that their gradients are rounding, and our step with these turned
    about: Adam makes whole steps of them."""
    x = images_at_random()
    x[:, :, :16] *= 1e-6
    run = run_of("dense 10", x, "adam")
    ours = run.twin()
    slopes = step_of(run)[1]
    slopes["1.weight"].reshape(10, 3, 32, 32)[:, :, :16] *= -1
    loss = ours.step(slopes)
    return run, loss, slopes, {name: tensor.numpy().copy() for name, tensor in ours.model.state_dict().items()}, {}


def test_weights_that_miss_are_held_to_the_update_by_our_gradients(monkeypatch):
    run, *ours = steps_of_rounding()
    found = parity.compare(ours, run, {})
    assert not parity.missed(found, "gradients") and parity.missed(found, "weights")
    assert failures(monkeypatch, run, ours) == set()


def test_weights_that_no_update_gives_fail(monkeypatch):
    run, loss, slopes, tensors, none = steps_of_rounding()
    tensors["1.weight"][0, -1] += 0.05 * np.linalg.norm(tensors["1.weight"])
    assert failures(monkeypatch, run, (loss, slopes, tensors, none)) == {"weights"}


def test_weights_are_not_excused_where_gradients_miss(monkeypatch):
    run, loss, slopes, tensors, none = steps_of_rounding()
    slopes = {name: slope * np.float32(1.01) for name, slope in slopes.items()}
    assert failures(monkeypatch, run, (loss, slopes, tensors, none)) == {"gradients", "weights"}


@pytest.mark.parametrize(
    "script, words, said",
    [
        ("parity.py", ["--optimizers", "own,nadam"], "'nadam'"),
        ("parity.py", ["--threads", "0"], "above zero"),
        ("peers_train.py", ["--no-such"], "--help"),
    ],
)
def test_what_cannot_be_asked_is_one_line(script, words, said):
    command = [sys.executable, "-B", script_file(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr
