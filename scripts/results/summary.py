#!/usr/bin/python3
"""Prints a run as tables, and the verdict in twelve lines.

    scripts/results/summary.py [--tables | --verdict] [FOLDER]     a folder with bench.json; the newest under results/ where
                                                           none is given; one of the two alone

One block for each operation: our fastest variant on each problem, then the ladder on the problem that was measured with
the most variants. A row marked * varied by more than 5 % between repetitions: do not rely on it.
"""

import sys

from command import Parser, ended
from conclusion import candidates, conclude, duration, number
from results import CEILINGS, best, by_problem, is_bfloat16, load, ours, told_ladder
from tables import text_table


def figures(row):
    """The columns every table ends with."""
    speedup = row.get("speedup_naive")
    return [
        str(row.threads),
        duration(row.seconds) + ("*" if row.unstable else " "),
        number(row.get("gflops")),
        number(row.get("gbps")),
        number(row.get("pct_peak")),
        number(row.get("pct_copy")),
        "-" if speedup is None else number(speedup) + "x",
    ]


FIGURES = ["threads", "time ", "GFLOP/s", "GB/s", "% peak", "% copy", "over naive"]


NOT_FLOAT32 = " (bfloat16 products)"


def fastest(group):
    """The fastest row of a problem for users of float32, and after it one that rounds to bfloat16 and is faster yet."""
    plain, any_type = best(candidates(group)), best([r for r in ours(group) if "fail" not in r.label])
    return [row for row in (plain, any_type if any_type is not plain else None) if row]


def op_block(run, op):
    """The lines about one operation."""
    rows = run.of(op)
    winners = [row for group in by_problem(rows).values() for row in fastest(group)]
    lines = text_table(
        ["problem", "fastest variant", "layout", *FIGURES],
        [[r.problem, r.variant + NOT_FLOAT32 * is_bfloat16(r), f"{r.layout} {r.cache}", *figures(r)] for r in winners],
        range(3),
    )
    problem, steps = told_ladder(rows)
    if len(steps) > 1:
        lines += ["", f"  the ladder on {problem}, the fastest variant of each rung:"]
        lines += text_table(
            ["rung", "variant", "layout", *FIGURES],
            [[str(rung), r.variant, r.layout, *figures(r)] for rung, r in steps],
            range(3),
        )
    return [op, *lines, ""]


def ceilings_block(run):
    """The lines about the measured ceilings."""
    lines = []
    for op in CEILINGS:
        groups = {}
        for row in run.of(op):
            groups.setdefault((row.problem, row.threads), []).append(row)
        for (problem, threads), group in groups.items():
            top = best(group)
            if op == "peak_fma":
                top = max(group, key=lambda r: r.gflops_done or 0)
                rate = f"{number(top.gflops_done)} GFLOP/s"
            elif top and top.bytes:
                rate = f"{number(top.get('gbps'))} GB/s at {top.bytes / 2**20:.3g} MiB"
            else:
                continue
            mark = "*" if top.unstable else ""
            lines.append(f"  {op:9} {top.variant:18} t{threads} {problem:16} {rate}{mark}")
    return ["ceilings", *lines, ""] if lines else []


def training_block(run):
    """The lines about training."""
    lines = []
    for training in run.training:
        s = training["summary"]
        shares = ", ".join(
            f"{key[6:]} {100 * s[key]:.0f} %" for key in ("share_conv", "share_bn") if key in s
        )
        lines.append(
            f"  {training['preset']:10} {number(s.get('images_per_second'), 4)} images/s, train loss "
            f"{number(s.get('train_loss'), 4)}, test accuracy {number(s.get('test_accuracy'))}"
            + (f"; of the time {shares}" if shares else "")
        )
    return ["training", *lines, ""] if lines else []


def report(run):
    """The tables, as lines."""
    lines = []
    for op in run.ops:
        lines += op_block(run, op)
    return lines + ceilings_block(run) + training_block(run)


def main(argv=None):
    """Prints the run the command line names; the program's own where it is None."""
    parser = Parser(description=__doc__)
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--tables", action="store_true")
    parts.add_argument("--verdict", action="store_true")
    wanted = parser.parse_args(argv)

    def work():
        run = load(wanted.folder)
        lines = [] if wanted.verdict else report(run)
        print("\n".join(lines + ([] if wanted.tables else conclude(run).text())))

    return ended("summary.py", work)


if __name__ == "__main__":
    sys.exit(main())
