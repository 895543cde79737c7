#!/usr/bin/python3
"""Which algorithm is the fastest for which shape of convolution: measured here, at each ISA level the CPU has.

    scripts/results/shapes.py BATCHMARK [--limit SECONDS] [--set SET] [--out FOLDER]

Times all parallel float32 variants of the three passes on the problems of a set (default: shapes), on one thread and on
all, and writes what won to shapes.json and a picture of it, shapes.png, in results/<machine>/. The algorithm is the
variant's name without its level: direct of direct_avx2_omp. For each problem, layout and team the file has the winner,
its median time in seconds, the next best algorithm, and the margin: the time of the next best over the winner's.
"""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from command import Parser, ended, positive
from plot_style import CYCLE, TITLES, WIDTH, pyplot, save, style
from results import ROOT, ResultsError, load

OPS = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights")
# What a level is called in the names of variants.
LEVELS = {"base": "sse2", "avx2": "avx2", "avx512": "avx512"} if platform.machine() == "x86_64" else {"base": "neon"}
# Below it the next best serves as well.
CLEAR = 1.05


def duration(text):
    """Seconds of '90', '90s', '30m' or '2h', as the type of an option."""
    return positive(text.rstrip("smh")) * {"m": 60, "h": 3600}.get(text[-1:], 1)


def measure(batchmark, level, options, folder):
    """The run of one level: all parallel variants written for it."""
    names = ",".join(f"{op}/*_{LEVELS[level]}_omp" for op in OPS)
    command = [batchmark, "bench", names, "--isa", level, "--set", options.set, "--threads", "1,max", "--out", folder]
    if options.limit:
        command += ["--limit", str(options.limit / len(LEVELS))]
    if subprocess.run(command, check=False).returncode not in (0, 1) or not (folder / "bench.json").exists():
        raise ResultsError(f"level {level}: batchmark bench measured nothing, and says why above")
    return load(folder)


def algorithm(row, level):
    """The name of a variant without its level."""
    return row.variant.removesuffix(f"_{LEVELS[level]}_omp")


def winners(run, level):
    """What won each problem, layout and team of a run: documents."""
    cases = {}
    for row in run.rows:
        if row.op in OPS and "fail" not in row.label:
            cases.setdefault((row.op, row.problem, row.layout, row.threads), []).append(row)
    for (op, problem, layout, threads), rows in cases.items():
        rows.sort(key=lambda row: row.seconds)
        first, second = rows[0], rows[1] if len(rows) > 1 else None
        yield {
            "isa": level,
            "op": op,
            "problem": problem,
            "layout": layout,
            "threads": threads,
            "winner": algorithm(first, level),
            "seconds": first.seconds,
            "next": second and algorithm(second, level),
            "margin": second and second.seconds / first.seconds,
            "stable": not (first.unstable or (second and second.unstable)),
        }


def draw(document, folder):
    """The winners in nchw on all threads: a problem a line, an operation and level a column."""
    style()
    threads = max(case["threads"] for case in document["cases"])
    shown = [c for c in document["cases"] if c["layout"] == "nchw" and c["threads"] == threads]
    problems = list(dict.fromkeys(c["problem"] for c in shown))
    columns = [(op, level) for op in OPS for level in LEVELS if any(c["isa"] == level for c in shown)]
    names = sorted({c["winner"] for c in shown})
    colours = dict(zip(names, CYCLE + list(pyplot.get_cmap("Set3").colors)))
    figure, axis = pyplot.subplots(figsize=(WIDTH, 1.2 + 0.19 * len(problems)), layout="constrained")
    for case in shown:
        x, y = columns.index((case["op"], case["isa"])), problems.index(case["problem"])
        clear = not case["margin"] or case["margin"] >= CLEAR
        axis.barh(y, 1, left=x, height=1, color=colours[case["winner"]], alpha=0.75 if clear else 0.25, edgecolor="white")
        said = case["winner"] + (f" {case['margin']:.2f}" if case["margin"] else "")
        axis.text(x + 0.5, y, said, ha="center", va="center", fontsize=5)
    axis.set_yticks(range(len(problems)), problems, fontsize=6)
    axis.set_xticks([x + 0.5 for x in range(len(columns))], [level for _, level in columns], fontsize=7)
    for i, op in enumerate(OPS):
        axis.text((i + 0.5) * len(columns) / len(OPS), -1.2, TITLES[op], ha="center", fontsize=8)
    axis.set_ylim(len(problems) - 0.5, -2)
    axis.set_xlim(0, len(columns))
    axis.grid(False)
    axis.set_title(f"The fastest algorithm in nchw on {threads} threads, and the next best's time over its own", loc="left")
    return save(figure, folder, "shapes")


def shapes(options):
    """Measures, writes and draws."""
    with tempfile.TemporaryDirectory() as scratch:
        runs = {}
        for level in LEVELS:
            runs[level] = measure(options.batchmark, level, options, Path(scratch) / level)
            if runs[level].context["machine"]["isa"] == level:
                break
    context = next(iter(runs.values())).context
    document = {key: context[key] for key in ("date", "commit", "compiler", "kernel_flags")}
    document["machine"] = context["machine"]["cpu"]
    document["cases"] = [case for level, run in runs.items() for case in winners(run, level)]
    if not document["cases"]:
        raise ResultsError(f"{options.set}: no problem was timed; give a longer --limit")
    folder = options.out or ROOT / "results" / context["machine"]["slug"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shapes.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{len(document['cases'])} cases in {folder / 'shapes.json'}; picture: {draw(document, folder)}")


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("batchmark", metavar="BATCHMARK")
    parser.add_argument("--limit", type=duration, metavar="TIME", help="of all measurements together, as in 90, 30m, 2h")
    parser.add_argument("--set", default="shapes", help="of problems")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    arguments = parser.parse_args()
    sys.exit(ended("shapes.py", lambda: shapes(arguments)))
