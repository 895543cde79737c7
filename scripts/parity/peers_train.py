"""Images per second of batchmark train and of PyTorch on the same networks.

PyTorch runs eagerly, with all images in memory as float32, a new order in each epoch, and the same optimizer, batch,
dropout and threads. Its loop never waits for a value. For lenet its DataLoader is measured, too, because the text's code
uses it. There is no augmentation on either side. The two sides alternate, round by round. The figures are medians of rounds;
the ratio is the median of the rounds' ratios. Writes train_peers.json into the folder of this machine below results/.
"""

import datetime
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch_or_end  # noqa: F401 - first

import torch
import torch_networks as networks
from command import Parser, ended, positive
from torch.utils.data import DataLoader, TensorDataset

FLAT_OUT = 50  # steps before the clock starts


def ours(name, data, steps, threads):
    """The summary of a run of so many steps."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as log:
        networks.answer("train", name, "--data", data, "--steps", steps, "--threads", threads,
                        "--augment", "none", "--log", 1000000, "--json", log.name)  # fmt: skip
        return json.loads(Path(log.name).read_text().splitlines()[-1])


class Theirs:
    """A preset in PyTorch, and batches for it."""

    def __init__(self, preset, images, loader):
        torch.manual_seed(preset["seed"])
        self.model = networks.sequential(preset["network"], preset["data_set"])
        self.optimizer = networks.optimizer_of(preset["optimizer"], self.model.parameters())
        self.x, self.labels, self.batch = images.tensor(preset["pixels"]), images.labels, preset["batch"]
        self.batches = self.loaded() if loader else self.gathered()

    def gathered(self):
        while True:
            order = torch.randperm(len(self.x))
            for first in range(0, len(order) - self.batch + 1, self.batch):
                part = order[first : first + self.batch]
                yield self.x[part], self.labels[part]

    def loaded(self):
        loader = DataLoader(TensorDataset(self.x, self.labels), batch_size=self.batch, shuffle=True, drop_last=True)
        while True:
            yield from loader

    def speed(self, steps):
        """Images a second over so many steps."""
        start = time.perf_counter()
        for _ in range(steps):
            x, labels = next(self.batches)
            self.optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(x), labels)
            loss.backward()
            self.optimizer.step()
        return steps * self.batch / (time.perf_counter() - start)


def compare(name, preset, data, images, arguments, loader=False):
    """The rounds of one preset: the row of the table, and the machine and commit of ours."""
    theirs = Theirs(preset, images, loader)
    theirs.speed(FLAT_OUT if preset["batch"] < 80 else 2)
    # As many steps as fill the time of a round at the speed of either.
    steps = [max(4, int(arguments.seconds * speed / preset["batch"])) for speed in (
        ours(name, data, 8, arguments.threads)["images_per_second"],
        theirs.speed(20 if preset["batch"] < 80 else 4),
    )]  # fmt: skip
    rounds = []
    for _ in range(arguments.rounds):
        summary = ours(name, data, steps[0], arguments.threads)
        rounds.append((summary["images_per_second"], theirs.speed(steps[1])))
    mine, other = (statistics.median(column) for column in zip(*rounds))
    ratios = [one / two for one, two in rounds]
    row = {
        "preset": name, "peer": "DataLoader" if loader else "in memory", "batch": preset["batch"],
        "images_per_second": mine, "peer_images_per_second": other, "ratio": statistics.median(ratios),
        "ratios": ratios,
    }  # fmt: skip
    print(f"{name:<24}{row['peer']:<12}{mine:10.0f}{other:10.0f}{row['ratio']:8.2f}   "
          f"{min(ratios):.2f} to {max(ratios):.2f}", flush=True)  # fmt: skip
    return row, summary["machine"], summary["commit"]


def main():
    """Does what the command line asks for."""
    parser = Parser(description=__doc__)
    parser.add_argument("presets", nargs="*", help="names of presets (default: all whose network differs)")
    parser.add_argument("--data", help="folder with CIFAR-10, CIFAR-100 and MNIST (default: images made at random)")
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each side in a round")
    arguments = parser.parse_args()
    advice = "make build makes the program; name a folder of images by --data"
    return ended("peers_train.py", lambda: measure(arguments), advice)


def measure(arguments):
    """Measures both sides, and writes the file."""
    torch.set_num_threads(arguments.threads)
    known = networks.chosen(arguments.presets)
    seen = {}
    for name, preset in known.items():
        seen.setdefault(preset["network"], name)
    names = arguments.presets or list(seen.values())
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads; images/s, medians of {arguments.rounds} rounds")
    print(f"{'preset':<24}{'peer':<12}{'ours':>10}{'PyTorch':>10}{'ratio':>8}   of the rounds")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or folder
        images = {}
        for name in names:
            kind = known[name]["data_set"]
            if kind not in images:
                if not arguments.data:
                    networks.write_images(kind, folder)
                images = {kind: networks.Images(kind, data)}
            for loader in [False, True] if name == "lenet" else [False]:
                row, machine, commit = compare(name, known[name], data, images[kind], arguments, loader)
                rows.append(row)
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine,
        "commit": commit, "peer": f"PyTorch {torch.__version__}", "threads": arguments.threads,
        "data": "real images" if arguments.data else "random images", "rows": rows,
    }  # fmt: skip
    path = networks.ROOT / "results" / machine / "train_peers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{path.relative_to(networks.ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
