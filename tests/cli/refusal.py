"""Calls that would work, and what the program says of those that cannot."""

import re
import subprocess
from pathlib import Path

import numpy as np

from tensorfile import batchmark, save


def listing(folder):
    """Every file below a folder with its contents."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


def refused(*arguments, says=(), folder=None, command=None, **options):
    """Runs the program, which must refuse: status 2, one line on stderr that holds each of `says`, nothing on
    stdout, and no file made or changed below `folder`."""
    before = listing(folder) if folder else None
    if command is None:
        finished = batchmark(*arguments, stdin=subprocess.DEVNULL, **options)
    else:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )
    what = f"{' '.join(map(str, finished.args))[:300]}\n{finished.stdout[:300]}{finished.stderr[:600]}"
    assert finished.returncode == 2, what
    assert re.fullmatch(r"batchmark: [^\n]{10,700}\n", finished.stderr), what
    assert not finished.stdout, what
    for part in [says] if isinstance(says, str) else says:
        assert part in finished.stderr, f"should say '{part}': {what}"
    if folder:
        assert listing(folder) == before, what
    return finished.stderr


COMMANDS = ["list", "verify", "bench", "run", "train", "info"]


def good_call(command, folder):
    """A call of the command that would work, without options that the tests below add."""
    if command == "run":
        save(f"{folder}/a", {"src": np.ones((2, 3, 4, 5))})
        out = f"{folder}/b"
        return ["run", "copy/naive", "mb2ic3ih4iw5", "--in", f"{folder}/a", "--out", out]
    return {
        "list": ["list", "copy/naive"],
        "verify": ["verify", "copy/naive", "--problem", "mb2ic3"],
        "bench": ["bench", "copy/naive", "--problem", "mb2ic3", "--out", f"{folder}/results"],
        "train": ["train", "lenet", "--steps", "1", "--data", "synthetic:20:10", "--threads", "1"],
        "info": ["info"],
    }[command]
