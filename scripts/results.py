#!/usr/bin/python3
"""Reads what a run left in results/<machine>/<date>_<commit>/: rows of bench.json, lines of train*.jsonl.

A row of bench.json is one repetition; repetitions of a name become one Row with the median time.

    scripts/results.py      prints the folder of the newest run, relative to the working directory
"""

import json
import lzma
import os
import re
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from command import Mistake

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
CEILINGS = ("peak_fma", "copy", "triad")
# Whose work is arithmetic; the others move memory and are measured in bytes.
COMPUTE_OPS = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights", "conv_bn_infer", "conv_stats", "gemm")
COUNTERS = ("gflops", "gflops_nominal", "gflops_actual", "gbps", "pct_peak", "pct_copy", "speedup_naive")
COUNTERS += ("err_over_limit", "cv", "median_time", "rung")
UNSTABLE_CV = 0.05
# Of the files; those without a version are older and read the same.
SCHEMA_VERSION = 1


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

    def get(self, counter):
        """A counter, or None where the row has none or it is not a number."""
        value = self.counters.get(counter)
        return value if isinstance(value, (int, float)) and value == value else None

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


def read_document(path):
    """The JSON of a bench.json, of PATH.xz where only that is there."""
    path = Path(path)
    packed = path.with_name(path.name + ".xz")
    if packed.exists() and not path.exists():
        return json.loads(lzma.decompress(packed.read_bytes()).decode("utf-8"))
    return json.loads(path.read_text(encoding="utf-8"))


def load_rows(path):
    """(context, rows) of a bench.json, packed or not."""
    try:
        document = read_document(path)
        repetitions = {}
        for entry in document["benchmarks"]:
            if entry.get("run_type", "iteration") == "iteration" and not entry.get("error_occurred"):
                repetitions.setdefault(entry.get("run_name", entry["name"]), []).append(entry)
        rows = [to_row(name, entries) for name, entries in repetitions.items()]
        return checked_context(document.get("context", {})), rows
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; run make bench first") from error
    except (ValueError, KeyError, TypeError, AttributeError, lzma.LZMAError) as error:
        what = f"{type(error).__name__}: {str(error)[:100]}"
        raise ResultsError(f"{path}: not a result of batchmark bench ({what}); fetch it again or run make bench") from error


def checked_context(context):
    """The context, if what is read of it is of its kind."""
    kinds = (("the context", context, dict), ("machine", context.get("machine"), dict), ("caches", context.get("caches"), list))
    kinds += (("warnings", context.get("warnings"), list), ("peers", context.get("peers"), list))
    for name, value, kind in kinds:
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    for cache in context.get("caches") or []:
        if not isinstance(cache["level"] + cache["size"], int):
            raise TypeError("a cache whose level or size is no whole number")
    return context


def check_document(path, context, rows):
    """Raises where a file is of a schema that is not read here, or has nothing to tell."""
    version = context.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ResultsError(f"{path}: schema version {version!r}, and this program reads {SCHEMA_VERSION}; update it")
    if not rows:
        raise ResultsError(f"{path}: holds no timed row; run make bench again")


def to_row(name, entries):
    """Joins the repetitions of one name."""
    parts = name.split("/")
    if len(parts) != 6 or not re.fullmatch(r"t\d+", parts[5]):
        raise ValueError(f"row name {name!r} is not OP/VARIANT/PROBLEM/LAYOUT/CACHE/tN")
    samples = tuple(e["real_time"] * SECONDS_PER[e["time_unit"]] for e in entries)
    if not all(0 < s < float("inf") for s in samples):
        raise ValueError(f"{name} has a time that is none")
    counters = {}
    for counter in COUNTERS:
        values = [e[counter] for e in entries if isinstance(e.get(counter), (int, float))]
        if values:
            counters[counter] = statistics.median(values)
    label = entries[0].get("label", "")
    row = Row(name, *parts[:5], threads=int(parts[5][1:]), seconds=statistics.median(samples), label=label)
    row.counters, row.samples = counters, samples
    return row


def check_event(event):
    """Raises where a figure of a training log is none."""
    figures = ("step", "train_loss", "test_accuracy", "seconds", "images_per_second")
    # The loss of a summary is its name.
    loss = () if event["event"] == "summary" else ("loss",)
    for name in (*figures, *loss, *(key for key in event if key.startswith("share_"))):
        if not isinstance(event.get(name), (int, float, type(None))):
            raise TypeError(f"{name} is no number")


def load_training(folder):
    """The training runs beside a bench.json: a dict each, with preset, steps, epochs and summary."""
    runs = []
    for path in sorted(Path(folder).glob("train*.jsonl")):
        run = None
        # What is no text becomes signs that are no JSON either.
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            try:
                event = json.loads(line)
                kind = event["event"]
                check_event(event)
            except (ValueError, KeyError, TypeError) as error:
                raise ResultsError(
                    f"{path}:{number}: not a line of train --json ({error!r}); take the file away or train again"
                ) from error
            if run is None:
                run = {"preset": path.stem.replace("train", "").strip("-_") or "network"}
                run.update(steps=[], epochs=[], summary={})
            if kind == "step":
                run["steps"].append(event)
            elif kind == "epoch":
                run["epochs"].append(event)
            elif kind == "summary":
                run["summary"] = event
                run["preset"] = event.get("preset", run["preset"])
                runs.append(run)
                run = None
        if run is not None:
            runs.append(run)
    return runs


def load(folder=None):
    """The run of a folder, or of the newest."""
    folder = Path(folder) if folder else newest()
    context, rows = load_rows(folder / "bench.json")
    check_document(folder / "bench.json", context, rows)
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


if __name__ == "__main__":
    try:
        print(os.path.relpath(newest()))
    except ResultsError as problem:
        sys.exit(f"results.py: {problem}")
