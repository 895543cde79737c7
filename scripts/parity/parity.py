"""Compares batchmark train with PyTorch.

For every preset but the two tiny ones, whose data are made up or cropped, without dropout and augmentation, on the same
images in the same order:

 * single steps from PyTorch's own state at several points of its training: the loss within 1e-5 of its value, each
   gradient and each updated tensor of weights within 1e-4 of its norm, running statistics within 1e-5 of theirs;
 * a hundred free steps: the losses stay within three times the distance between PyTorch in float32 and in float64;
 * a step from its state_dict in a file that PyTorch wrote (safetensors.torch), of each type of floats: loss and running
   statistics.

The gradient of a bias directly before a BN is left out: it is zero except for rounding.

A limit cannot ask for more than rounding allows. Rounding decides where the gradient goes at a value near a ReLU's
threshold, or at two almost equal values in the window of a maximum. And Adam makes whole steps of gradients that are only
rounding errors. So PyTorch's step is also taken in float64, and in float32 from weights moved by a unit in the last place.
If those results differ by more than a third of a limit, the limit becomes three times their difference, up to 1e-2.

Sometimes only our rounding crosses a threshold. If a step exceeds the limits for gradients or weights, PyTorch takes it
again with every ReLU and maximum decided as ours was (close_calls.py). That step must be within the limits, and each such
decision must be as close to float64's as rounding explains. If then the gradients agree and the weights do not, because
Adam or RMSprop made steps of rounding errors, PyTorch's update with our gradients must give our weights.

Prints one line for each check and, at the end, 'N passed, N failed'. Exit status 1 if any failed.
"""

import copy
import json
import sys
import tempfile
from pathlib import Path

import torch_or_end  # noqa: F401 - first

import close_calls
import numpy as np
import torch
import torch_networks as networks
from command import Mistake, Parser, ended, positive
from safetensors.torch import save_file
from tensor_files import load, save

POINTS = (0, 10, 100)  # steps of PyTorch before a single step is compared
FREE_STEPS = 100
LOOSEST = 1e-2
NUDGES = 3
LIMITS = {"loss": 1e-5, "gradients": 1e-4, "weights": 1e-4, "running statistics": 1e-5}
OPTIMIZERS = {
    "adam": {"name": "adam", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decay": 0.0, "nesterov": False},
    "sgd": {"name": "sgd", "lr": 1e-2, "beta1": 0.9, "beta2": 0.0, "eps": 0.0, "decay": 5e-4, "nesterov": True},
    "rmsprop": {"name": "rmsprop", "lr": 1e-3, "beta1": 0.0, "beta2": 0.9, "eps": 1e-7, "decay": 0.0, "nesterov": False},
}


def distance(got, expected):
    """The 2-norm of the difference over that of the expected; a tensor that is all zero must be met exactly."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    norm = np.linalg.norm(expected)
    return np.linalg.norm(got - expected) / norm if norm else float(np.any(got != expected)) * np.inf


class Run:
    """A preset in PyTorch with one optimizer, in one precision, from one seed."""

    def __init__(self, preset, optimizer, images, precision=torch.float32, seed=1):
        torch.manual_seed(seed)
        self.network = networks.without_dropout(preset["network"])
        self.model = networks.sequential(self.network, preset["data_set"]).to(precision)
        self.settings = optimizer
        self.optimizer = networks.optimizer_of(optimizer, self.model.parameters())
        self.batch = preset["batch"]
        self.precision = precision
        self.x = images.tensor(preset["pixels"])
        self.labels = images.labels
        self.done = 0
        self.smoothing = preset.get("smoothing", 0)
        every, factor = preset.get("step", (1, 1))
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, every, factor)

    def twin(self, precision=torch.float32, nudged=False):
        """The same state, in another precision or with every weight moved by a unit in its last place or not at all."""
        twin = copy.copy(self)
        twin.precision = precision
        twin.model = copy.deepcopy(self.model).to(precision)
        twin.optimizer = networks.optimizer_of(self.settings, twin.model.parameters())
        twin.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        twin.schedule = torch.optim.lr_scheduler.StepLR(twin.optimizer, 1, 1)
        if nudged:
            with torch.no_grad():
                for weights in twin.model.parameters():
                    towards = torch.randint_like(weights, -1, 2)
                    weights.copy_(torch.where(towards == 0, weights, torch.nextafter(weights, towards * torch.inf)))
        return twin

    def step(self, slopes=None):
        """One step, by those gradients if any are given; returns the loss. The gradients stay in the model."""
        part = slice(self.done * self.batch, (self.done + 1) * self.batch)
        self.optimizer.zero_grad()
        logits = self.model(self.x[part].to(self.precision))
        loss = torch.nn.functional.cross_entropy(logits, self.labels[part], label_smoothing=self.smoothing)
        loss.backward()
        for name, weights in self.model.named_parameters() if slopes else ():
            weights.grad.copy_(torch.tensor(slopes[name]))
        self.optimizer.step()
        self.schedule.step()
        self.done += 1
        return loss.item()


def batchmark_train(*arguments):
    """Runs batchmark train and returns the losses of its steps."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as log:
        networks.answer("train", *arguments, "--json", log.name)
        events = map(json.loads, Path(log.name).read_text().splitlines())
        return [event["loss"] for event in events if event["event"] == "step"]


class Report:
    """Checks as they pass and fail."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, worst, limit, where=""):
        good = worst <= limit
        self.passed += good
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {what:<58} {worst:9.2e}  limit {limit:7.1e}  {where}", flush=True)


def state_of(run):
    """The gradients and tensors of a run after a step: {"gradients": {...}, "weights": {...}, "running statistics": {...}}."""
    noise = networks.biases_before_bn(run.model)
    gradients = {key: value.grad.numpy() for key, value in run.model.named_parameters() if key not in noise}
    tensors = {key: value.detach().numpy() for key, value in run.model.state_dict().items() if "num_batches" not in key}
    running = {key for key in tensors if "running" in key}
    return {
        "gradients": gradients,
        "weights": {key: value for key, value in tensors.items() if key not in noise | running},
        "running statistics": {key: tensors[key] for key in running},
    }


def worst_of(got, theirs, others, exact, limit):
    """The tensor furthest from PyTorch's by its limit: (distance, limit, name)."""
    found = []
    for name, expected in theirs.items():
        own = max(distance(other[name], exact[name]) for other in (theirs, *others))
        found.append((distance(got[name], expected), min(max(limit, 3 * own), LOOSEST), name))
    return max(found, key=lambda one: one[0] / one[1], default=None)


def our_step(name, preset, run, data, folder, options):
    """Our next step from the state that `run` is in: (loss, gradients, tensors, decisions)."""
    parts = ("before", "after", "gradients", "decisions")
    before, after, gradients, decisions = (Path(folder) / f"{part}.safetensors" for part in parts)
    state = {"network": run.network, "data_set": preset["data_set"], "data": data, "batch": run.batch,
             "pixels": preset["pixels"], "optimizer": run.settings, "done": run.done}  # fmt: skip
    networks.write_checkpoint(before, run.model, run.optimizer, state)
    losses = batchmark_train("--resume", before, "--data", data, "--save", after, "--gradients", gradients,
                             "--decisions", decisions, *options)  # fmt: skip
    tensors, slopes = load(after)[0], load(gradients)[0]
    names = {key for key, _ in run.model.named_parameters()}
    if set(slopes) != names:
        raise Mistake(f"{name}: gradients {sorted(slopes)}, PyTorch has {sorted(names)}")
    return losses[0], slopes, tensors, load(decisions)[0]


def compare(ours, start, decisions, slopes=None):
    """Our step and PyTorch's from `start`, close calls decided so, by given gradients: {what: (distance, limit, where)}."""
    run, exact, *others = [start.twin(), start.twin(torch.float64), *(start.twin(nudged=True) for _ in range(NUDGES))]
    for twin in (run, exact, *others):
        close_calls.settle(twin.model, decisions)
    loss, *_ = [twin.step(slopes) for twin in (run, exact, *others)]
    exact, others = state_of(exact), [state_of(other) for other in others]
    found = {"loss": (abs(ours[0] - loss) / abs(loss), LIMITS["loss"], "")}
    for what, expected in state_of(run).items():
        got = ours[1] if what == "gradients" else ours[2]
        worst = worst_of(got, expected, [other[what] for other in others], exact[what], LIMITS[what])
        if worst:
            found[what] = worst
    return found


def missed(found, part):
    """Is that part further away than its limit?"""
    return part in found and found[part][0] > found[part][1]


def single_step(report, name, preset, run, data, folder, options):
    """Checks one step; `run` takes it."""
    what = f"{name} {run.settings['name']} step {run.done + 1}"
    ours = our_step(name, preset, run, data, folder, options)
    found = compare(ours, run, {})
    decisions = {}
    if missed(found, "gradients") or missed(found, "weights"):
        decisions, margins = close_calls.follow(run, ours[3])
        worst, limit, where = found["gradients"]
        print(f"     {what}: gradients {worst:.1e} away at {where}, limit {limit:.1e}: PyTorch again, {len(margins)} calls "
              "decided as ours")  # fmt: skip
        report.check(f"{what}: close calls", max(margins, default=0), close_calls.CLOSE)
        found = compare(ours, run, decisions)
    if missed(found, "weights") and not missed(found, "gradients"):
        worst, limit, where = found["weights"]
        print(f"     {what}: weights {worst:.1e} away at {where}, limit {limit:.1e}: PyTorch's update by our gradients")
        found["weights"] = compare(ours, run, decisions, ours[1])["weights"]
    run.step()
    for part, (worst, limit, where) in found.items():
        report.check(f"{what}: {part}", worst, limit, where)


def free_steps(report, name, preset, optimizer, images, data, folder, steps, options):
    """Ours and PyTorch's two precisions from the same weights."""
    single, double = (Run(preset, optimizer, images, precision) for precision in (torch.float32, torch.float64))
    double.model.load_state_dict(copy.deepcopy(single.model.state_dict()))
    start = Path(folder) / "start.safetensors"
    state = {"network": single.network, "data_set": preset["data_set"], "data": data, "batch": single.batch,
             "pixels": preset["pixels"], "optimizer": optimizer, "done": 0}  # fmt: skip
    networks.write_checkpoint(start, single.model, single.optimizer, state)
    ours = np.array(batchmark_train("--resume", start, "--data", data, "--steps", steps, *options))
    curves = [np.array([run.step() for _ in range(steps)]) for run in (single, double)]
    between, away = (float(np.sqrt(np.mean((curve - curves[1]) ** 2))) for curve in (curves[0], ours))
    # Below this, both are as near to float64 as a loss printed in float32 can say.
    floor = 1e-7 * float(np.mean(curves[1]))
    report.check(f"{name} {optimizer['name']} {steps} free steps: distance over PyTorch's", away / max(between, floor), 3)


def from_state_dicts(report, name, preset, run, data, folder, options):
    """Our step from the state_dict of a run's model as PyTorch writes it, of each type, and what its model makes of that."""
    path, after = Path(folder) / "state.safetensors", Path(folder) / "after.safetensors"
    for precision in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        model = copy.deepcopy(run.model).to(precision)
        save_file(model.state_dict(), path)
        losses = batchmark_train(run.network, "--init", path, "--data", networks.place_of(preset["data_set"], data),
                                 "--batch", run.batch, "--pixels", preset["pixels"], "--shuffle", "off", "--steps", 1,
                                 "--save", after, *options)  # fmt: skip
        model = model.to(torch.float32)
        logits = model(run.x[: run.batch])
        loss = torch.nn.functional.cross_entropy(logits, run.labels[: run.batch]).item()
        what = f"{name} from a state_dict of {str(precision).removeprefix('torch.')}"
        report.check(f"{what}: loss", abs(losses[0] - loss) / abs(loss), LIMITS["loss"])
        got, expected = load(after)[0], model.state_dict()
        away = [(distance(got[key], value), key) for key, value in expected.items() if "running" in key]
        if away:
            report.check(f"{what}: running statistics", max(away)[0], LIMITS["running statistics"], max(away)[1])


# What make test compares without torch: a small network that has a bit of everything.
GOLDEN = {
    "network": "conv 4 5x5 stride 2; bn; relu; maxpool 2; conv 6 3x3 same; bn eps 0.001 momentum 0.01; tanh; maxpool 2; "
    "dense 16 nobias; bn; sigmoid; dense 10",
    "data_set": "cifar-10",
    "batch": 8,
    "pixels": "unit",
}
# And one whose bn differ in their conventions, with smoothed labels and a rate that has come down.
GOLDEN_CONVENTIONS = {
    **GOLDEN,
    "network": "conv 4 5x5 stride 2; bn keras3 affine off; relu; maxpool 2; conv 6 3x3 same; bn momentum cumulative; tanh; "
    "maxpool 2; dense 16; bn frozen; sigmoid; dense 12 nobias; bn onnx momentum 0.2; relu; dense 10",
    "smoothing": 0.1,
    "step": (5, 0.5),
}
GOLDEN_STEPS = 7


def write_golden(folder):
    """For each optimizer a checkpoint after some steps on one batch, and PyTorch's next step on it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    batch = GOLDEN["batch"]
    with tempfile.TemporaryDirectory() as place:
        networks.write_images("cifar-10", place)
        images = networks.Images("cifar-10", place, batch)
    labels = images.labels
    save(folder / "images.safetensors", {"pixels": images.pixels, "labels": labels.numpy()})
    images.pixels = np.tile(images.pixels, (GOLDEN_STEPS + 1, 1, 1, 1))
    images.labels = labels.repeat(GOLDEN_STEPS + 1)
    cases = [(name, GOLDEN, optimizer) for name, optimizer in OPTIMIZERS.items()]
    for name, network, optimizer in [*cases, ("conventions", GOLDEN_CONVENTIONS, OPTIMIZERS["adam"])]:
        run = Run(network, optimizer, images)
        for _ in range(GOLDEN_STEPS):
            run.step()
        state = {**network, "data": "", "optimizer": optimizer, "done": run.done, "isa": "avx512"}
        networks.write_checkpoint(folder / f"{name}-before.safetensors", run.model, run.optimizer, state)
        loss = run.step()
        noise = networks.biases_before_bn(run.model)
        expected = {f"gradient.{key}": value.grad for key, value in run.model.named_parameters() if key not in noise}
        expected |= {key: value for key, value in run.model.state_dict().items() if "num_batches" not in key}
        expected = {key: value.detach().numpy() for key, value in expected.items()}
        save(
            folder / f"{name}-after.safetensors", expected, {"loss": repr(loss), "torch": torch.__version__}
        )


def main():
    """Does what the command line asks for."""
    parser = Parser(description=__doc__)
    parser.add_argument("presets", nargs="*", help="names of presets (default: all)")
    parser.add_argument("--data", help="folder with CIFAR-10, CIFAR-100 and MNIST (default: images made at random)")
    parser.add_argument("--optimizers", default="own,adam,sgd,rmsprop", help="own: that of the preset")
    parser.add_argument("--free-steps", type=positive, default=FREE_STEPS)
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--kernels", help="passed on to batchmark train")
    parser.add_argument("--golden", metavar="FOLDER", help="write what tests/parity/test_parity.py reads, and no more")
    arguments = parser.parse_args()
    if arguments.golden:
        return ended("parity.py", lambda: write_golden(arguments.golden), "name another place by --golden")
    for word in arguments.optimizers.split(","):
        if word not in ("own", *OPTIMIZERS):
            parser.error(f"--optimizers: '{word}' is none of own, {', '.join(OPTIMIZERS)}")
    return ended("parity.py", lambda: hold(arguments), "make build makes the program; name a folder of images by --data")


def hold(arguments):
    """Compares as the command line says; 1 where a check fails."""
    torch.set_num_threads(arguments.threads)
    presets = networks.chosen(arguments.presets)
    options = ["--threads", arguments.threads]
    if arguments.kernels:
        options += ["--kernels", arguments.kernels]
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or folder
        images = {}
        for name, preset in presets.items():
            kind = preset["data_set"]
            if kind not in images:
                if not arguments.data:
                    networks.write_images(kind, folder)
                images[kind] = networks.Images(kind, data, 1 + max(POINTS[-1], arguments.free_steps) * 130)
            for word in arguments.optimizers.split(","):
                optimizer = preset["optimizer"] if word == "own" else OPTIMIZERS[word]
                run = Run(preset, optimizer, images[kind])
                for point in POINTS:
                    while run.done < point:
                        run.step()
                    single_step(report, name, preset, run, data, folder, options)
                if word == "own":
                    from_state_dicts(report, name, preset, run, data, folder, options)
                    free_steps(
                        report, name, preset, optimizer, images[kind], data, folder, arguments.free_steps, options
                    )
    print(f"{report.passed} passed, {report.failed} failed")
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
