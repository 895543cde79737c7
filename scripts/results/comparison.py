"""Compares runs: what differs between them, a verdict for every row, the best variants of several machines.

A side is one run, or several runs of the same build on the same machine. Take several in turns, so that drift of the
machine affects all sides alike. Two sides with the same settings on one machine are compared row by row, with verdicts:

    ratio            median time of B over that of A; above 1, B is slower
    slower, faster   the ratio is outside [1 / 1.02, 1.02] and the difference is significant: p <= 0.05 after Benjamini
                     and Hochberg's correction for the number of rows; if repetitions vary by more than 5 %, the
                     difference must also be at least twice the variation
    no difference    the ratio is within 2 %, and repetitions vary little enough to show that
    cannot tell      anything else, with the reason

p is from Mann and Whitney's test over repetitions. If each side has at least MIN_RUNS runs, the test is over the medians
of processes instead, because the repetitions of one process share its conditions (pages, neighbours). With few values the
test cannot become significant after the correction, however clear the case (three against three cannot go below 0.1).
Then Welch's t test on the logarithms is used. The choice of the test depends only on the counts, never on the data.

If sides differ in CPU, ISA level, compiler, flags or thread counts, rows are matched by operation, problem and cache state
instead: the fastest variant of each side, ratios and geometric means, no p-values.

    load_side(folders)         a Side; raises ResultsError with one line
    load_sides(names)          the sides of a command line
    differences(sides)         [Difference]: what differs, and whether rows can still be compared one by one
    compare_rows(a, b)         [RowVerdict]
    unshared(side, other)      names of the rows it leaves out
    compare_best(sides)        [Match], one per operation, problem and cache state on at least two sides
    means(matches)             [Mean], one per operation
"""

import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy
from scipy import stats

from results import CEILINGS, ResultsError, best, is_bfloat16, load_rows, ours

MINIMUM_EFFECT = 0.02
ALPHA = 0.05
MIN_RUNS = 4
UNSTEADY_CV = 0.05
LAYOUT_IS_TASK = ("gemm", "reorder")
# Above this, medians and repetitions that should agree do not: wider than the nine digits a file holds.
EDITED = 1e-6

# Of the context: what rows compared one by one must share, and what is only said.
SETTINGS = ("isa_cap", "compiler", "kernel_flags", "isa_flags", "harness_flags", "openmp_runtime")
LABELS = ("commit", "dirty", "planted_slowdown", "seed", "plan", "set", "peers")
MACHINE_SETTINGS = ("cpu", "microarchitecture", "usable_cpus")
MACHINE_LABELS = ("governor", "turbo", "huge_pages", "microcode", "kernel", "c_library", "cgroup_cpu_quota")


@dataclass
class Side:
    """One or several runs that are compared as one."""

    label: str
    folders: list
    context: dict  # of the first run
    rows: list  # of the first run; medians over all runs
    samples: dict  # row name -> a tuple of seconds for each run that has the row
    warnings: list

    @property
    def machine(self):
        """What the context says about the machine."""
        return self.context.get("machine") or {}

    @property
    def threads(self):
        """Team sizes measured."""
        return sorted({row.threads for row in self.rows if row.op not in CEILINGS})

    @property
    def runs(self):
        """How many runs it is made of."""
        return len(self.folders)


@dataclass
class Difference:
    """One setting the sides do not share."""

    what: str
    values: list  # one per side, as text
    separates: bool  # rows of such sides are not the same experiment


@dataclass
class RowVerdict:
    """What comparing one row came to."""

    name: str
    seconds_a: float
    seconds_b: float
    ratio: float
    cv: float  # the larger of the two sides
    p: float
    p_corrected: float
    verdict: str
    why: str


@dataclass
class Match:
    """The fastest variant of each side on one operation, problem and cache state; None where a side has none."""

    op: str
    problem: str
    cache: str
    best: list  # a Row per side
    ratios: list  # time over the first side's; None where either is missing


@dataclass
class Mean:
    """One operation over all problems that every side measured."""

    op: str
    problems: int
    ratios: list  # geometric means of time over the first side's


def doubts(path, rows):
    """Warnings about a file that is readable."""
    edited = [row.name for row in rows if is_edited(row)]
    if not edited:
        return []
    return [f"{path}: medians that are not those of their repetitions: {len(edited)} ({edited[0]}); edited by hand?"]


def is_edited(row):
    """Does the median the program wrote differ from that of the repetitions beside it?"""
    written = row.get("median_time")
    return written is not None and abs(written * 1e-9 / row.seconds - 1) > EDITED


def load_side(folders, label=None):
    """Reads one side: a folder, or several whose runs are pooled. A bench.json may be named instead of its folder."""
    folders = [Path(f) for f in ([folders] if isinstance(folders, (str, Path)) else folders)]
    folders = [f.parent if f.name.startswith("bench.json") else f for f in folders]
    if not folders:
        raise ResultsError("a side without a run; name a folder with a bench.json")
    contexts, samples, first, warnings = [], {}, {}, []
    for folder in folders:
        context, rows = load_rows(folder / "bench.json")
        warnings += doubts(folder / "bench.json", rows)
        contexts.append(context)
        for row in rows:
            first.setdefault(row.name, row)
            samples.setdefault(row.name, []).append(row.samples)
    for name, row in first.items():
        row.seconds = statistics.median(s for run in samples[name] for s in run)
    side = Side(label or name_of(folders), folders, contexts[0], list(first.values()), samples, warnings)
    for folder, context in zip(folders[1:], contexts[1:]):
        for what in SETTINGS + ("planted_slowdown",):
            if context.get(what) != contexts[0].get(what):
                raise ResultsError(f"{folder}: {what} is not that of {folders[0]}; runs of one side share all settings")
    return side


def name_of(folders):
    """A short name: the run's folder; machine/run is too long for a table's head."""
    name = folders[0].resolve().name
    return name if len(folders) == 1 else f"{name} and {len(folders) - 1} more"


def load_sides(names):
    """A side each of names like "FOLDER" or "FOLDER,FOLDER", told apart by what their names do not share."""
    sides = [load_side([f for f in name.split(",") if f]) for name in names]
    labels = [side.label for side in sides]
    # As bench_axis.sh names them: ..._levels-base, ..._levels-avx2.
    shared = os.path.commonprefix(labels)
    shared = shared[: max(shared.rfind("-"), shared.rfind("_")) + 1]
    if "_" in shared and len(set(labels)) == len(labels) and shared not in labels:
        for side in sides:
            side.label = side.label[len(shared) :]
    return sides


def settings(side):
    """[(what, text, separates)] of everything that may differ between sides."""
    found = [(what, side.machine.get(what), True) for what in MACHINE_SETTINGS]
    found.append(("machine", side.context.get("host_name"), True))
    found += [(what, side.context.get(what), True) for what in SETTINGS]
    found.append(("threads", ", ".join(map(str, side.threads)), True))
    found += [(what, side.machine.get(what), False) for what in MACHINE_LABELS]
    return found + [(what, side.context.get(what), False) for what in LABELS]


def differences(sides):
    """What the sides do not share, the separating ones first."""
    table = [settings(side) for side in sides]
    found = []
    for column in zip(*table):
        values = ["-" if value is None else str(value) for _, value, _ in column]
        if len(set(values)) > 1:
            found.append(Difference(column[0][0], values, column[0][2]))
    return sorted(found, key=lambda d: not d.separates)


def benjamini_hochberg(p):
    """Corrected p-values. scipy has them from 1.11 on, Debian 12 has 1.10."""
    p = numpy.asarray(p, dtype=float)
    order = numpy.argsort(p)[::-1]
    scaled = p[order] * len(p) / numpy.arange(len(p), 0, -1)
    corrected = numpy.empty_like(p)
    corrected[order] = numpy.minimum(1, numpy.minimum.accumulate(scaled))
    return corrected


def p_value(a, b, rows):
    """Are two sets of times of one row different? `rows`: how many such questions are asked."""
    if min(len(a), len(b)) < 2:
        return 1.0
    least = 2 / math.comb(len(a) + len(b), len(a))
    if least * rows <= ALPHA:
        return float(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)
    logs = numpy.log(a), numpy.log(b)
    if max(numpy.ptp(logs[0]), numpy.ptp(logs[1])) == 0:
        return 1.0 if logs[0][0] == logs[1][0] else 0.0
    return float(stats.ttest_ind(*logs, equal_var=False).pvalue)


def units(runs_a, runs_b):
    """The values that are tested: process medians where there are enough processes, else repetitions."""
    if min(len(runs_a), len(runs_b)) >= MIN_RUNS:
        return [statistics.median(r) for r in runs_a], [statistics.median(r) for r in runs_b]
    return [s for r in runs_a for s in r], [s for r in runs_b for s in r]


def spread(values):
    """Sample standard deviation over mean."""
    return statistics.stdev(values) / statistics.fmean(values) if len(values) > 1 else 0.0


def judge(ratio, cv, p, count):
    """(verdict, why)"""
    if count < 2:
        return "cannot tell", "one repetition says nothing of chance"
    apart = ratio >= 1 + MINIMUM_EFFECT or ratio <= 1 / (1 + MINIMUM_EFFECT)
    if apart and cv > UNSTEADY_CV and abs(math.log(ratio)) < 2 * cv:
        # Whole processes differ by as much as such repetitions, whatever a test of the repetitions says.
        return "cannot tell", f"{100 * abs(ratio - 1):.0f} % apart, and repetitions vary by {100 * cv:.0f} %"
    if apart and p <= ALPHA:
        return ("slower" if ratio > 1 else "faster"), ""
    if apart:
        return "cannot tell", f"{100 * abs(ratio - 1):.0f} % apart, but so are repetitions (p = {p:.2g})"
    if cv > UNSTEADY_CV:
        return "cannot tell", f"repetitions vary by {100 * cv:.0f} %"
    return "no difference", ""


def unshared(side, other):
    """Names of the rows the other side has not: left out of its run, or broken by it."""
    return [r.name for r in side.rows if r.name not in other.samples and r.op not in CEILINGS]


def compare_rows(a, b):
    """A verdict for every row that both sides have, the ceilings left out, in the order of A."""
    names = [r.name for r in a.rows if r.name in b.samples and r.op not in CEILINGS]
    if not names:
        raise ResultsError(f"{a.label} and {b.label} have no row in common; measure the same problems")
    tested = [units(a.samples[name], b.samples[name]) for name in names]
    p = [p_value(x, y, len(names)) for x, y in tested]
    corrected = benjamini_hochberg(p)
    found = []
    for i, (name, (x, y)) in enumerate(zip(names, tested)):
        one, two = statistics.median(x), statistics.median(y)
        cv = max(spread(x), spread(y))
        verdict, why = judge(two / one, cv, corrected[i], min(len(x), len(y)))
        found.append(RowVerdict(name, one, two, two / one, cv, p[i], float(corrected[i]), verdict, why))
    return found


def problem_of(row):
    """What is to be done. For these operations the layouts are the task, and not a way to do it."""
    return f"{row.problem} {row.layout}" if row.op in LAYOUT_IS_TASK else row.problem


def cells(rows):
    """{(op, problem, cache): rows}"""
    groups = {}
    for row in rows:
        groups.setdefault((row.op, problem_of(row), row.cache), []).append(row)
    return groups


def operation_groups(side):
    """The cells of one side: float32 alone, and again with bfloat16 allowed. Peers and ceilings are left out."""
    rows = [r for r in ours(side.rows) if r.op not in CEILINGS and "fail" not in r.label]
    plain = cells([r for r in rows if not is_bfloat16(r)])
    return plain, cells(rows)


def match(key, suffix, groups):
    """One Match, or None where fewer than two sides have the cell."""
    winners = [best(g[key]) if key in g else None for g in groups]
    if sum(w is not None for w in winners) < 2:
        return None
    base = winners[0]
    ratios = [w.seconds / base.seconds if w and base else None for w in winners]
    return Match(key[0] + suffix, key[1], key[2], winners, ratios)


def compare_best(sides):
    """The fastest variant of each side in every cell at least two have. Where a side has bfloat16 variants, its
    operation is there twice: in float32, and with bfloat16 allowed."""
    plain, both = zip(*(operation_groups(side) for side in sides))
    found = []
    for key in dict.fromkeys(k for groups in plain for k in groups):
        found.append(match(key, "", plain))
    for key in dict.fromkeys(k for groups in both for k in groups):
        if any(is_bfloat16(row) for groups in both for row in groups.get(key, ())):
            found.append(match(key, " or bf16", both))
    found = [m for m in found if m]
    if not found:
        raise ResultsError("the runs have no operation, problem and cache state in common; measure the same problems")
    order = list(dict.fromkeys(m.op for m in found))
    return sorted(found, key=lambda m: order.index(m.op))


def means(matches):
    """Geometric means of the ratios of each operation, over the cells that every side has."""
    found = []
    for op in dict.fromkeys(m.op for m in matches):
        rows = [m.ratios for m in matches if m.op == op and None not in m.ratios]
        if rows:
            found.append(Mean(op, len(rows), [statistics.geometric_mean(side) for side in zip(*rows)]))
    return found
