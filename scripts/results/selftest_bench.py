#!/usr/bin/python3
"""Does the benchmark agree with itself, and does it detect a slowdown of 5 %?

    scripts/results/selftest_bench.py [--processes 5] [--pattern GLOBS] [--keep DIR]

Three sides of the given number of processes each, in a random order in every round. A and B are the same; in C every call
is prolonged by 5 % (bench --plant-slowdown). They are compared as by make compare:

    A with B   at least 95 % of all rows show no difference
    A with C   at least 95 % of the stable rows are slower; stable: process medians of each side vary by at most 2 %

Exit status: 0 if both hold; else 1, with the reason: rows judged wrongly, or a machine too noisy to judge.
"""

import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from command import Parser, ended, positive
from comparison import MIN_RUNS, compare_rows, load_side
from results import ROOT, ResultsError

SLOWDOWN = 5
WANTED = 0.95
STABLE_CV = 0.02
# Fast variants of a convolution, a product and a normalization on one thread, each call far above the cost of reading the
# clock twice.
PATTERN = "conv_fwd/direct_avx*,gemm/packed_avx*,bn_fwd_train/twopass_avx*,!*_omp*,!*bf16*"
OPTIONS = ["--set", "ladder", "--threads", "1", "--budget", "0.06"]
SHORTEST = 20e-6


@dataclass
class Assessment:
    """What the two comparisons came to."""

    rows: int
    same: int  # of rows: no difference between A and B
    wrong: int  # of rows: called faster or slower, and are the same
    stable: int
    found: int  # of the stable: the planted slowdown was seen

    @property
    def equal(self):
        """Is the benchmark equal to itself?"""
        return self.same >= WANTED * self.rows

    @property
    def sees(self):
        """Does it see the planted slowdown? Not shown where no row is stable."""
        return self.stable > 0 and self.found >= WANTED * self.stable

    @property
    def noisy(self):
        """Is it the machine's noise that leaves rows unjudged, and not the comparison that errs?"""
        return self.wrong <= (1 - WANTED) * self.rows and (self.stable == 0 or self.sees)


def assess(a, b, c):
    """Judges three sides; rows of calls so short that reading the clock would count are left out."""
    same = {v.name: v for v in compare_rows(a, b) if v.seconds_a >= SHORTEST}
    slow = {v.name: v for v in compare_rows(a, c) if v.name in same}
    stable = [name for name in slow if max(same[name].cv, slow[name].cv) <= STABLE_CV]
    verdicts = [v.verdict for v in same.values()]
    return Assessment(
        rows=len(same),
        same=verdicts.count("no difference"),
        wrong=verdicts.count("faster") + verdicts.count("slower"),
        stable=len(stable),
        found=sum(slow[name].verdict == "slower" for name in stable),
    )


def lines(found):
    """The assessment in words."""
    yield f"A with B, the same: {found.same} of {found.rows} rows show no difference, {found.wrong} are called different"
    yield f"A with C, {SLOWDOWN} % slower: found in {found.found} of {found.stable} stable rows"
    if found.equal and found.sees:
        yield "selftest: passed"
    elif found.noisy:
        yield (
            "selftest: this machine is too noisy to show it: stop other programs, fix the clock, or take more "
            "processes (make selftest-bench PROCESSES=10)"
        )
    else:
        yield "selftest: FAILED: rows are judged wrongly"


def measure(folder, slowdown, pattern):
    """One process of the benchmark."""
    command = [ROOT / "build" / "batchmark", "bench", pattern, *OPTIONS, "--out", folder]
    command += ["--plant-slowdown", str(slowdown)] if slowdown else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ResultsError(f"batchmark bench ended with status {done.returncode}: {said[-1] if said else 'no word'}")


def run(folder, processes, pattern):
    """All processes, interleaved; three sides."""
    sides = {"A": 0, "B": 0, "C": SLOWDOWN}
    order = random.Random(1)
    folders = {side: [folder / f"{side}{i}" for i in range(processes)] for side in sides}
    for i in range(processes):
        for side in order.sample(sorted(sides), len(sides)):
            measure(folders[side][i], sides[side], pattern)
            print(f"  process {i + 1} of {processes} of side {side}", file=sys.stderr)
    return [load_side(folders[side], side) for side in sides]


def main():
    """Does what the command line asks for."""
    parser = Parser(description=__doc__)
    parser.add_argument("--processes", type=positive, default=5)
    parser.add_argument("--pattern", default=PATTERN)
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    if wanted.processes < MIN_RUNS:
        parser.error(f"--processes: at least {MIN_RUNS}, so that processes can be told from chance")
    return ended("selftest_bench.py", lambda: carry_out(wanted), "make build makes the program; name a folder by --keep")


def carry_out(wanted):
    """Measures and judges; 1 where the benchmark is not shown to be equal to itself and to see 5 %."""
    folder = wanted.keep or Path(tempfile.mkdtemp(prefix="selftest-"))
    try:
        found = assess(*run(folder, wanted.processes, wanted.pattern))
    finally:
        if not wanted.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lines(found)))
    return 0 if found.equal and found.sees else 1


if __name__ == "__main__":
    sys.exit(main())
