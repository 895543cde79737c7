#!/usr/bin/python3
"""Compares runs of the benchmark.

    scripts/results/compare.py A B [MORE...] [--across | --anyway] [--out DIR] [--all]

Each side is a folder with a bench.json, or several joined by commas: runs of the same settings, pooled. Two sides from
one machine with the same ISA cap, thread counts, compiler and flags are compared row by row, with verdicts and an exit
status for CI; anything else by the fastest variant of each side, with what differs labelled.

  --across   the fastest variant of each side, also for two runs that may be compared row by row
  --anyway   row by row, also where settings differ
  --out DIR  also writes compare.md and compare.csv there
  --all      shows the rows without a difference too

Exit status: 0 nothing got slower, 1 something did, 2 the runs cannot be read or not be compared so.
"""

import csv
import io
import sys
from collections import Counter
from pathlib import Path

from command import Parser, ended
from comparison import compare_best, compare_rows, differences, load_sides, means, unshared
from conclusion import duration, number
from results import ResultsError
from tables import markdown_table, text_table

VERDICTS = ("slower", "faster", "no difference", "cannot tell")
# What makes two sides different machines to a reader, and not one machine set up differently.
MACHINE = ("machine", "cpu", "microarchitecture")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Of every table the first two columns are words.
LEFT = range(2)
ROW_COLUMNS = "row,seconds_a,seconds_b,ratio,cv,p,p_corrected,verdict,why".split(",")


class Page:
    """What is said, as headings, lines and tables; printed as text or Markdown."""

    def __init__(self):
        self.parts = []

    def line(self, text):
        """One line of prose."""
        self.parts.append(("line", text, None))

    def table(self, title, header, rows):
        """A table under a heading; nothing where it has no row."""
        if rows:
            self.parts.append((title, header, rows))

    def text(self):
        """For the terminal."""
        lines = []
        for title, header, rows in self.parts:
            lines += [header] if title == "line" else ["", title, *text_table(header, rows, LEFT)]
        return "\n".join(lines)

    def markdown(self):
        """For a file or a pull request."""
        lines = ["# Comparison", ""]
        for title, header, rows in self.parts:
            lines += [header, ""] if title == "line" else [f"## {title}", "", *markdown_table(header, rows, LEFT), ""]
        return "\n".join(lines).rstrip() + "\n"


def introduce(page, sides, found):
    """Who is compared, what differs, what makes that doubtful."""
    for letter, side in zip(LETTERS, sides):
        runs = f", {side.runs} runs" if side.runs > 1 else ""
        page.line(f"{letter}: {side.label}{runs} ({side.machine.get('cpu', 'unknown CPU')})")
    for side in sides:
        for warning in side.warnings:
            page.line(f"warning: {warning}")
        if side.context.get("planted_slowdown"):
            page.line(f"warning: {side.label} was slowed down on purpose: a test of the comparison, not a measurement")
    rows = [[d.what, "not comparable row by row" if d.separates else "", *map(shorten, d.values)] for d in found]
    page.table("What differs", ["", "", *LETTERS[: len(sides)]], rows)


def shorten(text, width=40):
    """The ends of a long text."""
    return text if len(text) <= width else text[: width // 2 - 1] + ".." + text[-(width // 2 - 1) :]


def row_cells(v):
    """One verdict as a line of the table."""
    p = f"{v.p_corrected:.2g}"
    return [v.name, v.verdict, duration(v.seconds_a), duration(v.seconds_b), f"{v.ratio:.3f}", f"{100 * v.cv:.1f}", p]


def report_rows(page, verdicts, show_all):
    """The tables of a comparison row by row."""
    header = ["row", "verdict", "A", "B", "B / A", "cv %", "p"]
    shown = VERDICTS if show_all else VERDICTS[:2]
    for verdict in shown:
        rows = sorted((v for v in verdicts if v.verdict == verdict), key=lambda v: -abs(v.ratio - 1))
        page.table(verdict, header, [row_cells(v) for v in rows])
    ops = {}
    for v in verdicts:
        ops.setdefault(v.name.split("/")[0], []).append(v)
    rows = []
    for op, group in ops.items():
        count = Counter(v.verdict for v in group)
        ratio = sorted(v.ratio for v in group)[len(group) // 2]
        rows.append([op, "", *(str(count[verdict]) for verdict in VERDICTS), f"{ratio:.3f}"])
    page.table("By operation", ["", "", *VERDICTS, "median B / A"], rows)
    unsure = [v for v in verdicts if v.verdict == "cannot tell"]
    page.line("")
    if unsure:
        worst = max(unsure, key=lambda v: v.cv)
        page.line(
            f"{len(unsure)} of {len(verdicts)} rows cannot be judged ({worst.name}: {worst.why}): close other "
            "programs, fix the clock, or pool several interleaved runs of each side."
        )
    count = Counter(v.verdict for v in verdicts)
    page.line(f"{len(verdicts)} rows: " + ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS))


def best_cell(row):
    """A winner and its time."""
    return "-" if row is None else f"{row.variant} {row.layout} t{row.threads}{'*' if row.unstable else ''}"


def report_best(page, sides, matches, found):
    """The tables of a comparison of machines, levels or compilers."""
    letters = LETTERS[: len(sides)]
    header = ["operation, problem", "cache", *letters, *(f"{c} / A" for c in letters[1:]), *(f"{c} with" for c in letters)]
    for op in dict.fromkeys(m.op for m in matches):
        rows = []
        for m in (m for m in matches if m.op == op):
            times = [duration(r.seconds) if r else "-" for r in m.best]
            ratios = ["-" if r is None else f"{r:.3f}" for r in m.ratios[1:]]
            rows.append([m.problem, m.cache, *times, *ratios, *map(best_cell, m.best)])
        page.table(op, header, rows)
    rows = [[m.op, f"{m.problems} rows", *(f"{r:.3f}" for r in m.ratios)] for m in found]
    page.table("Geometric means of the time over A's (below 1: faster than A)", ["", "", *letters], rows)
    page.line("")
    for i, side in enumerate(sides[1:], 1):
        speeds = sorted(1 / mean.ratios[i] for mean in found)
        if speeds:
            spread = " to ".join(dict.fromkeys(f"{number(speed)}" for speed in (speeds[0], speeds[-1])))
            count = f"{len(speeds)} operations" if len(speeds) > 1 else "one operation"
            page.line(f"{side.label}: {spread} times as fast as {sides[0].label} over {count}, by geometric means.")
    page.line("* varied by more than 5 %. Sides of different machines or builds: ratios without a test of significance.")


def rows_csv(verdicts):
    """Rows and verdicts for other programs."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(ROW_COLUMNS)
    for v in verdicts:
        table.writerow([v.name, v.seconds_a, v.seconds_b, v.ratio, v.cv, v.p, v.p_corrected, v.verdict, v.why])
    return out.getvalue()


def best_csv(sides, matches):
    """Winners and ratios for other programs."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    fields = "{0}_variant,{0}_layout,{0}_threads,{0}_seconds,{0}_ratio"
    head = [fields.format(letter.lower()) for letter in LETTERS[: len(sides)]]
    table.writerow(",".join(["op,problem,cache", *head]).split(","))
    for m in matches:
        line = [m.op, m.problem, m.cache]
        for row, ratio in zip(m.best, m.ratios):
            line += [row.variant, row.layout, row.threads, row.seconds, ratio] if row else [""] * 5
        table.writerow(line)
    return out.getvalue()


def compare(sides, across=False, anyway=False, show_all=False):
    """(Page, CSV, did something get slower)"""
    page = Page()
    found = differences(sides)
    apart = [d for d in found if d.separates]
    other_machine = any(d.what in MACHINE for d in apart)
    if anyway and (across or other_machine or len(sides) > 2):
        raise ResultsError("--anyway is for two runs of one machine; machines and more runs are compared by --across")
    if len(sides) == 2 and apart and not (other_machine or across or anyway):
        what = "; ".join(f"{d.what}: {' and '.join(map(shorten, d.values))}" for d in apart)
        raise ResultsError(
            f"the runs are not the same experiment ({what}); ACROSS=1 (--across) compares the best variant of "
            "each side, ANYWAY=1 (--anyway) row by row"
        )
    introduce(page, sides, found)
    if len(sides) == 2 and not across and (anyway or not apart):
        verdicts = compare_rows(*sides)
        for side, letter, other in zip(sides, LETTERS, reversed(sides)):
            alone = unshared(side, other)
            if alone:
                page.line(f"warning: {len(alone)} rows only {letter} has, and nobody compares ({alone[0]})")
        report_rows(page, verdicts, show_all)
        return page, rows_csv(verdicts), any(v.verdict == "slower" for v in verdicts)
    matches = compare_best(sides)
    report_best(page, sides, matches, means(matches))
    return page, best_csv(sides, matches), False


def parser_of(description):
    """The options of a comparison."""
    parser = Parser(description=description)
    parser.add_argument("sides", nargs="*", metavar="FOLDER")
    parser.add_argument("--across", action="store_true")
    parser.add_argument("--anyway", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser


def main(argv=None):
    """Prints the comparison, writes it where asked; returns the exit status."""
    parser = parser_of(__doc__)
    parser.add_argument("--all", action="store_true")
    wanted = parser.parse_args(argv)
    return ended("compare.py", lambda: carry_out(wanted))


def carry_out(wanted):
    """Compares what the command line names; 1 where something got slower."""
    if len(wanted.sides) < 2:
        raise ResultsError("one run cannot be compared; name two: make compare A=FOLDER B=FOLDER")
    if len(wanted.sides) > len(LETTERS):
        raise ResultsError(f"{len(wanted.sides)} runs are more than {len(LETTERS)}; compare fewer at once")
    sides = load_sides(wanted.sides)
    page, table, slower = compare(sides, wanted.across, wanted.anyway, wanted.all)
    print(page.text())
    if wanted.out:
        wanted.out.mkdir(parents=True, exist_ok=True)
        (wanted.out / "compare.md").write_text(page.markdown(), encoding="utf-8")
        (wanted.out / "compare.csv").write_text(table, encoding="utf-8")
        print(f"written: {wanted.out}/compare.md, {wanted.out}/compare.csv")
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
