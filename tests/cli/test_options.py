"""Small things of the command line that a user counts on: help and version everywhere, bounds and choices in refusals."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paths import ROOT, script_file
from tensorfile import batchmark, load

COMMANDS = re.findall(r"^  ([a-z]+) ", batchmark("--help").stdout, re.MULTILINE)
SMALL = ["train", "dense 10", "--data", "synthetic:20:10", "--threads", "1", "--batch", "10"]


def test_there_are_commands():
    """What the tests below go through."""
    assert {"list", "verify", "bench", "info", "plan", "train", "infer", "run"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_short_help_and_version(command):
    """-h is --help, and --version says what this program was built from, by what."""
    long, short = batchmark(command, "--help"), batchmark(command, "-h")
    assert short.returncode == 0 and not short.stderr
    assert short.stdout == long.stdout and f"batchmark {command}" in short.stdout
    version = batchmark(command, "--version")
    assert version.returncode == 0 and not version.stderr
    assert version.stdout == batchmark("--version").stdout
    assert re.fullmatch(r"batchmark [0-9a-f]{7,}( \(modified\))?, built by \S.*\n|batchmark unknown.*\n", version.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(command):
    """Lines of at most 100 columns; the texts of options begin in one column."""
    lines = batchmark(command, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 100, max(lines, key=len)
    rows = [at for at, line in enumerate(lines) if re.match(r"  --[a-z]", line)]
    assert rows
    for at in rows:
        text = lines[at] if len(lines[at]) > 22 and lines[at][21] == " " else lines[at + 1]
        assert text[21] == " " != text[22], text


BOUNDS = [
    (["train", "lenet", "--lr", "2e6"], ["from 0", "at most 1e+06"]),
    (["train", "lenet", "--initial-scale", "0"], ["above 0", "at most 1e+06"]),
    (["train", "lenet", "--optimizer", "sgd", "--momentum", "1"], ["from 0", "below 1"]),
    (["train", "lenet", "--steps", "2000000000000"], ["from 1 to 1000000000000"]),
    (["train", "lenet", "--augment", "shift 2000"], ["up to 1000"]),
    (["train", "lenet", "--schedule", "step 3 2"], ["at most 1", "from 1 to 1e12"]),
    (["train", "lenet", "--test-shifts", "contrast:200"], ["from -100 to 100"]),
    (["train", "dense 2000000"], ["from 1 to 1000000"]),
    (["train", "conv 3 2000x3"], ["from 1 to 1000)"]),
    (["plan", "dense 3", "--image", "3x32x200000"], ["from 1 to 100000"]),
    (["infer", "nowhere", "--seconds", "4000"], ["above 0", "at most 3600"]),
    (["bench", "copy", "--budget", "2e6"], ["above 0", "at most 1e+06"]),
    (["bench", "copy", "--limit", "0"], ["above 0", "at most 1e+06"]),
    (["verify", "copy", "--timeout", "2e6"], ["above 0", "at most 1e+06"]),
    (["verify", "copy", "--random", "200000"], ["from 1 to 100000"]),
    (["verify", "copy", "--threads", "2000"], ["from 1 to 1024"]),
    (["run", "copy/naive", "mb2ic3", "--threads", "2000"], ["from 1 to 1024"]),
    (["bench", "copy", "--plan", "best"], ["quick, full, peers or scaling"]),
    (["list", "--isa", "avx9"], ["base, avx2, avx512 or avx512bf16"]),
]


@pytest.mark.parametrize("call, bounds", BOUNDS, ids=lambda value: " ".join(value))
def test_a_refusal_says_the_bound(call, bounds):
    """A value beyond what an option takes is refused with both ends of what it takes."""
    done = batchmark(*call)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert call[-1] in done.stderr or call[-1].split()[1] in done.stderr
    for bound in bounds:
        assert bound in done.stderr, done.stderr


def test_all_sets_are_named():
    """Where a set is unknown, and in the help of what takes one."""
    names = [path.stem for path in sorted((ROOT / "harness/problem/sets").glob("*.txt"))]
    assert len(names) >= 6
    for text in [
        batchmark("verify", "--set", "nosuch").stderr,
        batchmark("bench", "--set", "nosuch").stderr,
        batchmark("verify", "--help").stdout,
        batchmark("bench", "--help").stdout,
    ]:
        for name in names:
            assert re.search(rf"\b{name}\b", text), f"{name} is missing in: {text}"


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_a_rate_of_nothing_freezes_the_weights(optimizer, folder):
    """Weights stay as they were made, whatever the optimizer."""
    saved = []
    for steps in (1, 4):
        path = Path(folder, f"{steps}.safetensors")
        done = batchmark(*SMALL, "--optimizer", optimizer, "--lr", "0", "--steps", steps, "--save", path)
        assert done.returncode == 0, done.stderr
        saved.append(load(path)[0])
    assert saved[0] and all((saved[0][name] == saved[1][name]).all() for name in saved[0])


def epochs_of(log):
    """The epochs a log tells of."""
    return [event["epoch"] for event in map(json.loads, log.read_text().splitlines()) if event["event"] == "epoch"]


def test_a_target_can_be_dropped(folder):
    """A run that ended at its target goes on without it; without a word it ends at the target again."""
    run, log = Path(folder, "run"), Path(folder, "log")
    start = [*SMALL, "--epochs", "4", "--target-accuracy", "0", "--checkpoint", run, "--json", log]
    assert batchmark(*start).returncode == 0
    assert epochs_of(log) == [1]
    assert batchmark("train", "--resume", run, "--json", log).returncode == 0
    assert epochs_of(log) == [1, 2]
    done = batchmark("train", "--resume", run, "--target-accuracy", "none", "--json", log)
    assert done.returncode == 0, done.stderr
    assert epochs_of(log) == [1, 2, 3, 4]
    assert "target_accuracy" not in json.loads(log.read_text().splitlines()[-1])
    assert "none" in batchmark("train", "--help").stdout.split("--target-accuracy")[1][:300]


def test_a_link_stays_a_link(folder):
    """What is written through a symbolic link replaces the file it points to, or makes it; the link stays."""
    target, link, last = Path(folder, "real", "w"), Path(folder, "link"), Path(folder, "last")
    target.parent.mkdir()
    link.symlink_to("real/w")
    last.symlink_to(link)
    for path in (link, last):  # the file is not there at first
        done = batchmark(*SMALL, "--steps", "1", "--save", path)
        assert done.returncode == 0, done.stderr
        assert link.is_symlink() and last.is_symlink() and not target.is_symlink()
        assert load(target)[0]
        target.write_bytes(b"old")
    assert sorted(os.listdir(folder)) == ["last", "link", "real"]
    assert os.listdir(target.parent) == ["w"]
    link.unlink()
    link.symlink_to("link")
    done = batchmark(*SMALL, "--steps", "1", "--save", link)
    assert done.returncode == 2 and "symbolic links" in done.stderr


def test_a_machine_of_the_environment_is_told():
    """Results say that their topology was made up."""
    plain = {key: text for key, text in os.environ.items() if not key.startswith("HWLOC_")}
    done = batchmark("info", "--quick", "--json", env={**plain, "HWLOC_SYNTHETIC": "core:512 pu:1"})
    assert done.returncode == 0, done.stderr
    assert any("HWLOC_SYNTHETIC is set" in warning for warning in json.loads(done.stdout)["warnings"])
    done = batchmark("info", "--quick", "--json", env=plain)
    assert not any("HWLOC" in warning for warning in json.loads(done.stdout)["warnings"])


@pytest.mark.parametrize("script", ["parity.py", "peers_train.py"])
def test_without_torch_is_one_line(script, folder):
    """Said by the script, before anything is done."""
    Path(folder, "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    command = [sys.executable, "-B", script_file(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": folder}
    )
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(rf"{script}: [^\n]*PyTorch[^\n]*make parity[^\n]*\n", done.stderr), done.stderr
