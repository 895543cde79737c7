#!/usr/bin/python3
"""Prints a run as a table and says in a paragraph what it means.

    scripts/summary.py [FOLDER]      a folder with bench.json; the newest under results/ where none is given

One block an operation: our fastest variant on each problem, then the ladder on the problem that was measured with
the most variants. A row marked * varied by more than 5 % between repetitions: do not rely on it.
"""

import sys

from command import Parser, ended
from results import CEILINGS, best, by_problem, load, ours, told_ladder


def duration(seconds):
    """Seconds with three digits and a unit."""
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def number(value, digits=3):
    """A figure with so many digits, never in exponent form; - where there is none."""
    if value is None:
        return "-"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def table(header, rows):
    """Text columns: the first three to the left, figures to the right."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = []
    for line in [header, *rows]:
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


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


def op_block(run, op):
    """The lines about one operation."""
    rows = run.of(op)
    winners = [best(ours(group)) for group in by_problem(rows).values()]
    lines = table(
        ["problem", "fastest variant", "layout", *FIGURES],
        [[r.problem, r.variant, f"{r.layout} {r.cache}", *figures(r)] for r in winners if r],
    )
    problem, steps = told_ladder(rows)
    if len(steps) > 1:
        lines += ["", f"  the ladder on {problem}, the fastest variant of each rung:"]
        lines += table(
            ["rung", "variant", "layout", *FIGURES],
            [[str(rung), r.variant, r.layout, *figures(r)] for rung, r in steps],
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
                top = max(group, key=lambda r: r.get("gflops_actual") or r.get("gflops") or 0)
                rate = f"{number(top.get('gflops_actual') or top.get('gflops'))} GFLOP/s"
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


def achieved(row):
    """What a row reaches, in words: its rate, and what that is of the ceiling and of the naive loops."""
    text = f"{number(row.rate)} {row.rate_unit}"
    share = row.get("pct_peak" if row.is_compute else "pct_copy")
    if share is not None:
        text += f", {number(share)} % of the measured "
        text += "FMA peak" if row.is_compute else "copy bandwidth at that size"
        if row.is_compute and (row.get("gflops_actual") or row.rate) < FEWER * row.rate:
            text += " by the fewer operations it does"
    if row.get("speedup_naive"):
        text += f", {number(row.get('speedup_naive'))} times the naive loops on one thread"
    return text


def sentence(run, op, what):
    """The highest rate of an operation and where, and the fastest on the problem its ladder is drawn on."""
    rows = run.of(op)
    judged = [r for group in by_problem(rows).values() if (r := best(ours(group))) and r.rate]
    if not judged:
        return ""
    top = max(judged, key=lambda r: r.rate)
    problem, _ = told_ladder(rows)
    told = next((r for r in judged if r.problem == problem), top)
    if number(told.rate) == number(top.rate):
        top = told
    text = f"{what} is fastest with {top.variant} on {top.problem}: {achieved(top)}"
    if told is not top:
        text += f"; on {problem}, the problem of its ladder, with {told.variant}: {achieved(told)}"
    return text + "."


# Below this share of its useful rate a variant saves operations, as Winograd's does.
FEWER = 0.95
# Above 100 by more than this, a share of a ceiling is an error and not noise; as in harness/cmd_bench.c.
OVER = 103

WORDS = (
    ("conv_fwd", "Forward convolution"),
    ("conv_bwd_data", "Its gradient by the data"),
    ("conv_bwd_weights", "Its gradient by the weights"),
    ("gemm", "The matrix product"),
    ("bn_fwd_train", "Batch normalization in training"),
    ("bn_bwd", "Its backward pass"),
)


def verdict(run):
    """The run in one paragraph."""
    threads = max((r.threads for r in run.rows), default=0)
    text = [f"On {run.machine} with up to {threads} thread{'s' if threads != 1 else ''}:"]
    text += [said for op, what in WORDS if (said := sentence(run, op, what))]
    for training in run.training:
        s = training["summary"]
        if not s.get("images_per_second"):
            continue
        said = f"Training {training['preset']} takes {number(s['images_per_second'], 4)} images a second"
        if "share_conv" in s:
            said += f", {100 * s['share_conv']:.0f} % of the time in convolutions"
            if s.get("share_bn"):
                said += f" and {100 * s['share_bn']:.0f} % in batch normalization"
        text.append(said + ".")
    impossible = [r.name for r in run.rows if max(r.get("pct_peak") or 0, r.get("pct_copy") or 0) > OVER]
    if impossible:
        text.append(
            f"{len(impossible)} rows exceed a measured ceiling ({impossible[0]} first): "
            "the ceiling was measured too low, so their percentages are not to be quoted."
        )
    unstable = sum(r.unstable for r in run.rows)
    if unstable:
        text.append(
            f"{unstable} of {len(run.rows)} rows varied by more than 5 % and are marked *: "
            "close other programs, fix the clock, run again."
        )
    else:
        text.append(f"All {len(run.rows)} rows repeated within 5 %.")
    return " ".join(text)


def wrap(text, width=100):
    """Lines of at most so many characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def report(run):
    """Everything, as lines."""
    lines = []
    for op in run.ops:
        lines += op_block(run, op)
    return lines + ceilings_block(run) + training_block(run) + wrap(verdict(run))


def main(argv=None):
    """Prints the run the command line names; the program's own where it is None."""
    parser = Parser(description=__doc__)
    parser.add_argument("folder", nargs="?", metavar="FOLDER")
    folder = parser.parse_args(argv).folder
    return ended("summary.py", lambda: print("\n".join(report(load(folder)))))


if __name__ == "__main__":
    sys.exit(main())
