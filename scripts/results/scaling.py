#!/usr/bin/python3
"""Says what threads gain in a run that timed the same rows on one thread and on more (batchmark bench --plan scaling).

    scripts/results/scaling.py [FOLDER...]     folders with a bench.json; the newest under results/ where none is given

The speedup is the median time on one thread divided by that on N threads; the efficiency is the speedup divided by N.
Prints the rows of each operation, then geometric means, then the rows that take over a millisecond and gain less than
92.5 % of N. Rows that memory limits are listed apart, because a second core does not double the bandwidth: at the measured
copy bandwidth, their bytes alone take half of the time. A mark * says that the repetitions varied by more than 5 %. One
thread and N threads were timed in turn.
"""

import sys
from statistics import geometric_mean

from conclusion import duration
from peers import context_lines
from results import CEILINGS, ResultsError, of_each_run
from tables import text_table

GOAL = 0.925
# Below this a row is overhead of starting a team and meeting at its end.
LONG = 1e-3
# From this share of the copy bandwidth on a row is bound by memory.
MEMORY_BOUND = 50

HEADER = ["layer", "ours", "threads", "one", "time", "speedup", "efficiency"]


def pairs(run):
    """{op: [(row on one thread, the same on more)]} of the rows timed both ways."""
    alone = {}
    found = {}
    for row in run.rows:
        if row.threads == 1:
            alone[row.name.rpartition("/")[0]] = row
    for row in run.rows:
        one = alone.get(row.name.rpartition("/")[0])
        if one and row.threads > 1 and row.op not in CEILINGS:
            found.setdefault(row.op, []).append((one, row))
    return found


def speedup(one, many):
    """The time on one thread over that on more."""
    return one.seconds / many.seconds


def efficiency(one, many):
    """The share of N times one thread that N threads reach."""
    return speedup(one, many) / many.threads


def waits_for_memory(row):
    """Do its bytes alone take much of its time?"""
    return (row.get("pct_copy") or 0) >= MEMORY_BOUND


def line(one, many):
    """A row of the table."""
    times = [duration(r.seconds) + ("*" if r.unstable else " ") for r in (one, many)]
    figures = [f"{speedup(one, many):.2f}", f"{100 * efficiency(one, many):.0f} %"]
    return [many.problem, f"{many.variant} {many.layout}", str(many.threads), *times, *figures]


def short_of_goal(found):
    """[(efficiency, one, many)] of the long rows below GOAL, worst first."""
    rows = [(efficiency(one, many), one, many) for group in found.values() for one, many in group]
    return sorted((r for r in rows if r[0] < GOAL and r[2].seconds > LONG), key=lambda r: r[0])


def closing(found):
    """Means, and the rows that gain too little."""
    lines = ["geometric means of the efficiency:"]
    for op, group in found.items():
        for name, kept in (("all rows", group), ("over 1 ms", [p for p in group if p[1].seconds > LONG])):
            if kept:
                mean = geometric_mean(efficiency(*pair) for pair in kept)
                lines.append(f"  {op:17} {100 * mean:4.0f} %  {name} ({len(kept)})")
    for waiting, what in ((False, "and not bound by memory"), (True, "bound by memory")):
        rows = [r for r in short_of_goal(found) if waits_for_memory(r[2]) == waiting]
        lines += ["", f"over 1 ms, {what}, below {100 * GOAL:.1f} %: {len(rows)} rows"]
        lines += [f"  {100 * value:.0f} %  {many.name}" for value, _, many in rows]
    return lines


def report(run):
    """Everything, as lines."""
    found = pairs(run)
    if not found:
        raise ResultsError(f"{run.folder}: no row was timed on one thread and on more; run make scaling")
    lines = context_lines(run) + [""]
    for op, group in found.items():
        lines += [op, *text_table(HEADER, [line(one, many) for one, many in group], range(2)), ""]
    return lines + closing(found)


if __name__ == "__main__":
    sys.exit(of_each_run("scaling.py", __doc__, lambda run: print("\n".join(report(run)))))
