"""The training runs that test what the seed texts claim about batch normalization.

A study is arms x values x rates x seeds; each combination is a command of `batchmark train`. A claim uses the results of one
study or more (verdicts.py). Both sizes of `make experiments` are here: quick takes less than an hour on two cores.
"""

from dataclasses import dataclass, field

SEEDS = {"quick": (1, 2, 3), "full": (1, 2, 3, 4, 5)}
# Times are ratios within a round, so that a neighbour slows all arms of it or spoils one of many.
ROUNDS = 5
BATCHES = (2, 4, 8, 16, 32, 64, 128, 256)
SHIFTS = "brightness:-0.4,brightness:-0.2,brightness:0.2,brightness:0.4"
SHIFTS += ",contrast:0.25,contrast:0.5,contrast:1.5,contrast:2"
SGD = ("--optimizer", "sgd", "--momentum", "0.9")
ADAM = ("--optimizer", "adam")
# Single-threaded training images a second, to guess how long a run takes.
SPEED = {"cifar-10": 3000, "mnist": 20000, "cifar-100": 300}


@dataclass(frozen=True)
class Run:
    """One training: where it stands in its study, and the command without data folder and output."""

    study: str
    arm: str
    value: object
    rate: float
    seed: int
    data: str
    arguments: tuple
    images: int
    alone: bool = False
    full_team: bool = False
    round: int = 0

    @property
    def cost(self):
        """Seconds it may take, by images."""
        return 1 + self.images / SPEED[self.data]

    @property
    def proof(self):
        """Runs that agree in it use the same kernels on the same problems."""
        said = dict(zip(self.arguments[1:], self.arguments[2:]))
        options = ("--batch", "--bn", "--kernels", "--fuse", "--stats", "--subset")
        return (self.data, self.arguments[0], *(said.get(option) for option in options))


@dataclass(frozen=True)
class Study:
    """Arms that are trained alike. An arm is the arguments that make it; values sweep one option ({} in `option`). Where
    times count, everything is repeated in rounds, in which the arms take turns at being first."""

    name: str
    data: str
    arms: dict
    rates: tuple
    common: tuple
    train: int
    test: int
    epochs: int = 1
    option: str = None
    values: tuple = (None,)
    own_rates: dict = field(default_factory=dict)
    alone: bool = False
    full_team: bool = False
    rounds: int = 1

    def runs(self, seeds):
        """All runs, seed by seed, so that what is there when it is stopped covers everything once."""
        for seed in seeds:
            for number in range(self.rounds):
                turn = (seed + number) % len(self.arms)
                arms = [*self.arms.items()]
                for value in self.values:
                    for arm, network in arms[turn:] + arms[:turn]:
                        for rate in self.own_rates.get(arm, self.rates):
                            yield self.run(arm, network, value, rate, seed, number)

    def run(self, arm, network, value, rate, seed, number=0):
        """One of them. A network may depend on the value."""
        made = network(value) if callable(network) else network
        option = () if self.option is None else (self.option, f"{value:g}")
        size = ("--subset", f"{self.train}:{self.test}", "--epochs", str(self.epochs))
        arguments = (*made, *option, *self.common, *size, "--lr", f"{rate:g}", "--seed", str(seed))
        images = self.train * self.epochs
        return Run(
            self.name, arm, value, rate, seed, self.data, arguments, images, self.alone, self.full_team, number
        )


def lenet_text(batch_norm="", drop=""):
    """LeNet with a layer before each activation and one after each dense activation."""
    front = f"conv 6 5x5; {batch_norm}relu; maxpool 2; conv 16 5x5; {batch_norm}relu; maxpool 2; "
    return front + f"dense 120; {batch_norm}relu; {drop}dense 84; {batch_norm}relu; {drop}dense 10"


def mlp_text(batch_norm="", drop=""):
    """The dense network of text 001 with a layer before each activation and one after."""
    return f"dense 256; {batch_norm}relu; {drop}dense 128; {batch_norm}relu; {drop}dense 10"


def deep_text(depth, activation, batch_norm="", width=64):
    """Dense layers of one activation."""
    return f"dense {width}; {batch_norm}{activation}; " * depth + "dense 10"


def regularised(text):
    """Arms of claim 6 for a network."""
    arms = {}
    for name, layer in (("plain", ""), ("bn", "bn; ")):
        arms[name] = (text(layer),)
        arms[f"{name} + dropout"] = (text(layer, "dropout 0.3; "),)
        arms[f"{name} + decay"] = (text(layer), "--decay", "1e-3")
    return arms


def studies(size):
    """All studies of a size, by name."""
    full = size == "full"
    many = 40000 if full else 15000
    few = 20000 if full else 10000
    digits = 60000 if full else 12000
    test, digits_test = (5000, 10000) if full else (2000, 5000)
    lenets = {"plain": ("lenet",), "bn": ("lenet-bn",)}
    mlps = {"plain": ("mlp",), "bn": ("mlp-bn",)}
    cost_arms = {}
    for name in ("lenet", "mlp"):
        cost_arms[f"{name} plain"] = (name,)
        cost_arms[f"{name} bn as planned"] = (f"{name}-bn",)
        cost_arms[f"{name} bn unfused"] = (f"{name}-bn", "--fuse", "off")
        for kernels in ("naive_simd", "naive"):
            cost_arms[f"{name} bn {kernels}"] = (f"{name}-bn", "--fuse", "off", "--kernels", f"bn_*={kernels},*")
    listed = [
        Study("rates-lenet", "cifar-10", lenets, (3e-3, 1e-2, 3e-2, 0.1, 0.3, 1),
              (*SGD, "--batch", "50", "--test-every", "30"), many, 1000),
        Study("rates-mlp", "mnist", mlps, (3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3),
              (*SGD, "--batch", "64", "--test-every", "20"), digits, digits_test),
        Study("scale-mlp", "mnist", mlps, (0.01, 0.03, 0.1, 0.3), (*SGD, "--batch", "64"), digits, digits_test,
              option="--initial-scale", values=(0.03, 0.1, 0.3, 1, 3, 10)),
        Study("depth", "mnist", {
            "plain": lambda depth: (deep_text(depth, "sigmoid"),),
            "bn": lambda depth: (deep_text(depth, "sigmoid", "bn; "),)},
            (3e-4, 1e-3, 1e-2, 3e-2), (*ADAM, "--batch", "64", "--initial", "glorot", "--stats", "100"), digits, digits_test,
            values=(2, 4, 8, 12)),
        Study("saturation", "mnist", {
            "plain": lambda name: (deep_text(4, name, width=128),),
            "bn": lambda name: (deep_text(4, name, "bn; ", 128),)},
            (0.01, 0.03, 0.1, 0.3, 1), (*SGD, "--batch", "64", "--initial", "glorot", "--stats", "50"), digits, digits_test, 2,
            values=("sigmoid", "tanh")),
        Study("overfit-lenet", "cifar-10", regularised(lenet_text), (3e-4, 1e-3, 3e-3, 1e-2), (*ADAM, "--batch", "50"),
              5000 if full else 2000, test, 20 if full else 8),
        Study("overfit-mlp", "mnist", regularised(mlp_text), (3e-4, 1e-3, 3e-3, 1e-2), (*ADAM, "--batch", "50"),
              2000, digits_test, 40 if full else 12),
        Study("batch", "mnist", {"plain as published": ("mlp-as-published",), "bn as published": ("mlp-bn-as-published",),
                                 **mlps},
              (1e-3,), ("--test-bn", "both"), digits, digits_test, option="--batch", values=BATCHES,
              own_rates={arm: (3e-4, 1e-3, 3e-3) for arm in mlps}),
        Study("discrepancy", "cifar-10", {"bn": ("lenet-bn",)}, (1e-3,), ("--test-bn", "both"), few, test,
              option="--batch", values=(4, 16, 64, 250)),
        Study("place", "cifar-10", {
            "plain, centred 0..255": (lenet_text(), "--pixels", "centered"),
            "plain, 0..1": (lenet_text(),),
            "plain, inputs normalised": ("bn; " + lenet_text(),),
            "bn before": (lenet_text("bn; "),),
            "bn after": (lenet_text("bn; "), "--bn", "post")},
            (3e-4, 1e-3, 3e-3, 1e-2), (*ADAM, "--batch", "50", "--test-shifts", SHIFTS), many, test),
        Study("landscape", "cifar-10", lenets, (3e-3, 1e-2, 3e-2, 0.1),
              (*SGD, "--batch", "50", "--direction", "20"), few, test),
        Study("cost", "cifar-10", {a: n for a, n in cost_arms.items() if a.startswith("lenet")}, (1e-3,), (), 3200, 100,
              option="--batch", values=(10, 64), alone=True, full_team=True, rounds=ROUNDS),
        Study("cost-mlp", "mnist", {a: n for a, n in cost_arms.items() if a.startswith("mlp")}, (1e-3,), (), 12800, 100,
              option="--batch", values=(64,), alone=True, full_team=True, rounds=ROUNDS),
    ]
    if full:
        vgg = {name: (f"vgg-{name}",) for name in ("sigmoid", "sigmoid-bn", "relu", "relu-bn")}
        listed.append(
            Study("scale-lenet", "cifar-10", lenets, (1e-2, 3e-2), (*SGD, "--batch", "50"), few, test,
                  option="--initial-scale", values=(0.1, 0.3, 1, 3, 10))
        )
        listed.append(
            Study("vgg", "cifar-100", vgg, (1e-3, 1e-4), ("--stats", "100"), 40000, 2000, 2)
        )
    return {study.name: study for study in listed}


def plan(size, only=None):
    """Every run of a size, what is timed last. Seed by seed over all studies."""
    chosen = [s for s in studies(size).values() if only is None or s.name in only]
    runs = [run for seed in SEEDS[size] for study in chosen for run in study.runs((seed,))]
    return sorted(runs, key=lambda run: run.alone)
