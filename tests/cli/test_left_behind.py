"""A stopped run leaves nothing behind; the next run removes what a killed one left."""

import fcntl
import os
import re
import signal
import subprocess
import time

import pytest

from paths import copy_scripts
from tensorfile import BATCHMARK, batchmark

# A problem that is verified for a while.
LONG = ["bench", "conv_fwd/naive", "--problem", "mb64ic64ih56oc64kh3ph1", "--threads", "1"]
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def heard():
    """For a child: control-C is heard, even where these tests run in the background of a shell."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(name="start")
def processes():
    """Starts processes, text captured, and ends them with the test."""
    started = []

    def start(command, cwd):
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
        process = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()


def wait_for(there, process):
    """Until that is so."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end, "it took too long"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def runs(place):
    """The folders of runs below results/."""
    return [path for path in place.glob("results/*/*") if not path.is_symlink()]


def unlocked(folder):
    """Does no process hold it?"""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("out", [[], ["--out", "here/below"]], ids=["results", "out"])
def test_a_bench_that_is_stopped(number, out, tmp_path, start):
    """Its folder goes, and those it made above; the status says what stopped it."""
    process = start([BATCHMARK, *LONG, *out], tmp_path)
    wait_for(lambda: runs(tmp_path) or (tmp_path / "here" / "below").exists(), process)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == SIGNALS[number]
    assert "bench: stopped" in said
    assert os.listdir(tmp_path) == []


def test_a_bench_that_is_killed(tmp_path, start):
    """The next run sweeps its folder; that of a run that lives, and results, stay."""
    process = start([BATCHMARK, *LONG], tmp_path)
    wait_for(lambda: runs(tmp_path), process)
    (killed,) = runs(tmp_path)
    other = start([BATCHMARK, *LONG], tmp_path)
    wait_for(lambda: len(runs(tmp_path)) == 2, other)
    (living,) = set(runs(tmp_path)) - {killed}
    process.kill()
    process.wait()
    wait_for(lambda: unlocked(killed), other)  # its worker dies a moment later
    # Of another second than the next, which could be given its name.
    killed = killed.rename(killed.with_name("2000-01-01-000001_abc"))
    kept = killed.with_name("2000-01-01-000000_abc")
    kept.mkdir()
    (kept / "bench.json").write_text("{}")
    third = start([BATCHMARK, *LONG], tmp_path)
    wait_for(lambda: len(set(runs(tmp_path)) - {killed, living, kept}) == 1, third)
    assert not killed.exists() and living.exists() and (kept / "bench.json").exists()
    for one in (other, third):
        one.terminate()
        one.communicate(timeout=30)
    assert runs(tmp_path) == [kept]


def test_two_benches_do_not_share_a_folder(tmp_path, start):
    """Begun in one second they have a folder each; one that is asked for is refused while another writes there."""
    several = [start([BATCHMARK, *LONG], tmp_path) for _ in range(3)]
    wait_for(lambda: len(runs(tmp_path)) == 3, several[0])
    for one in several:
        one.terminate()
        one.communicate(timeout=30)
    first = start([BATCHMARK, *LONG, "--out", "same"], tmp_path)
    wait_for(lambda: (tmp_path / "same").exists(), first)
    # The folder is there a moment before it is locked.
    time.sleep(0.2)
    done = batchmark(*LONG, "--out", "same", cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"batchmark: bench: same: another run writes its results there[^\n]*\n", done.stderr), done.stderr
    first.terminate()
    first.communicate(timeout=30)


PROGRAM = """#!/bin/sh
log=
for word; do
    [ "$log" != next ] || echo "{}" >"$word"
    log=
    [ "$word" != --json ] || log=next
done
[ "$1" = bench ] || exit 0
echo measuring
mkdir -p results/m/run
[ ! -e slow ] || {
    trap 'echo told >told; kill $!; exit 143' TERM
    echo $$ >started
    sleep 60 >/dev/null 2>&1 &
    wait
}
"""


@pytest.fixture(name="tree")
def pretending(tmp_path):
    """scripts/results/bench.sh in a tree of its own, whose program and scripts only pretend."""
    (tmp_path / "build").mkdir()
    copy_scripts(tmp_path, "bench.sh")
    scripts = {"results.py": "print('results/m/run')", "summary.py": "import sys; print(sys.argv[1:])", "plots.py": ""}
    for name, text in scripts.items():
        (tmp_path / "scripts/results" / name).write_text(text + "\n")
    program = tmp_path / "build" / "batchmark"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return tmp_path


def test_make_bench_that_ends(tree, start):
    """The log lies beside the rows, and what is temporary is gone, that of a killed run too; a living one's stays."""
    for owner in ("999999999", str(os.getpid())):
        (tree / "build" / f"bench.{owner}").mkdir()
        (tree / "build" / f"bench.{owner}" / "log").write_text("old")
    process = start(["sh", "scripts/results/bench.sh", "quick"], tree)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert (tree / "results" / "m" / "run" / "log.txt").read_text() == printed
    assert "measuring" in printed and "results/m/run/bench.json" in printed
    assert sorted(os.listdir(tree / "build")) == ["batchmark", f"bench.{os.getpid()}"]


@pytest.mark.parametrize("number", SIGNALS)
def test_make_bench_that_is_stopped(number, tree, start):
    """What it runs is told and waited for, and nothing temporary stays."""
    (tree / "slow").touch()
    process = start(["sh", "scripts/results/bench.sh", "quick"], tree)
    wait_for((tree / "started").exists, process)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == SIGNALS[number]
    assert (tree / "told").exists()
    assert os.listdir(tree / "build") == ["batchmark"]
