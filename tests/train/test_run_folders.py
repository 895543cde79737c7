"""Folders of checkpoints: one run's alone, held while it is at work; what is another run's is neither lost nor mixed in."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tensorfile import BATCHMARK, batchmark, load

ONE, OTHER = "dense 12; bn; relu; dense 10", "dense 16; relu; dense 10"
DATA = ["--data", "synthetic:200:20", "--threads", 1]


def train(status, *arguments):
    done = batchmark("train", *arguments)
    assert done.returncode == status, done.stderr
    assert status != 2 or done.stderr.startswith("batchmark: ") and done.stderr.count("\n") == 1
    return done.stderr if status else done.stdout


def files(place):
    return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def network_of(path):
    return load(path)[1]["network"]


def id_of(path):
    return json.loads(load(path)[1]["run"])["id"]


class Running:
    """A training at work, which has made its first step; killed at the end, whatever happens."""

    def __init__(self, log, *arguments):
        self.command = [BATCHMARK, "train", *map(str, arguments), "--json", str(log), "--log", "1"]
        self.log = log

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while not (self.log.exists() and self.log.stat().st_size) and time.monotonic() < end:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)
        return self

    def end(self, kind):
        self.process.send_signal(kind)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def kept(folder):
    """A folder with the checkpoints of a finished run."""
    train(0, ONE, *DATA, "--epochs", 2, "--checkpoint", Path(folder) / "kept")
    return Path(folder) / "kept"


def test_a_folder_in_use_is_refused_and_free_again_after_a_kill(folder):
    at, log = Path(folder) / "kept", Path(folder) / "log"
    with Running(log, ONE, *DATA, "--steps", 1000000000, "--checkpoint", at) as first:
        end = time.monotonic() + 60
        while not (at / "last.safetensors").exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert "another run is at work" in train(2, OTHER, *DATA, "--epochs", 1, "--checkpoint", at)
        assert "another run is at work" in train(2, OTHER, *DATA, "--epochs", 1, "--checkpoint", at, "--overwrite")
        assert "another run is at work" in train(2, "--resume", at)
        assert "another run writes it" in train(2, OTHER, *DATA, "--epochs", 1, "--json", log)
        assert first.process.poll() is None
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert network_of(at / "last.safetensors") == ONE
    done = json.loads(load(at / "last.safetensors")[1]["run"])["place"]["done"]
    train(0, "--resume", at, "--steps", done + 3)
    assert {path.name for path in at.iterdir()} == {"last.safetensors", "best.safetensors"}


def test_another_runs_checkpoints_stay_unless_they_are_to_be_overwritten(kept):
    before = files(kept)
    assert "another run's" in train(2, OTHER, *DATA, "--epochs", 1, "--checkpoint", kept)
    (kept / "last.safetensors").rename(kept / "elsewhere")
    assert "best.safetensors: is another run's" in train(2, OTHER, *DATA, "--epochs", 1, "--checkpoint", kept)
    (kept / "elsewhere").rename(kept / "last.safetensors")
    assert files(kept) == before
    # What goes wrong before the first checkpoint leaves them too.
    train(2, OTHER, *DATA, "--epochs", 1, "--checkpoint", kept, "--overwrite", "--json", "/dev/full", "--log", 1)
    assert files(kept) == before
    train(0, OTHER, *DATA, "--epochs", 1, "--checkpoint", kept, "--overwrite")
    assert network_of(kept / "best.safetensors") == network_of(kept / "last.safetensors") == OTHER
    assert id_of(kept / "best.safetensors") == id_of(kept / "last.safetensors")


def test_a_run_that_overwrites_and_stops_in_its_first_epoch_leaves_no_mixture(kept):
    large = ["--data", "synthetic:20000:20", "--threads", 1]
    log = kept.parent / "log"
    with Running(log, OTHER, *large, "--batch", 2, "--epochs", 1, "--checkpoint", kept, "--overwrite") as run:
        assert run.end(signal.SIGTERM) == 143
    assert set(files(kept)) == {"last.safetensors"}
    assert network_of(kept / "last.safetensors") == OTHER


def test_best_and_last_of_two_runs_are_not_mixed(kept):
    """As a kill between two files of a run that overwrites leaves them."""
    other = kept.parent / "other"
    train(0, OTHER, *DATA, "--epochs", 1, "--checkpoint", other)
    best = (other / "best.safetensors").read_bytes()
    assert OTHER in batchmark("infer", other, "--seconds", 0.01, "--batch", 1).stdout
    (kept / "best.safetensors").write_bytes(best)
    seen = batchmark("infer", kept, "--seconds", 0.01, "--batch", 1)
    assert seen.returncode == 0 and ONE in seen.stdout and OTHER not in seen.stdout
    assert "best.safetensors: is another run's" in train(2, "--resume", kept, "--epochs", 3)
    assert (kept / "best.safetensors").read_bytes() == best
    train(0, "--resume", kept, "--epochs", 3, "--overwrite")
    assert network_of(kept / "best.safetensors") == ONE


def test_a_run_without_its_best_writes_one_again(kept):
    (kept / "best.safetensors").unlink()
    # At such a rate no epoch is better than those before.
    train(0, "--resume", kept, "--epochs", 3, "--lr", 1e-30)
    place = json.loads(load(kept / "best.safetensors")[1]["run"])["place"]
    assert place["done"] == 60 and place["best"] >= 0


def test_a_run_that_goes_on_elsewhere_is_another(kept):
    before, fork = files(kept), kept.parent / "fork"
    train(0, "--resume", kept, "--epochs", 3, "--checkpoint", fork)
    assert id_of(fork / "last.safetensors") == id_of(fork / "best.safetensors") != id_of(kept / "last.safetensors")
    assert "another run's" in train(2, "--resume", kept, "--epochs", 3, "--checkpoint", fork)
    train(0, "--resume", fork, "--epochs", 4)
    assert files(kept) == before
    # The folder by another name is the same.
    link = kept.parent / "link"
    link.symlink_to(kept)
    train(0, "--resume", kept, "--epochs", 3, "--checkpoint", link)
    assert id_of(kept / "last.safetensors") == json.loads(load(kept / "best.safetensors")[1]["run"])["id"]
