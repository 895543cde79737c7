"""Numbers of threads: those a runtime's settings hide, and more than the tests' machine has cores."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tensorfile import BATCHMARK, save

BINDINGS = ["OMP_PROC_BIND=true", "OMP_PROC_BIND=close", "OMP_PROC_BIND=spread", "OMP_PLACES=cores", "OMP_PLACES=threads"]


def batchmark(*arguments, **environment):
    """The program's exit status and what it prints on both streams."""
    result = subprocess.run(
        [BATCHMARK, *arguments],
        env={"OMP_WAIT_POLICY": "passive", **os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


def usable_cores():
    """Of the affinity mask, and no more than a control group pays for."""
    return json.loads(batchmark("info", "--quick", "--json")[1])["usable_cpus"]


@pytest.mark.parametrize("setting", BINDINGS)
def test_all_cores_are_seen_where_openmp_binds_the_first_thread(setting):
    """The refusal of too many threads says how many there could be."""
    much = ["bench", "conv_fwd/naive", "--problem", "mb1ic1ih4oc1kh1", "--threads", "1024"]
    free = batchmark(*much)
    assert free[0] == 2 and "usable cores" in free[1]
    assert batchmark(*much, **dict([setting.split("=")])) == free


@pytest.mark.parametrize("setting", BINDINGS)
def test_both_sizes_of_teams_are_timed_where_openmp_binds(setting):
    """On one core they are one."""
    cores = usable_cores()
    listed = ["bench", "gemm/packed_*omp", "--problem", "9x9:9x9", "--list-rows"]
    status, rows = batchmark(*listed, **dict([setting.split("=")]))
    assert status == 0
    assert {row.rsplit("/", 1)[1] for row in rows.split()} == {"t1", f"t{cores}"}


@pytest.mark.parametrize("setting", ["OMP_WAIT_POLICY=passive", *BINDINGS])
def test_each_thread_keeps_a_core_of_its_own(setting):
    """Where the program puts its threads, and not where the runtime does; seen from outside while it computes."""
    if usable_cores() < 2:
        pytest.skip("one core")
    masks = []

    def pinned():
        masks[:] = [
            line.split()[1]
            for task in Path(f"/proc/{process.pid}/task").iterdir()
            for line in (task / "status").read_text().splitlines()
            if line.startswith("Cpus_allowed_list")
        ]
        return seconds_used(process) > 0.5 and len(masks) >= 2

    process = start("train", "mlp", "--steps", "1000000", "--threads", "2", "--verify", "off", **dict([setting.split("=")]))
    try:
        assert wait_until(pinned, process)
        assert len(set(masks)) == len(masks) and all(mask.isdigit() for mask in masks), masks
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("threads", [5, 9, 17])
def test_teams_larger_than_the_work_verify(threads):
    """Nine threads and eight pieces of work: some thread has none."""
    problem = "mb2ic20ih9iw7oc33kh3ph1"
    status, text = batchmark(
        "verify", "conv_fwd/direct_planes_*omp", "--problem", problem, "--threads", str(threads)
    )
    assert status == 0, text
    assert " 0 failed" in text.splitlines()[-1] and not text.splitlines()[-1].startswith("0 passed")


GRANTED = "grants no team larger than 1; unset OMP_THREAD_LIMIT"


@pytest.mark.parametrize(
    "command",
    [
        "verify conv_fwd/direct_*omp --problem mb4ic16ih16oc16kh3ph1 --threads 1,2",
        "bench conv_fwd/naive --problem mb4ic16ih16oc16kh3ph1 --threads 1,2 --out OUT",
        "plan mlp --threads 2",
        "train mlp --threads 2 --steps 1",
        "run copy/naive mb1ic1ih4 --in IN --out OUT --threads 2",
    ],
)
def test_a_team_that_is_not_granted_is_refused(command, folder):
    """No figure and no verdict may be called one of two threads that was one of one."""
    if usable_cores() < 2 and command.split()[0] in ("bench", "plan"):
        pytest.skip("one core: two threads are refused for that")
    save(f"{folder}/x", {"src": np.zeros((1, 1, 4, 4), np.float32)})
    command = command.replace("IN", f"{folder}/x").replace("OUT", f"{folder}/y")
    status, text = batchmark(*command.split(), OMP_THREAD_LIMIT="1")
    assert status == 2 and GRANTED in text and len(text.splitlines()) == 1, text


def test_max_is_what_can_be_had():
    status, text = batchmark("verify", "gemm/small_*omp", "--problem", "9x9:9x9", "--json", OMP_THREAD_LIMIT="1")
    assert status == 0 and '"threads": 1,' in text and '"threads": 2,' not in text


@pytest.mark.parametrize("setting", ["OMP_DYNAMIC=true", "OMP_MAX_ACTIVE_LEVELS=0"])
def test_teams_are_whole_under_settings_that_shrink_them(setting, folder):
    """Threads of the process, seen from outside."""
    process = start("train", "mlp", "--steps", "1000000", "--threads", "7", "--verify", "off", **dict([setting.split("=")]))
    try:
        assert wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/task")) >= 7, process)
    finally:
        process.kill()
        process.communicate()


def start(*arguments, **environment):
    return subprocess.Popen(
        [BATCHMARK, *arguments],
        env={"OMP_WAIT_POLICY": "passive", **os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.01)
    return False


def seconds_used(process):
    """CPU time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def last_words(process, number, after=0.5):
    """What a process says that is sent a fatal signal when it has computed for so many seconds."""
    try:
        assert wait_until(lambda: seconds_used(process) > after, process), process.stderr.read()
        process.send_signal(number)
        return process.communicate(timeout=60)[1]
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGFPE, signal.SIGSEGV])
def test_run_says_which_kernel_a_fatal_signal_ended(number, folder):
    save(f"{folder}/x", {"src": np.zeros((1, 512, 64, 64), np.float32), "weights": np.zeros((512, 512, 5, 5), np.float32)})
    problem = "mb1ic512ih64oc512kh5ph2"
    process = start("run", "conv_fwd/naive", problem, "--in", f"{folder}/x", "--out", f"{folder}/y")
    text = last_words(process, number)
    assert process.returncode == -number
    assert f"run: ended by {number.name}" in text and f"in conv_fwd/naive {problem} nchw t1" in text, text
    assert len(text.splitlines()) == 1


def test_train_says_which_kernel_a_fatal_signal_ended():
    process = start(
        "train", "conv 100 5x5 same; conv 100 5x5 same; avgpool 16; flatten; dense 10", "--kernels", "*/naive", "--batch", "64",
        "--verify", "off", "--threads", "1",
    )  # fmt: skip
    text = last_words(process, signal.SIGFPE, after=2)
    assert process.returncode == -signal.SIGFPE
    assert "train: ended by SIGFPE" in text and "/naive mb64ic" in text, text


@pytest.mark.parametrize("cores", [9, 16, 64])
def test_larger_machines_are_tried_by_a_made_up_topology(cores):
    """Their cores share those there are, and a warning says so."""
    status, text = batchmark("info", "--quick", HWLOC_SYNTHETIC=f"core:{cores} pu:1")
    assert status == 0 and f"{cores} usable" in text and "times mean nothing" in text, text
    rows = batchmark("bench", "gemm/packed_*omp", "--problem", "9x9:9x9", "--threads", "max", "--list-rows",
                     HWLOC_SYNTHETIC=f"core:{cores} pu:1")  # fmt: skip
    assert rows[0] == 0 and f"/t{cores}" in rows[1]
