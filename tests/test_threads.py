"""Numbers of threads: those a runtime's settings hide, and more than the tests' machine has cores."""

import os
import subprocess
from pathlib import Path

import pytest

BATCHMARK = os.environ.get("BATCHMARK", Path(__file__).resolve().parent.parent / "build/batchmark")
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


@pytest.mark.parametrize("setting", BINDINGS)
def test_all_cores_are_seen_where_openmp_binds_the_first_thread(setting):
    """The refusal of too many threads says how many there could be."""
    much = ["bench", "conv_fwd/naive", "--problem", "mb1ic1ih4oc1kh1", "--threads", "1024"]
    free = batchmark(*much)
    assert free[0] == 2 and "usable cores" in free[1]
    assert batchmark(*much, **dict([setting.split("=")])) == free


@pytest.mark.parametrize("threads", [5, 9, 17])
def test_teams_larger_than_the_work_verify(threads):
    """Nine threads and eight pieces of work: some thread has none."""
    problem = "mb2ic20ih9iw7oc33kh3ph1"
    status, text = batchmark(
        "verify", "conv_fwd/direct_planes_*omp", "--problem", problem, "--threads", str(threads)
    )
    assert status == 0, text
    assert " 0 failed" in text.splitlines()[-1] and not text.splitlines()[-1].startswith("0 passed")
