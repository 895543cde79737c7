#!/usr/bin/python3
"""Runs all tests and sums them up: the C programs, pytest, and a verification of the smoke set.

    tests/run.py [--pattern TEXT | --again] BATCHMARK C_TEST...

BATCHMARK is the program under test, C_TEST the cmocka programs and the fuzz targets, which are handed the files of
tests/fuzz/corpus. Each test is printed when it ends; a skipped one with its reason. The last line is 'N passed, N failed', with
', N skipped' where there are any. Exit status 1 if anything failed.

Skipped tests are listed in build/skipped.txt, a test and its reason in each line. --again runs only those tests, after the
missing packages have been installed. Those that need PyTorch run under build/venv, where make parity keeps it.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Longer than the longest, pytest, takes on half a CPU; what exceeds it hangs.
TIMEOUT = 1800
SKIPPED = ROOT / "build" / "skipped.txt"
TORCH = ROOT / "build" / "venv" / "bin" / "python"


class Tally:
    """What passed, failed and was skipped so far; prints each test as it is counted."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = []

    def count(self, name, verdict, seconds=None, why=""):
        """Counts one test; verdict is 'pass', 'FAIL' or 'skip'."""
        if verdict == "pass":
            self.passed += 1
        elif verdict == "skip":
            self.skipped += 1
            self.skips.append(f"{name}\t{' '.join(why.split())}")
        else:
            self.failed += 1
            self.failures.append(name)
        took = f"  ({seconds:.1f} s)" if seconds is not None and seconds >= 1 else ""
        reason = f": {why}" if verdict == "skip" else ""
        print(f"  {verdict}  {name}{reason}{took}")
        if verdict == "FAIL" and why:
            print("\n".join("        " + line for line in why.strip().splitlines()))
        sys.stdout.flush()

    def summary(self):
        """The closing line."""
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def run(command, environment=None):
    """Exit status, output (both streams, as they came) and seconds of a command; None is a timeout."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        # Threads that wait must not spin: where cores are lent out, a team would wait for one that has none.
        env={"OMP_WAIT_POLICY": "passive", **os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        status = None
    return status, output, time.monotonic() - start


def how_it_ended(status):
    """An exit status in words."""
    if status is None:
        return f"still running after {TIMEOUT} s"
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def tail(text, lines=25):
    """The last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])


def skip_reason(output, test):
    """cmocka's skip() takes no reason, so tests print 'skipped: why' or 'TEST skipped: why' before it."""
    named = re.search(rf"{re.escape(test)}.*?skip\w*:\s*(.+)", output)
    found = named or re.search(r"skip\w*:\s*(.+)", output)
    return found.group(1).strip() if found else "no reason given"


def run_cmocka(program, tally, wanted=lambda name: True):
    """Runs one C test program; its tests are counted from the XML it writes, where their name is wanted."""
    name = Path(program).stem
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "%g.xml")
        environment = {"CMOCKA_MESSAGE_OUTPUT": "XML", "CMOCKA_XML_FILE": report}
        status, output, seconds = run([program], environment)
        cases = []
        broken = None
        for path in sorted(Path(folder).glob("*.xml")):
            try:
                cases += ElementTree.parse(path).iter("testcase")
            except ElementTree.ParseError as error:
                broken = f"{path.name}: {error}"
    failed = 0
    for case in cases:
        test = case.get("name")
        if not wanted(f"{name}/{test}"):
            continue
        took = float(case.get("time") or 0)
        failure = case.find("failure")
        if failure is None:
            failure = case.find("error")
        if failure is not None:
            failed += 1
            message = (failure.text or failure.get("message") or "").strip()
            tally.count(f"{name}/{test}", "FAIL", took, message + "\n" + tail(output))
        elif case.find("skipped") is not None:
            tally.count(f"{name}/{test}", "skip", took, skip_reason(output, test))
        else:
            tally.count(f"{name}/{test}", "pass", took)
    # A program may also die before, between or after its tests, or report less than it ran.
    if broken:
        tally.count(name, "FAIL", seconds, f"unreadable report {broken}\n{tail(output)}")
    elif not cases:
        tally.count(name, "FAIL", seconds, f"ran no test ({how_it_ended(status)})\n{tail(output)}")
    elif status != 0 and not failed:
        tally.count(name, "FAIL", seconds, f"{how_it_ended(status)} after its tests\n{tail(output)}")


def run_fuzz_target(program, tally):
    """Hands a fuzz target the inputs kept for it: one test."""
    name = Path(program).stem
    inputs = sorted((ROOT / "tests/fuzz/corpus" / name.removeprefix("fuzz_")).iterdir())
    status, output, seconds = run([program, *map(str, inputs)])
    good = status == 0 and inputs and output.rstrip().endswith(f"{len(inputs)} inputs")
    why = "" if good else f"{how_it_ended(status)}\n{tail(output)}"
    tally.count(f"{name} ({len(inputs)} inputs)", "pass" if good else "FAIL", seconds, why)


def run_pytest(batchmark, pattern, tally, tests=("tests",), python=sys.executable):
    """Runs the Python tests, or those named; they find the program under test in BATCHMARK."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(python), "-B", "-m", "pytest", "-q", "--junitxml", str(report)]
        command += ["-p", "no:cacheprovider"] + (["-k", pattern] if pattern else []) + list(tests)
        status, output, _ = run(command, {"BATCHMARK": str(batchmark), "MPLBACKEND": "Agg"})
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            cases = []
    failed = 0
    for case in cases:
        module = (case.get("classname") or "").replace("tests.", "", 1)
        test = case.get("name").removeprefix("tests.")
        name = f"{module}/{test}" if module else test
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        skipped = case.find("skipped")
        took = float(case.get("time") or 0)
        if problem is not None:
            failed += 1
            tally.count(name, "FAIL", took, tail(problem.text or problem.get("message") or ""))
        elif skipped is not None:
            why = skipped.get("message") or "no reason given"
            # Of a module skipped as a whole the reason stands in the text: (file, line, reason).
            why = skipped.text if why == "collection skipped" and skipped.text else why
            tally.count(name, "skip", took, why)
        else:
            tally.count(name, "pass", took)
    no_test_selected = status == 5 and pattern
    if not cases and not no_test_selected:
        tally.count("pytest", "FAIL", None, f"ran no test ({how_it_ended(status)})\n{tail(output)}")
    elif status != 0 and not failed and not no_test_selected:
        tally.count("pytest", "FAIL", None, f"{how_it_ended(status)}\n{tail(output)}")


def run_verify(batchmark, tally):
    """Every variant over the smoke set: one test, whose name carries the number of its checks."""
    status, output, seconds = run([str(batchmark), "verify", "--set", "smoke"])
    last = (output.strip().splitlines() or [""])[-1]
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed(, \d+ skipped)?", last)
    good = status == 0 and counts and int(counts[1]) > 0 and int(counts[2]) == 0
    why = "" if good else f"{how_it_ended(status)}\n{tail(output)}"
    name = "verify --set smoke" + (f" ({last})" if counts else "")
    tally.count(name, "pass" if good else "FAIL", seconds, why)


def run_again(batchmark, programs, tally):
    """Runs the tests that the last run skipped. A module skipped as a whole stands there by its name alone."""
    lines = [line.split("\t", 1) for line in SKIPPED.read_text().splitlines()]
    skipped = {name for name, _ in lines}
    names = {Path(program).stem for program in programs}
    for program in programs:
        if any(name.split("/")[0] == Path(program).stem for name in skipped):
            run_cmocka(program, tally, skipped.__contains__)
    ordinary, torch = [], []
    for name, why in lines:
        module, _, test = name.partition("/")
        if module not in names:
            # Parameters may be others, and more, once what was missing is there.
            test = test.partition("[")[0]
            test = f"tests/{module.replace('.', '/')}.py" + (f"::{test}" if test else "")
            (torch if "import 'torch'" in why and TORCH.exists() else ordinary).append(test)
    if ordinary:
        run_pytest(batchmark, "", tally, dict.fromkeys(ordinary))
    if torch:
        run_pytest(batchmark, "", tally, dict.fromkeys(torch), TORCH)


def main():
    """Runs what the command line names and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pattern", default="", help="only tests whose name contains this")
    parser.add_argument("--again", action="store_true", help="only what the last run skipped")
    parser.add_argument("batchmark", type=Path)
    parser.add_argument("c_tests", nargs="*")
    arguments = parser.parse_args()

    tally = Tally()
    if arguments.again and not SKIPPED.exists():
        print("run.py: build/skipped.txt is not there: run make test first, then make test-skipped", file=sys.stderr)
        return 2
    if arguments.again:
        run_again(arguments.batchmark.resolve(), arguments.c_tests, tally)
    else:
        for program in arguments.c_tests:
            if arguments.pattern in program:
                kind = run_fuzz_target if Path(program).stem.startswith("fuzz_") else run_cmocka
                kind(program, tally)
        run_pytest(arguments.batchmark.resolve(), arguments.pattern, tally)
        if arguments.pattern in "verify --set smoke":
            run_verify(arguments.batchmark, tally)
        if not arguments.pattern:
            SKIPPED.write_text("".join(line + "\n" for line in tally.skips))
    if tally.failures:
        print("failed: " + ", ".join(tally.failures))
    if not tally.passed and not tally.failed:
        print(f"run.py: no test passed: nothing is named *{arguments.pattern}*, or all of it was skipped", file=sys.stderr)
        tally.failed = 1
    print(tally.summary())
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
