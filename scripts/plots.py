#!/usr/bin/python3
"""Draws a run: PNG and SVG beside its bench.json.

    scripts/plots.py [FOLDER] [--out DIR]      the newest run under results/ where no folder is given

ladder       one bar a rung, an operation a panel: what each step of the ladder brings
roofline     the fastest kernels under the measured ceilings of arithmetic and memory
heatmap      how near each variant comes to the fastest, problem by problem
scaling      what threads gain
bandwidth    batch normalization against the copy bandwidth, over the size of the working set
error        error against speed
training     test accuracy over epochs and seconds, where the run trained
split        where the time of a training step goes
Prints the path of each PNG, and for a picture whose rows are not in the run what makes them. Machine against machine is
a picture of compare.py and report.py. plot_style.py holds what pictures share.
"""

import argparse
import math
import sys
from pathlib import Path

from matplotlib import pyplot

from plot_style import (
    BLANK,
    BLUE,
    CYCLE,
    GREY,
    MARKERS,
    ORANGE,
    ROOM_FOR_LABELS,
    TITLES,
    WIDTH,
    plain,
    save,
    style,
)
from plots_rows import draw_error, draw_heatmap, draw_scaling
from plots_training import draw_split, draw_training
from results import ResultsError, best, by_problem, ladder, load, telling_problem


def ceiling_of(rows):
    """(rate, text) of the highest ceiling the rows are held to, by the percentages they carry; or None."""
    best_known = None
    for row in rows:
        percent = row.get("pct_peak" if row.is_compute else "pct_copy")
        rate = row.get("gflops_actual") if row.is_compute else row.get("gbps")
        if percent and rate:
            ceiling = rate / percent * 100
            if best_known is None or ceiling > best_known:
                best_known = ceiling
    if best_known is None:
        return None
    return best_known, "FMA peak" if rows[0].is_compute else "copy"


def draw_ladder(run, folder):
    """One panel an operation, one bar a rung; log scale, since the rungs span orders of magnitude."""
    panels = []
    for op in run.ops:
        rows = run.of(op)
        problem = telling_problem(rows)
        steps = ladder([r for r in rows if r.problem == problem])
        steps = [(rung, row) for rung, row in steps if row.rate]
        if len(steps) > 1:
            panels.append((op, problem, steps))
    if not panels:
        return None
    columns = 2 if len(panels) > 1 else 1
    lines = math.ceil(len(panels) / columns)
    tallest = [max(len(p[2]) for p in panels[i : i + columns]) for i in range(0, len(panels), columns)]
    heights = [0.24 * bars + 1.0 for bars in tallest]
    figure, axes = pyplot.subplots(
        lines,
        columns,
        figsize=(WIDTH, sum(heights) + 0.7),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    figure.suptitle(
        "Each rung of the ladder, fastest variant: naive loops at the top, threaded SIMD at the bottom\n"
        f"{run.machine}; blue: one thread, orange: more; figures: times the naive loops",
        fontsize=10,
    )
    for axis, (op, problem, steps) in zip(axes.flat, panels):
        rates = [row.rate for _, row in steps]
        colours = [BLUE if row.threads == 1 else ORANGE for _, row in steps]
        names = [f"{row.variant}{'*' if row.unstable else ''}" for _, row in steps]
        axis.barh(range(len(steps)), rates, color=colours, height=0.72)
        axis.set_yticks(range(len(steps)), names, fontsize=8)
        axis.invert_yaxis()
        axis.set_xscale("log")
        low = min(rates) / 2
        ceiling = ceiling_of([row for _, row in steps])
        axis.set_xlim(low, max([*rates, ceiling[0] if ceiling else 0]) * ROOM_FOR_LABELS)
        for i, (_, row) in enumerate(steps):
            speedup = row.get("speedup_naive")
            text = plain(row.rate) + (f"  ({plain(speedup)}x)" if speedup else "")
            axis.text(row.rate * 1.08, i, text, va="center", fontsize=8, bbox=BLANK)
        if ceiling:
            axis.axvline(ceiling[0], color=GREY, linestyle="--", linewidth=1)
            axis.text(
                ceiling[0], -0.62, f" {ceiling[1]}", color="#555555", fontsize=8, va="bottom", ha="center"
            )
        axis.set_title(f"{TITLES.get(op, op)}\n{problem}", loc="left", fontsize=9, pad=12)
        axis.set_xlabel(steps[0][1].rate_unit)
        axis.grid(axis="y", visible=False)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    return save(figure, folder, "ladder")


def bandwidths(run, threads):
    """[(bytes, gbps)] of the fastest copy at each footprint, by size."""
    rows = [r for r in run.of("copy") if r.threads == threads and r.variant != "ref" and r.bytes]
    points = {}
    for row in rows:
        size = round(row.bytes)
        points[size] = max(points.get(size, 0), row.get("gbps"))
    return sorted(points.items())


def level_name(size, run):
    """Which cache a footprint fits in, by the caches of the context; 'memory' beyond them."""
    sizes = sorted(
        (c["level"], c["size"]) for c in run.context.get("caches", []) if c.get("type") != "Instruction"
    )
    for level, bytes_ in sizes:
        if size <= bytes_:
            return f"L{level}"
    return "memory" if sizes else f"{size / 2**20:.3g} MiB"


def draw_roofline(run, folder):
    """Dots of the fastest kernels, lines of what was measured as possible."""
    peaks = [r for r in run.of("peak_fma") if (r.get("gflops_actual") or r.get("gflops"))]
    if not peaks:
        return None
    threads = max(r.threads for r in peaks)
    peaks = [r for r in peaks if r.threads == threads]
    top = max(peaks, key=lambda r: r.get("gflops_actual") or r.get("gflops"))
    roof = top.get("gflops_actual") or top.get("gflops")
    dots = []
    for op in run.ops:
        for group in by_problem(run.of(op)).values():
            row = best(group)
            if row and row.get("gbps") and (row.get("gflops_actual") or row.get("gflops")):
                flops = row.get("gflops_actual") or row.get("gflops")
                dots.append((op, row, flops / row.get("gbps"), flops))
    if not dots:
        return None
    low = min(min(x for _, _, x, _ in dots) / 2, 0.25)
    high = max(max(x for _, _, x, _ in dots) * 2, 100)
    floor = min(y for _, _, _, y in dots) / 2

    figure, axis = pyplot.subplots(figsize=(WIDTH, 5.4), layout="constrained")
    axis.set_xscale("log")
    axis.set_yscale("log")
    lines = {}
    for size, gbps in bandwidths(run, threads):
        name = level_name(size, run)
        if name == "memory" or gbps > lines.get(name, (0, 0))[1]:
            lines[name] = (size, gbps)
    for name, (_, gbps) in lines.items():
        axis.plot([low, roof / gbps], [low * gbps, roof], color=GREY, linewidth=1)
        x = max(low, floor / gbps) * 1.15
        axis.text(x, x * gbps, f"{name} copy, {gbps:.0f} GB/s", color="#555555", fontsize=8, bbox=BLANK)
    axis.axhline(roof, color="#000000", linewidth=1.2)
    axis.text(high, roof * 1.08, f"FMA peak ({top.variant}), {roof:.0f} GFLOP/s", ha="right", fontsize=8)
    for name in ("avx2", "sse2"):
        level = [r for r in peaks if name in r.variant and r is not top and r.variant.split("_")[0] == name]
        y = max((r.get("gflops_actual") or r.get("gflops") for r in level), default=0)
        if y > floor:
            axis.axhline(y, color=GREY, linewidth=0.8, linestyle=":")
            axis.text(high, y * 1.08, f"{name}, {y:.0f}", ha="right", color="#555555", fontsize=8)
    for i, op in enumerate(dict.fromkeys(op for op, *_ in dots)):
        mine = [(x, y) for o, _, x, y in dots if o == op]
        axis.scatter(
            *zip(*mine),
            label=TITLES.get(op, op),
            color=CYCLE[i % len(CYCLE)],
            marker=MARKERS[(i + i // len(CYCLE)) % len(MARKERS)],
            s=30,
            edgecolor="white",
            linewidth=0.5,
            zorder=3,
        )
    axis.set_xlim(low, high)
    axis.set_ylim(floor, roof * 2)
    axis.set_xlabel("arithmetic intensity: operations done per compulsory byte (FLOP/B)")
    axis.set_ylabel("operations done (GFLOP/s)")
    axis.set_title(
        "How close the fastest kernels come to the measured ceilings: a dot a problem\n"
        f"{run.machine}, ceilings with {threads} thread{'s' if threads != 1 else ''}",
        loc="left",
    )
    axis.legend(loc="lower right", fontsize=8)
    return save(figure, folder, "roofline")


def draw_bandwidth(run, folder):
    """Batch normalization over the bytes it must move, next to a plain copy."""
    ops = [op for op in ("bn_fwd_train", "bn_bwd", "bn_fwd_infer") if run.of(op)]
    threads = max((r.threads for op in ops for r in run.of(op)), default=0)
    curves = []
    for op in ops:
        points = {}
        for row in run.of(op):
            if row.threads == threads and row.bytes and row.variant != "ref":
                points[round(row.bytes)] = max(points.get(round(row.bytes), 0), row.get("gbps"))
        if points:
            curves.append((TITLES.get(op, op), sorted(points.items())))
    copies = bandwidths(run, threads)
    if not curves:
        return None
    figure, axis = pyplot.subplots(figsize=(WIDTH, 4.2), layout="constrained")
    axis.set_xscale("log", base=2)
    if copies:
        axis.plot(*zip(*copies), color="#000000", linestyle="--", marker=".", label="copy, the ceiling")
    for (name, points), colour, marker in zip(curves, CYCLE, MARKERS):
        axis.plot(*zip(*points), color=colour, marker=marker, markersize=5, label=name)
    sizes = [size for _, points in curves for size, _ in points] + [size for size, _ in copies]
    low, high = min(sizes) / 1.5, max(sizes) * 1.5
    for cache in run.context.get("caches", []):
        if cache.get("type") != "Instruction" and low < cache["size"] < high:
            axis.axvline(cache["size"], color=GREY, linewidth=0.8, linestyle=":")
            axis.text(
                cache["size"],
                1.0,
                f"L{cache['level']} ",
                transform=axis.get_xaxis_transform(),
                ha="right",
                va="top",
                fontsize=8,
                color="#555555",
            )
    axis.set_xlim(low, high)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_major_formatter(lambda x, _: f"{x / 2**20:g} MiB" if x >= 2**20 else f"{x / 2**10:g} KiB")
    axis.set_xlabel("working set: bytes that must be read and written once")
    axis.set_ylabel("GB/s of those bytes")
    axis.set_title(
        f"Batch normalization against a plain copy of the same size, fastest variant, {threads} threads\n"
        f"{run.machine}",
        loc="left",
    )
    axis.legend(fontsize=8)
    return save(figure, folder, "bandwidth")


# Name, drawer, what measures the rows it needs.
PICTURES = (
    ("ladder", draw_ladder, "make bench"),
    ("roofline", draw_roofline, "make bench"),
    ("heatmap", draw_heatmap, "make bench"),
    ("scaling", draw_scaling, "make scaling"),
    ("bandwidth", draw_bandwidth, "make bench"),
    ("error", draw_error, "make bench"),
    ("training", draw_training, "batchmark train PRESET --json FOLDER/train-PRESET.jsonl"),
    ("split", draw_split, "batchmark train PRESET --json FOLDER/train-PRESET.jsonl"),
)


def draw(run, folder):
    """All pictures the run has the rows for: their paths, and a line for each of the others."""
    style()
    folder.mkdir(parents=True, exist_ok=True)
    drawn, missing = [], []
    for name, drawer, recipe in PICTURES:
        path = drawer(run, folder)
        if path:
            drawn.append(path)
        else:
            missing.append(f"{name}: not drawn, the run lacks its rows; {recipe} measures them")
    return drawn, missing


def main():
    """Draws the run the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="with bench.json; default: the newest run")
    parser.add_argument("--out", type=Path, help="where the pictures go; default: the folder")
    arguments = parser.parse_args()
    try:
        run = load(arguments.folder)
        paths, missing = draw(run, arguments.out or run.folder)
    except ResultsError as error:
        print(f"plots.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"plots.py: {error.filename}: {error.strerror}; choose another folder by --out", file=sys.stderr)
        return 2
    for path in paths:
        print(path)
    for line in missing:
        print(line, file=sys.stderr)
    if not paths:
        print("plots.py: the run has too few rows for a picture", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
