"""Names of folders reach the scripts as they are, spaces and all."""

import os
import subprocess
import sys

import pytest

from paths import ROOT

STUB = """#!/bin/sh
# Python as make calls it: says what a script was given, and works for whoever looks for a module.
[ "$1" = -B ] || exec {python} "$@"
shift
printf '%s' "${{1##*/}}"; shift
printf '|%s' "$@"; echo
"""
ONE, TWO, OUT = "one folder", "another's folder", "out here"


@pytest.mark.parametrize(
    "target, words, said",
    [
        ("compare", [f"A={ONE}", f"B={TWO}", "MORE='c c' d", f"OUT={OUT}"], [f"compare.py|{ONE}|{TWO}|c c|d|--out|{OUT}"]),
        ("plots", [f"RESULTS={TWO}", f"OUT={OUT}"], [f"plots.py|{TWO}|--out|{OUT}"]),
        ("plots", [f"A={ONE}", f"B={TWO}"], [f"plots.py|{ONE}|{TWO}"]),
        ("report", [f"RESULTS={ONE}", f"OUT={OUT}"], [f"plots.py|{ONE}", f"report.py|{ONE}|--out|{OUT}"]),
        ("report", [f"A={ONE}", f"B={TWO}"], [f"report.py|{ONE}|{TWO}"]),
    ],
)
def test_make_hands_on_what_it_was_given(target, words, said, tmp_path):
    stub = tmp_path / "python"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    # The set-up is not what is tested.
    clean = {k: v for k, v in os.environ.items() if k not in ("A", "B", "MORE", "RESULTS", "OUT", "MAKEFLAGS", "MFLAGS")}
    done = subprocess.run(
        ["make", "-s", target, *words, f"PYTHON={stub}", "setup=@:"],
        cwd=ROOT, env=clean, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if ".py|" in line] == said
