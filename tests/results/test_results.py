"""results/: a fresh run fits its schema, planted faults do not, and the published runs do."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import check_results
import comparison
import results
import selftest_bench
from paths import script_file
from tensorfile import BATCHMARK


@pytest.fixture(name="fresh", scope="module")
def fresh_run(tmp_path_factory):
    """A run of one small row, made once."""
    folder = tmp_path_factory.mktemp("results") / "run"
    command = [BATCHMARK, "bench", "gemm/naive", "--problem", "2x3:3x4", "--threads", "1", "--budget", "0.05"]
    done = subprocess.run([*command, "--out", folder], capture_output=True, text=True, timeout=300, check=False)
    if "emulated" in done.stderr:
        pytest.skip("the CPU is emulated: nothing is timed")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(name="run")
def copied_run(fresh, tmp_path):
    """A copy of it that may be damaged."""
    return Path(shutil.copytree(fresh, tmp_path / "run"))


def findings(folder):
    """All that is found in one run."""
    return [line for lines in check_results.check_run(folder).values() for line in lines]


def edit(path, change):
    """Applies a change to a JSON file."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_fresh_run_fits_the_schema(run):
    assert findings(run) == []


def check(*folders):
    """The command, as a user gives it."""
    command = [sys.executable, "-B", script_file("check_results.py"), *folders]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_published_runs_fit_the_schema():
    done = check()
    assert done.returncode == 0, done.stdout
    assert "0 findings" in done.stdout


def test_system_has_what_explains_a_figure(run):
    system = json.loads((run / "system.json").read_text())
    machine = system["machine"]
    for key in ("cpu", "microarchitecture", "isa", "cache_bytes", "memory_bytes", "kernel", "c_library", "page_bytes"):
        assert machine[key], key
    for key in ("commit", "compiler", "kernel_flags", "openmp_runtime", "seed", "command", "libraries", "schema_version"):
        assert key in system, key
    assert 50 < system["clock_mhz"]["scalar"] < 10000
    assert system["conditions"]["load_before"] >= 0
    assert len(system["host_name"]) == 16


def test_nothing_personal_is_written(run):
    host, home = os.uname().nodename, os.path.expanduser("~")
    for path in run.iterdir():
        text = path.read_text(errors="replace")
        assert home not in text or home == "/", path.name
        assert str(run.parent) not in text, path.name
        if len(host) > 3:
            assert host not in text, path.name
    assert "--out .../run" in json.loads((run / "system.json").read_text())["command"]


def rows_edited(document):
    """Every time divided by three, but not the medians beside them."""
    for row in document["benchmarks"]:
        row["real_time"] /= 3


@pytest.mark.parametrize(
    "file, change, said",
    [
        ("bench.json", rows_edited, "edited"),
        ("bench.json", lambda d: d["benchmarks"][0].update(label="great"), "label"),
        ("bench.json", lambda d: d["benchmarks"][0].pop("iterations"), "iterations"),
        ("bench.json", lambda d: d["context"].pop("compiler"), "compiler"),
        ("bench.json", lambda d: d["context"].update(schema_version=2), "schema_version"),
        ("bench.json", lambda d: d["context"].update(host_name="my-laptop"), "host_name"),
        ("bench.json", lambda d: d["context"].update(planted_slowdown=5), "planted_slowdown"),
        ("bench.json", lambda d: d["benchmarks"][0].update(rung=float("inf")), "rung"),
        ("bench.json", lambda d: d["context"].update(set="/home/ann/set.txt"), "private"),
        ("system.json", lambda d: d.pop("clock_mhz"), "clock_mhz"),
        ("system.json", lambda d: d["machine"].update(emulated=True), "emulated"),
        ("system.json", lambda d: d["environment"].update(OMP_TOOL="/home/ann/tool"), "private"),
        ("system.json", lambda d: d.update(host_name="0" * 16), "another run"),
    ],
)
def test_planted_faults_are_named(run, file, change, said):
    edit(run / file, change)
    found = findings(run)
    assert found and any(said in line for line in found), found


def test_missing_and_damaged_files_are_named(run):
    (run / "train-lenet.jsonl").write_text('{"event": "step", "step": 1, "loss": 2.3}\n{"event": "step", "step": -1}\n')
    assert any("line 2" in line for line in findings(run))
    (run / "train-lenet.jsonl").unlink()
    (run / "topology.xml").write_text('<topology><info name="HostName" value="x"/></topology>')
    assert any("HostName" in line for line in findings(run))
    (run / "system.json").unlink()
    assert any("no system.json" in line for line in findings(run))
    done = check(run, run / "none")
    assert done.returncode == 1 and done.stderr == ""


def side(label, chance, noise=0.003, luck=0.003, factor=1.0):
    """Five processes of thirty rows, as load_side returns them."""
    names = [f"gemm/blocked_avx2/{i + 1}x64:64x64/nn/warm/t1" for i in range(30)]
    samples = {n: [] for n in names}
    for _ in range(5):
        for i, name in enumerate(names):
            process = 1e-4 * (i + 1) * factor * chance.gauss(1, luck)
            samples[name].append(tuple(process * chance.gauss(1, noise) for _ in range(9)))
    rows = [results.Row(n, *n.split("/")[:5], threads=1, seconds=runs[0][0]) for n, runs in samples.items()]
    return comparison.Side(label, ["x"] * 5, {}, rows, samples, [])


def test_the_selftest_passes_a_quiet_machine():
    chance = random.Random(1)
    found = selftest_bench.assess(side("A", chance), side("B", chance), side("C", chance, factor=1.05))
    assert found.equal and found.sees and found.stable >= 28
    assert list(selftest_bench.lines(found))[-1] == "selftest: passed"


def test_the_selftest_calls_noise_noise():
    chance = random.Random(1)
    noisy = [side(label, chance, luck=0.08, factor=f) for label, f in (("A", 1), ("B", 1), ("C", 1.05))]
    found = selftest_bench.assess(*noisy)
    assert not (found.equal and found.sees)
    assert "too noisy" in list(selftest_bench.lines(found))[-1]


def test_the_selftest_fails_what_is_unequal_or_blind():
    chance = random.Random(1)
    unequal = selftest_bench.assess(side("A", chance), side("B", chance, factor=1.05), side("C", chance, factor=1.05))
    blind = selftest_bench.assess(side("A", chance), side("B", chance), side("C", chance))
    for found in (unequal, blind):
        assert "FAILED" in list(selftest_bench.lines(found))[-1]
    assert unequal.wrong >= 28 and blind.found == 0
