#!/usr/bin/python3
"""Reads what a run left in results/<machine>/<date>_<commit>/: rows of bench.json, lines of train*.jsonl.

A row of bench.json is one repetition; the repetitions of a name become one Row with the median time. All input is checked
against results/schema.json first, so that a damaged file gives one line that names the place.

    scripts/results/results.py      prints the folder of the newest run, relative to the working directory
"""

import functools
import json
import lzma
import os
import re
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from command import Mistake, Parser, ended

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "results" / "schema.json"
SECONDS_PER = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
CEILINGS = ("peak_fma", "copy", "triad")
# Whose work is arithmetic; the others move memory and are measured in bytes.
COMPUTE_OPS = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights", "conv_bn_infer", "conv_stats", "gemm")
COUNTERS = ("gflops", "gflops_nominal", "gflops_actual", "gbps", "pct_peak", "pct_copy", "speedup_naive")
COUNTERS += ("err_over_limit", "cv", "median_time", "rung")
# Of a measured ceiling, in percent; what is above the whole says that the ceiling was measured too low.
SHARES = ("pct_peak", "pct_copy")
WHOLE = 100
UNSTABLE_CV = 0.05
# Of the files; those without a version are older and read the same.
SCHEMA_VERSION = 1
# What a file of ours never has, and what would break whoever reads on: deeper nesting, larger figures, shorter or longer calls.
DEEPEST = 20
LARGEST = 1e30
SECONDS = (1e-12, 1e9)
# Of what is wrong with a value, the part that is said.
SAID = 120


class ResultsError(Mistake):
    """One line: what cannot be read, where, what to do."""


@dataclass
class Row:
    """One timed case: OP/VARIANT/PROBLEM/LAYOUT/CACHE/tN."""

    name: str
    op: str
    variant: str
    problem: str
    layout: str
    cache: str
    threads: int
    seconds: float
    label: str = ""
    counters: dict = field(default_factory=dict)
    samples: tuple = ()  # seconds of each repetition
    beyond: bool = False  # it was faster than the ceiling it is held to: the share of that is left out

    def get(self, counter):
        """A counter, or None where the row has none."""
        return self.counters.get(counter)

    @property
    def rung(self):
        """The rung of the ladder: 10 naive, 40 SIMD, ...; None where the run did not record it."""
        value = self.get("rung")
        if value is None:
            found = re.search(r"\brung[ =:](\d+)", self.label)
            value = int(found[1]) if found else None
        return None if value is None else int(value)

    @property
    def unstable(self):
        """Did the repetitions differ too much to be trusted?"""
        return "unstable" in self.label or (self.get("cv") or 0) > UNSTABLE_CV

    @property
    def is_compute(self):
        """Is it held to the FMA peak (else to the copy bandwidth)?"""
        return self.op in COMPUTE_OPS

    @property
    def rate(self):
        """What the operation is judged by: useful GFLOP/s, or GB/s of compulsory bytes; None if absent."""
        return self.get("gflops" if self.is_compute else "gbps")

    @property
    def gflops_done(self):
        """Operations done a second, more than the useful ones where an algorithm does others. None if absent."""
        return self.get("gflops_actual") or self.get("gflops")

    @property
    def rate_unit(self):
        """The unit of rate."""
        return "GFLOP/s" if self.is_compute else "GB/s"

    @property
    def bytes(self):
        """Compulsory bytes of one call: the working set. None if unknown."""
        gbps = self.get("gbps")
        return gbps * 1e9 * self.seconds if gbps else None


@dataclass
class Run:
    """A results folder: the context of Google Benchmark, the rows, the training runs."""

    folder: Path
    context: dict
    rows: list
    training: list

    def of(self, op, cache="warm"):
        """The rows of an operation; of any cache state where none has that one."""
        rows = [r for r in self.rows if r.op == op]
        return [r for r in rows if r.cache == cache] or rows

    @property
    def ops(self):
        """The operations measured, convolutions first, ceilings left out."""
        present = {r.op for r in self.rows} - set(CEILINGS)
        known = [op for op in COMPUTE_OPS if op in present]
        return known + sorted(present - set(known))

    @property
    def machine(self):
        """The CPU in words."""
        machine = self.context.get("machine") or {}
        names = [machine[key] for key in ("cpu", "microarchitecture") if machine.get(key)]
        if names:
            return names[0] + (f" ({names[1]})" if len(names) > 1 else "")
        return self.folder.parent.name


def newest(root=ROOT / "results"):
    """The folder of the newest run under results/."""
    runs = sorted(Path(root).glob("*/*/bench.json*"), key=lambda path: path.stat().st_mtime)
    runs = [path for path in runs if path.parent.name != "latest"] or runs
    if not runs:
        raise ResultsError(f"{root}: no */*/bench.json there; run make bench first")
    return runs[-1].parent


def read_text(path):
    """The text of a file, unpacked where its name ends in .xz. A pipe is refused, for it may never end."""
    if path.exists() and not path.is_file():
        raise ResultsError(f"{path}: not a file; name a folder that make bench wrote")
    data = path.read_bytes()
    return (lzma.decompress(data) if path.suffix == ".xz" else data).decode("utf-8")


def parse(text):
    """The document a JSON text holds. Raises ValueError whatever is wrong with it."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_document(path):
    """The JSON of a bench.json, of PATH.xz where only that is there."""
    path = Path(path)
    packed = path.with_name(path.name + ".xz")
    return parse(read_text(packed if packed.exists() and not path.exists() else path))


@functools.cache
def validator(part):
    """A validator for one kind of file: bench, system, train or experiments."""
    try:
        import jsonschema
    except ImportError as error:
        raise ResultsError(
            "jsonschema for Python is not installed (python3-jsonschema of Debian and Ubuntu); "
            "scripts/setup/setup.sh check brings it"
        ) from error
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator({**schema, "$ref": f"#/definitions/{part}"})


def oddities(value, path=()):
    """(path, what) of values that JSON allows and no file of ours has: figures that are none, signs that steer a terminal."""
    if len(path) > DEEPEST:
        yield path, "nested too deeply"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from oddities(key, path)
            yield from oddities(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from oddities(item, (*path, i))
    elif isinstance(value, str):
        if not value.isprintable():
            yield path, f"{shown(value)} is no printable text"
    elif isinstance(value, (int, float)) and not abs(value) < LARGEST:
        yield path, "a figure beyond all measure"


def shown(text):
    """The beginning of a text that may hold anything."""
    return text[:SAID] if text.isprintable() else ascii(text[:SAID])


def place_of(document, path):
    """Where in a document, in words: the row and its name, then the field."""
    path = list(path)
    if path[:1] == ["benchmarks"] and len(path) > 1 and isinstance(path[1], int):
        row = document["benchmarks"][path[1]]
        name = row.get("name") if isinstance(row, dict) else None
        where = f"row {path[1] + 1}" + (f" ({shown(name)})" if isinstance(name, str) else "")
        path = path[2:]
    else:
        where = ""
    field = "/".join(shown(str(part)) for part in path)
    return ", ".join(part for part in (where, field) if part) or "the document"


def faults(document, part):
    """What a document has that no file of its kind may have, a line each with the place of it."""
    found = False
    for path, what in oddities(document):
        found = True
        yield f"{place_of(document, path)}: {what}"
    if found:
        # A validator is not made for such values.
        return
    for error in validator(part).iter_errors(document):
        yield f"{place_of(document, error.absolute_path)}: {error.message[:SAID]}"


def first_fault(document, part):
    """The first of faults(), or None."""
    return next(faults(document, part), None)


def version_of(document):
    """The schema version a document names; ours where it names none, as older files do."""
    context = document.get("context") if isinstance(document, dict) else None
    version = context.get("schema_version") if isinstance(context, dict) else None
    return version if isinstance(version, int) else SCHEMA_VERSION


def load_rows(path):
    """(context, rows) of a bench.json, packed or not; of no other schema than the one that is read here."""
    again = "fetch it again or run make bench"
    try:
        document = read_document(path)
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; run make bench first") from error
    except (ValueError, lzma.LZMAError) as error:
        raise ResultsError(f"{path}: not a result of batchmark bench ({str(error)[:SAID]}); {again}") from error
    version = version_of(document)
    if version != SCHEMA_VERSION:
        raise ResultsError(f"{path}: schema version {version}, and this program reads {SCHEMA_VERSION}; update it")
    fault = first_fault(document, "bench")
    if fault:
        raise ResultsError(f"{path}: {fault}; {again}")
    return document["context"], rows_of(path, document)


def rows_of(path, document):
    """The rows of a document without faults."""
    repetitions = {}
    for entry in document["benchmarks"]:
        repetitions.setdefault(entry["name"], []).append(entry)
    return [to_row(path, name, entries) for name, entries in repetitions.items()]


def to_row(path, name, entries):
    """Joins the repetitions of one name."""
    parts = name.split("/")
    samples = tuple(e["real_time"] * SECONDS_PER[e["time_unit"]] for e in entries)
    if not all(SECONDS[0] < s < SECONDS[1] for s in samples):
        raise ResultsError(f"{path}: row {name}, real_time: none that a call takes; run make bench again")
    counters = {}
    for counter in COUNTERS:
        values = [e[counter] for e in entries if counter in e]
        if values:
            counters[counter] = statistics.median(values)
    row = Row(name, *parts[:5], threads=int(parts[5][1:]), seconds=statistics.median(samples), label=entries[0]["label"])
    # Older runs hold shares above the whole.
    over = [share for share in SHARES if counters.get(share, 0) > WHOLE]
    row.counters = {counter: value for counter, value in counters.items() if counter not in over}
    row.beyond = row.op not in CEILINGS and (bool(over) or entries[0].get("over_ceiling", False))
    row.samples = samples
    return row


def read_events(path):
    """The lines of a training log as documents."""
    try:
        # What is no text becomes signs that are no JSON either.
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ["no file"]
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; take the file away or train again") from error
    for number, line in enumerate(lines, 1):
        try:
            event = parse(line)
            fault = first_fault(event, "train")
        except ValueError as error:
            fault = str(error)[:SAID]
        if fault:
            raise ResultsError(f"{path}:{number}: not a line of train --json ({fault}); take the file away or train again")
        yield event


def load_training(folder):
    """The training runs beside a bench.json: a dict each, with preset, steps, epochs and summary. In a file, steps that
    continue the numbers of those before the last summary are the same run, resumed: another of its turns, which are
    lists of the steps."""
    runs = []
    for path in sorted(Path(folder).glob("train*.jsonl")):
        run, ended = None, False
        for event in read_events(path):
            kind = event["event"]
            resumed = ended and run["steps"] and event.get("step", 0) > run["steps"][-1].get("step", 0)
            if run is None or (ended and not resumed):
                run = {"preset": path.stem.replace("train", "").strip("-_") or "network"}
                run.update(steps=[], turns=[[]], epochs=[], summary={})
                runs.append(run)
            elif resumed:
                run["turns"].append([])
            ended = kind == "summary"
            if kind == "step":
                run["steps"].append(event)
                run["turns"][-1].append(event)
            elif kind == "epoch":
                # A turn that ended within an epoch reported what there was of it; the next one reports all of it.
                if run["epochs"] and run["epochs"][-1].get("epoch", 0) == event.get("epoch"):
                    run["epochs"].pop()
                run["epochs"].append(event)
            elif kind == "summary":
                run["summary"] = event
                run["preset"] = event.get("preset", run["preset"])
    return runs


def load(folder=None):
    """The run of a folder, or of the newest."""
    folder = Path(folder) if folder else newest()
    context, rows = load_rows(folder / "bench.json")
    return Run(folder, context, rows, load_training(folder))


def best(rows):
    """The fastest row, or None."""
    rows = [r for r in rows if r.variant != "ref"]
    return min(rows, key=lambda r: r.seconds) if rows else None


# Rungs from here on are other libraries, there to be compared with.
PEER_RUNG = 90


def ours(rows):
    """The rows that are not a peer's."""
    return [r for r in rows if (r.rung or 0) < PEER_RUNG]


def is_bfloat16(row):
    """Does the variant round its inputs to bfloat16? Its figures are of another precision."""
    return "bf16" in row.variant


def by_problem(rows):
    """{problem: rows}, in the order of the file."""
    groups = {}
    for row in rows:
        groups.setdefault(row.problem, []).append(row)
    return groups


def telling_problem(rows):
    """The problem on which the most variants were timed; of those the one with the most work."""
    groups = by_problem(rows)
    if not groups:
        return None

    def weight(problem):
        group = groups[problem]
        return len({r.variant for r in group}), max(r.seconds for r in group)

    return max(groups, key=weight)


def ladder(rows):
    """[(rung, fastest row of that rung)] of one problem, from the bottom up; the reference is left out."""
    rungs = {}
    for row in rows:
        if row.rung is not None and row.rung > 0:
            rungs.setdefault(row.rung, []).append(row)
    return [(rung, best(rungs[rung])) for rung in sorted(rungs) if best(rungs[rung])]


def told_ladder(rows):
    """(problem, steps): the one ladder of an operation that its picture, its table and the verdict are about."""
    problem = telling_problem(rows)
    return problem, ladder([r for r in rows if r.problem == problem])


def of_each_run(program, description, work, advice="name a folder with a bench.json"):
    """The main of a script that does something with each run its command line names, or with the newest."""
    parser = Parser(description=description)
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    folders = parser.parse_args().folders or [None]
    return ended(program, lambda: [work(load(folder)) for folder in folders] and 0, advice)


if __name__ == "__main__":
    try:
        print(os.path.relpath(newest()))
    except ResultsError as problem:
        sys.exit(f"results.py: {problem}")
