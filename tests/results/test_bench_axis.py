"""make bench-levels and bench-compilers: what a side that fails does to the others, with a program that only pretends."""

import shutil
import subprocess

import pytest

from paths import FIXTURE, ROOT, copy_scripts

# The machine, then a bench: its status by level, its rows in the folder after --out.
PROGRAM = """#!/bin/sh
[ "$1" = info ] && {{ echo '{{"isa": "avx512", "slug": "planted"}}'; exit; }}
level=$(echo "$*" | sed 's/.*--isa \\([a-z0-9]*\\).*/\\1/')
for out; do :; done
case $level in
{cases}
esac
mkdir -p "$out" && cp '{rows}' "$out/bench.json"
exit $status
"""


@pytest.fixture(name="levels")
def pretending(tmp_path):
    """Runs the axis of levels in a tree of its own, where batchmark ends as the cases say."""
    (tmp_path / "build").mkdir()
    copy_scripts(tmp_path, "bench_axis.sh", "compare.py", "comparison.py", "conclusion.py", "results.py", "tables.py")

    def run(cases):
        program = tmp_path / "build" / "batchmark"
        program.write_text(PROGRAM.format(cases=cases, rows=FIXTURE / "bench.json"))
        program.chmod(0o755)
        # A run of the same second would find what the last one left.
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        (tmp_path / "results").mkdir()
        shutil.copy(ROOT / "results" / "schema.json", tmp_path / "results")
        command = ["sh", "scripts/results/bench_axis.sh", "levels"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_all_levels_are_compared(levels):
    done = levels("*) status=0 ;;")
    assert done.returncode == 0 and done.stderr == ""
    assert [line for line in done.stdout.splitlines() if line.startswith("==")] == ["== base", "== avx2", "== avx512"]
    assert "Geometric means" in done.stdout and "\nC: avx512 (" in done.stdout


def test_a_level_that_fails_verification_does_not_stop_the_others(levels):
    done = levels("avx2) status=1 ;; *) status=0 ;;")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "bench_axis.sh: avx2: verification failed, see the lines above; goes on without what failed",
        "bench_axis.sh: verification failed at: avx2",
    ]
    assert "\nB: avx2 (" in done.stdout and "\nC: avx512 (" in done.stdout and "Geometric means" in done.stdout


def test_a_level_where_nothing_passes_is_left_out(levels):
    done = levels("base) exit 1 ;; *) status=0 ;;")
    assert done.returncode == 1 and "Geometric means" in done.stdout
    assert ": base (" not in done.stdout and "\nA: avx2 (" in done.stdout
    alone = levels("avx512) status=0 ;; *) exit 1 ;;")
    assert alone.returncode == 1 and "Geometric means" not in alone.stdout
    assert "nothing to compare" in alone.stderr


def test_wrong_use_stops_at_once(levels):
    done = levels("*) exit 2 ;;")
    assert done.returncode == 2 and done.stdout == "== base\n"
