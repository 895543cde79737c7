"""A command that has nothing to do is no success: it gives a reason and status 1 before it measures anything."""

import json
import os
import re
import sys
import time

import pytest
import run

from tensorfile import batchmark

TOO_LARGE = "mb1ic1ih260000"  # 252 GiB twice, within what a problem may be
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
small_memory = pytest.mark.skipif(MEMORY > 500 * 2**30, reason="the largest problem fits into this machine")


@small_memory
def test_bench_of_what_does_not_fit(folder):
    """Told with its reason, and no ceiling is measured first: that alone would take seconds."""
    start = time.monotonic()
    done = batchmark("bench", "copy/naive", "--problem", TOO_LARGE, "--out", f"{folder}/out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"batchmark: bench: nothing was timed: copy/naive/[^\n]*memory[^\n]*\n$", done.stderr), done.stderr
    assert "rows timed" not in done.stdout and "left out" in done.stdout
    assert os.listdir(folder) == [] and time.monotonic() - start < 60


def test_bench_of_what_cannot_be_done(folder):
    """Refused input is status 2."""
    done = batchmark("bench", "conv_fwd/winograd4*", "--problem", "mb1ic3ih9oc4kh5", "--out", f"{folder}/out")
    assert done.returncode == 2 and "nothing to time" in done.stderr and not done.stdout
    assert os.listdir(folder) == []


def test_bench_whose_ceilings_take_the_limit(folder):
    """What they are measured for is timed all the same."""
    what = ("bench", "bn_fwd_infer/naive", "--problem", "mb2ic4ih8", "--threads", "1", "--isa", "base")
    done = batchmark(*what, "--limit", "0.01", "--out", f"{folder}/out")
    assert done.returncode == 0, done.stderr
    rows = json.loads(open(f"{folder}/out/bench.json", encoding="utf-8").read())["benchmarks"]
    assert {row["name"].split("/")[0] for row in rows} > {"bn_fwd_infer", "peak_fma"}


@small_memory
def test_verify_of_what_does_not_fit():
    """No case passed, so nothing was proved."""
    done = batchmark("verify", "copy/naive", "--problem", TOO_LARGE, "--threads", "1")
    assert done.returncode == 1, done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 1 skipped"
    assert re.search(r"batchmark: verify: nothing was verified: [^\n]*memory[^\n]*sizes\n$", done.stderr), done.stderr
    done = batchmark("verify", "copy/naive", "--problem", TOO_LARGE, "--threads", "1", "--json", "--quiet")
    assert done.returncode == 1 and "nothing was verified" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["passed"] == 0


def test_verify_of_what_cannot_run_here():
    """Variants that are all beyond the cap."""
    done = batchmark("verify", "copy/*avx2*", "--isa", "base", "--problem", "mb2ic3", "--quiet")
    if "no variant matches" in done.stderr:
        pytest.skip("this build has no variant of that name")
    assert done.returncode == 1 and "nothing was verified" in done.stderr
    assert batchmark("verify", "copy/naive", "--problem", "mb2ic3", "--quiet").returncode == 0


def test_tests_of_no_name(monkeypatch, capsys):
    """make test T=nosuch."""
    monkeypatch.setattr(run, "run_pytest", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["run.py", "--pattern", "nosuch", "build/batchmark", "build/tests/problem/test_problem"])
    assert run.main() == 1
    assert "no test passed" in capsys.readouterr().err
