"""Batchmark's networks in PyTorch: the text of a network as an nn.Sequential, its optimizers, its data, its checkpoints.

Needs torch, which only build/venv has (`make parity`, `make peers-train` put it there).
"""

import gzip
import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import nn

from command import Mistake

from tensor_files import save

ROOT = Path(__file__).resolve().parents[2]
BATCHMARK = ROOT / "build" / "batchmark"

IMAGES = {  # channels, height, width, classes, images for training and test, bytes of a label
    "cifar-10": (3, 32, 32, 10, 50000, 10000, 1),
    "cifar-100": (3, 32, 32, 100, 50000, 10000, 2),
    "mnist": (1, 28, 28, 10, 60000, 10000, 1),
}
CONVENTIONS = {  # eps, the weight of the new statistics, is the running variance that of the population?
    "pytorch": (1e-5, 0.1, False),
    "keras": (1e-3, 0.01, False),
    "keras3": (1e-3, 0.01, True),
    "onnx": (1e-5, 0.1, True),
}
ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "flatten": nn.Flatten}


def presets():
    """The presets as batchmark train --list --json has them, but for those whose data are no files as they are."""
    lines = answer("train", "--list", "--json", "/dev/stdout")
    known = {preset["name"]: preset for preset in map(json.loads, lines.splitlines())}
    return {name: preset for name, preset in known.items() if preset["data_set"] in IMAGES}


def chosen(names):
    """{name: preset} of those names, of all where there are none."""
    known = presets()
    for name in names:
        if name not in known:
            raise Mistake(f"no preset '{name}'; there are {', '.join(known)}")
    return {name: known[name] for name in names or known}


def answer(*arguments):
    """What batchmark prints, called so."""
    command = [BATCHMARK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        raise Mistake(f"{' '.join(map(str, command[:3]))}: {said[-1]}")
    return done.stdout


def without_dropout(text):
    """The network with the same layers, whose dropouts drop nothing: their random numbers differ."""
    return "; ".join("dropout 0" if layer.split()[0] == "dropout" else layer for layer in layers_of(text))


def layers_of(text):
    """The layers of a network, each as text."""
    return [layer.strip() for layer in text.split(";")]


def sizes(shape, module):
    """The shape (C, H, W) or (N,) of what a module makes of one image."""
    module.eval()
    with torch.no_grad():
        return tuple(module(torch.zeros(1, *shape)).shape[1:])


def population(kind):
    """A batch normalization that keeps the variance of a batch as it is, where PyTorch's kind makes it unbiased."""

    class Population(kind):
        """Takes n / (n - 1) off what the last batch added."""

        def forward(self, x):
            before = self.running_var.clone() if self.training else None
            y = super().forward(x)
            if before is not None:
                momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                count = x.numel() // x.shape[1]
                kept = (1 - momentum) * before
                # A new tensor: the way back needs the old one as it is.
                self.running_var = kept + (self.running_var - kept) * (count - 1) / count
            return y

    return Population


def frozen(kind):
    """A batch normalization that stays as in evaluation."""

    class Frozen(kind):
        """Training changes its gamma and beta alone."""

        def train(self, _mode=True):
            return super().train(False)

    return Frozen


def batch_norm(images, channels, words, option):
    """The bn with these words after its name."""
    eps, momentum, of_population = CONVENTIONS[words[0] if words and words[0] in CONVENTIONS else "pytorch"]
    momentum = option.get("momentum", momentum)
    kind = nn.BatchNorm2d if images else nn.BatchNorm1d
    if of_population or "population" in words:
        kind = population(kind)
    if "frozen" in words:
        kind = frozen(kind)
    return kind(
        channels,
        eps=float(option.get("eps", eps)),
        momentum=None if momentum == "cumulative" else float(momentum),
        affine="affine" not in words,
        track_running_stats="running" not in words,
    )


def sequential(text, data_set):
    """The network as an nn.Sequential with the layers numbered as ours are."""
    shape = IMAGES[data_set][:3]
    modules = []

    def add(module):
        nonlocal shape
        shape = sizes(shape, module)
        modules.append(module)

    for layer in layers_of(text):
        kind, *rest = layer.split()
        option = {name: rest[i + 1] for i, name in enumerate(rest) if name in ("eps", "momentum", "stride")}
        if kind == "conv1d":
            stride = int(option.get("stride", 1))
            if stride > 1 and "same" in rest:
                raise ValueError(f"{layer}: PyTorch has no padding 'same' with a stride")
            add(nn.Conv1d(shape[0], int(rest[0]), int(rest[1]), stride=stride,
                          padding="same" if "same" in rest else 0, bias="nobias" not in rest))
        elif kind in ("maxpool1d", "avgpool1d"):
            pool = nn.MaxPool1d if kind == "maxpool1d" else nn.AvgPool1d
            add(pool(int(rest[0]), stride=int(option.get("stride", rest[0]))))
        elif kind == "conv":
            kernel = tuple(int(k) for k in rest[1].split("x"))
            stride = int(option.get("stride", 1))
            if stride > 1 and "same" in rest:
                raise ValueError(f"{layer}: PyTorch has no padding 'same' with a stride")
            add(nn.Conv2d(shape[0], int(rest[0]), kernel, stride=stride,
                          padding="same" if "same" in rest else 0, bias="nobias" not in rest))
        elif kind == "dense":
            if len(shape) > 1:
                add(nn.Flatten())
            add(nn.Linear(shape[0], int(rest[0]), bias="nobias" not in rest))
        elif kind == "bn":
            add(batch_norm(len(shape) == 3, shape[0], rest, option))
        elif kind == "maxpool":
            add(nn.MaxPool2d(int(rest[0]), stride=int(option.get("stride", rest[0]))))
        elif kind == "avgpool" and rest[0] == "global":
            add(nn.AvgPool2d(shape[1:]))
        elif kind == "avgpool":
            add(nn.AvgPool2d(int(rest[0]), stride=int(option.get("stride", rest[0]))))
        elif kind == "dropout":
            add(nn.Dropout(float(rest[0])))
        elif kind == "softmax":
            add(nn.Softmax(1))
        else:
            add(ACTIVATIONS[kind]())
    return nn.Sequential(*modules).train()


def biases_before_bn(model):
    """Parameters whose exact gradient is zero: a BN right behind takes any bias away, and what is left is rounding."""
    return {
        f"{i}.bias"
        for i, (one, two) in enumerate(zip(model, list(model)[1:]))
        if isinstance(one, (nn.Conv2d, nn.Linear)) and isinstance(two, (nn.BatchNorm1d, nn.BatchNorm2d)) and two.training
    }


def optimizer_of(settings, parameters):
    """The torch.optim optimizer that our settings describe."""
    common = {"lr": settings["lr"], "weight_decay": settings["decay"]}
    if settings["name"] == "adam":
        return torch.optim.Adam(parameters, betas=(settings["beta1"], settings["beta2"]), eps=settings["eps"], **common)
    if settings["name"] == "sgd":
        return torch.optim.SGD(parameters, momentum=settings["beta1"], nesterov=settings["nesterov"], **common)
    return torch.optim.RMSprop(parameters, alpha=settings["beta2"], eps=settings["eps"], **common)


def idx_bytes(path):
    """The bytes of an IDX file, which may be packed."""
    packed = path.with_name(path.name + ".gz")
    return np.frombuffer(gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes(), np.uint8)


# Where the files of a data set lie below the folder of all.
PLACES = {"mnist": "MNIST/raw", "cifar-10": "cifar-10-batches-bin", "cifar-100": "cifar-100-binary"}


def place_of(data_set, folder):
    """The folder with the files of one set alone."""
    return Path(folder) / PLACES[data_set]


class Images:
    """The training images of a folder that batchmark train --data reads, in the order of the files."""

    def __init__(self, data_set, folder, limit=None):
        channels, height, width, self.classes, count, _, label_bytes = IMAGES[data_set]
        size = channels * height * width
        if data_set == "mnist":
            place = place_of(data_set, folder)
            pixels = idx_bytes(place / "train-images-idx3-ubyte")[16:].reshape(count, size)
            labels = idx_bytes(place / "train-labels-idx1-ubyte")[8:]
        else:
            names = [f"data_batch_{i}.bin" for i in range(1, 6)] if data_set == "cifar-10" else ["train.bin"]
            place = place_of(data_set, folder)
            raw = np.concatenate([np.fromfile(place / name, np.uint8) for name in names])
            raw = raw.reshape(count, label_bytes + size)
            labels, pixels = raw[:, label_bytes - 1], raw[:, label_bytes:]
        self.mean = np.float32(pixels.mean(dtype=np.float64))
        self.pixels = pixels[:limit].reshape(-1, channels, height, width).copy()
        self.labels = torch.from_numpy(labels[:limit].astype(np.int64))

    def tensor(self, pixels):
        """All images as float32, in [0, 1] ("unit") or less the mean ("centered")."""
        raw = self.pixels.astype(np.float32)
        return torch.from_numpy(raw / np.float32(255) if pixels == "unit" else raw - self.mean)


def write_images(data_set, folder, seed=1):
    """Files of a data set with images that can be learned: a pattern for each class, under noise as strong."""
    channels, height, width, classes, train, test, label_bytes = IMAGES[data_set]
    generator = np.random.default_rng(seed)
    patterns = generator.integers(0, 128, (classes, channels * height * width), dtype=np.uint8)

    def make(count):
        labels = generator.integers(0, classes, count, dtype=np.uint8)
        noise = generator.integers(0, 128, (count, channels * height * width), dtype=np.uint8)
        return labels, patterns[labels] + noise

    def records(path, count):
        labels, pixels = make(count)
        columns = [labels[:, None]] * label_bytes + [pixels]
        path.write_bytes(np.concatenate(columns, axis=1).tobytes())

    if data_set == "mnist":
        place = place_of(data_set, folder)
        place.mkdir(parents=True, exist_ok=True)
        for split, count in (("train", train), ("t10k", test)):
            labels, pixels = make(count)
            (place / f"{split}-images-idx3-ubyte").write_bytes(
                struct.pack(">4I", 0x803, count, height, width) + pixels.tobytes()
            )
            (place / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels.tobytes())
        return
    place = place_of(data_set, folder)
    place.mkdir(parents=True, exist_ok=True)
    if data_set == "cifar-10":
        for i in range(1, 6):
            records(place / f"data_batch_{i}.bin", train // 5)
        records(place / "test_batch.bin", test)
    else:
        records(place / "train.bin", train)
        records(place / "test.bin", test)


# What PyTorch calls an optimizer's memory of a parameter is what our checkpoints call it.
MEMORIES = {"adam": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",), "rmsprop": ("square_avg",)}


def write_checkpoint(path, model, optimizer, settings):
    """The state of a PyTorch run as a checkpoint that batchmark train --resume goes on from.

    settings: network, data_set, data (the folder), batch, pixels, optimizer (as in presets()), done (steps so far),
    and smoothing of labels and (every, factor) of a step schedule, where they are not 0 and constant.
    """
    tensors = {
        name: value.detach().numpy() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")
    }
    chosen = settings["optimizer"]
    for name, parameter in model.named_parameters():
        for memory in MEMORIES[chosen["name"]]:
            if chosen["name"] == "sgd" and not chosen["beta1"]:
                continue
            value = optimizer.state.get(parameter, {}).get(memory)
            tensors[f"optimizer.{memory}.{name}"] = np.zeros(parameter.shape) if value is None else value.numpy()
    done, batch = settings["done"], settings["batch"]
    schedule = "step {} {!r}".format(*settings["step"]) if "step" in settings else "constant"
    loss = f"smoothing {settings['smoothing']!r}" if "smoothing" in settings else "cross-entropy"
    nothing = {"loss": 0.0, "correct": 0, "images": 0, "steps": 0, "seconds": 0.0}
    run = {
        "schema": 1,
        "preset": "",
        "network": settings["network"],
        "data": str(settings["data"]),
        "data_set": settings["data_set"],
        "commit": "",
        "machine": "",
        "settings": {
            "batch": batch, "pixels": settings["pixels"], "augment": "none", "seed": 1, "shuffle": "off",
            "threads": settings.get("threads", 2), "fuse": "auto", "isa": settings.get("isa", "avx512bf16"),
            "epochs": -1, "steps": done + 1, "log": 1, "schedule": schedule, "loss": loss,
        },
        "optimizer": {**chosen, "step": done},
        "place": {
            "done": done, "epoch": 1 if done else 0, "next": done * batch, "net_steps": done, "best": -1.0,
            "all": nothing, "in_epoch": nothing, "since_log": nothing,
        },
    }  # fmt: skip
    save(path, tensors, {"format": "pt", "network": settings["network"], "run": json.dumps(run)})
