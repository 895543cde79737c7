"""A way to run the program under test, and the tensor files it takes and gives."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from paths import ROOT
from tensor_files import load, save  # noqa: F401 - for the tests too

BATCHMARK = os.path.abspath(os.environ.get("BATCHMARK", ROOT / "build/batchmark"))


def batchmark(*arguments, timeout=600, **options):
    """Runs the program and returns the finished process, text captured."""
    command = [BATCHMARK, *map(str, arguments)]
    # Idle threads sleep: on a busy machine spinning ones would take the cores from those that work.
    options.setdefault("env", {"OMP_WAIT_POLICY": "passive", **os.environ})
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **options
    )


def read_log(log):
    """What a log of train or infer holds."""
    return [json.loads(line) for line in Path(log).read_text().splitlines()]


def trained(folder, *arguments):
    """Trains, and returns the events of its log."""
    log = Path(folder) / "log.jsonl"
    done = batchmark("train", *arguments, "--json", log)
    assert done.returncode == 0, done.stderr
    return read_log(log)


def variants(pattern=""):
    """The variants that can run here, as `batchmark list --json` has them."""
    finished = batchmark("list", *([pattern] if pattern else []), "--json")
    if finished.returncode:
        return []
    return [row for row in json.loads(finished.stdout) if row["available"]]


class CannotDo(Exception):
    """The variant does not do this problem in this layout; the message is the program's reason."""


def run(variant, problem, tensors, folder, layout=None, threads=1):
    """Runs op/variant on arrays and returns the outputs as float32 arrays."""
    options = ["--layout", layout] if layout else []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        source, result = Path(place) / "in.safetensors", Path(place) / "out.safetensors"
        save(source, tensors)
        finished = batchmark(
            "run", variant, problem, "--in", source, "--out", result, "--threads", threads, *options
        )
        if finished.returncode == 2 and " cannot do " in finished.stderr:
            raise CannotDo(finished.stderr.strip())
        assert finished.returncode == 0, f"{' '.join(finished.args)}: {finished.stderr.strip()}"
        return load(result)[0]
