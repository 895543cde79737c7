#!/usr/bin/python3
"""Draws a run as PNG and SVG beside its bench.json. Or compares two or more runs.

    scripts/results/plots.py [FOLDER] [--out DIR]              the newest run under results/ where no folder is given
    scripts/results/plots.py A B [MORE...] [--out DIR]         a comparison, into build/comparison where no DIR is given

ladder       a panel for each operation, a bar for each rung: what each step of the ladder gains
roofline     the fastest kernels below the measured ceilings of arithmetic and memory
heatmap      the speed of each variant relative to the fastest, for each problem
scaling      what threads gain
bandwidth    batch normalization against the copy bandwidth, over the size of the working set
error        error against speed
training     test accuracy over epochs and seconds, if the run trained
split        how the time of a training step divides
machines     a comparison: how much faster than A the others are, by the best variants; a side may be several runs
             of the same settings, joined by commas, as for compare.py
Prints the path of each PNG. If the run has no rows for a picture, it prints the command that makes them.
"""

import statistics
import sys
from pathlib import Path

from matplotlib import pyplot

from command import Parser, ended
from plot_style import (
    BLANK,
    BLUE,
    CYCLE,
    GREY,
    MARKERS,
    ORANGE,
    TITLES,
    WIDTH,
    plain,
    save,
    style,
)
from plots_rows import draw_error, draw_heatmap, draw_machines, draw_scaling
from plots_training import draw_split, draw_training
from results import PEER_RUNG, best, by_problem, load, ours, told_ladder

# An operation of fewer rungs than this shares a panel with its like.
LEAST_RUNGS = 5
# Sizes up to this factor apart are one point of a curve.
NEARLY_ONE_SIZE = 1.2
# Ceilings up to this factor apart share the room for a label.
CLOSE_LINES = 1.4


def ceiling_of(rows):
    """(rate, text) of the highest ceiling the rows are held to, by the percentages they carry; or None. Products of bfloat16
    have one of their own, which the others must not be seen against."""
    ceilings = []
    for row in [r for r in rows if "bf16" not in r.variant] or rows:
        percent = row.get("pct_peak" if row.is_compute else "pct_copy")
        rate = row.get("gflops_actual") if row.is_compute else row.get("gbps")
        if percent and rate:
            ceilings.append(rate / percent * 100)
    return (max(ceilings), "FMA peak" if rows[0].is_compute else "copy") if ceilings else None


def colour_of(row):
    """Of a bar: whose work it is, and on how many threads."""
    if (row.rung or 0) >= PEER_RUNG:
        return GREY
    return BLUE if row.threads == 1 else ORANGE


def draw_steps(axis, steps, title, heads, longest=0):
    """Bars from the first rung at the top to the last at the bottom, with their figures in columns beside them.

    steps: [(name, length, colour, [text of a column])]; heads: of the columns; longest: what the axis must reach."""
    lengths = [length for _, length, _, _ in steps]
    axis.barh(range(len(steps)), lengths, color=[colour for _, _, colour, _ in steps], height=0.72)
    axis.set_yticks(range(len(steps)), [name for name, *_ in steps])
    axis.set_ylim(len(steps) - 0.4, -1.3)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlim(min(lengths) / 2, max([*lengths, longest]) * 1.25)
    axis.tick_params(labelsize=7.5)
    axis.set_title(title, loc="left", fontsize=9)
    axis.grid(axis="y", visible=False)
    table = [heads, *(texts for *_, texts in steps)]
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = ["  ".join(text.rjust(width) for text, width in zip(line, widths)) for line in table]
    # An axis of its own, since the layout leaves room for labels of ticks and not for texts.
    beside = axis.secondary_yaxis("right")
    beside.set_yticks([-0.95, *range(len(steps))], lines, fontsize=7.5, family="monospace")
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)


def draw_op_ladder(axis, op, problem, steps):
    """The panel of one operation: useful rates, and the ceiling the rows are held to."""
    times = [row.get("speedup_naive") for _, row in steps]
    bars = [
        (
            f"{row.variant}{'*' if row.unstable else ''}",
            row.rate,
            colour_of(row),
            [plain(row.rate), f"{plain(speedup)}×" if speedup else ""],
        )
        for (_, row), speedup in zip(steps, times)
    ]
    ceiling = ceiling_of([row for _, row in steps])
    heads = [steps[0][1].rate_unit, "naive"]
    draw_steps(axis, bars, f"{TITLES.get(op, op)}\n{problem}", heads, ceiling[0] if ceiling else 0)
    if ceiling:
        axis.axvline(ceiling[0], color="black", linestyle="--", linewidth=1)
        axis.set_xlabel(f"{steps[0][1].rate_unit}; dashed: {ceiling[1]}, {plain(ceiling[0])}", fontsize=8)
    else:
        axis.set_xlabel(steps[0][1].rate_unit, fontsize=8)


def draw_short_ladders(axis, short):
    """The panel of operations with few rungs: the last rung of each, as a multiple of the naive loops."""
    bars = []
    for op, steps in short:
        row = best(ours([row for _, row in steps]))
        speedup = row.get("speedup_naive")
        if speedup:
            name = TITLES.get(op, op) + ("*" if row.unstable else "")
            bars.append((name, speedup, colour_of(row), [f"{plain(row.rate)} {row.rate_unit}", f"{plain(speedup)}×"]))
    if bars:
        draw_steps(axis, bars, "operations of few rungs\nthe fastest of each", ["rate", "naive"])
        axis.set_xlabel("times as fast as the naive loops", fontsize=8)
    else:
        axis.set_visible(False)


def draw_ladder(run, folder):
    """One panel an operation, one bar a rung; log scale, since the rungs span orders of magnitude."""
    panels, short = [], []
    for op in run.ops:
        problem, steps = told_ladder(run.of(op))
        steps = [(rung, row) for rung, row in steps if row.rate]
        if len(steps) >= LEAST_RUNGS:
            panels.append((op, problem, steps))
        elif len(steps) > 1 and best(ours([row for _, row in steps])):
            short.append((op, steps))
    if not panels:
        panels, short = [(op, steps[0][1].problem, steps) for op, steps in short], []
    if not panels:
        return None
    bars = [len(steps) for *_, steps in panels] + ([len(short)] if short else [])
    columns = 2 if len(bars) > 1 else 1
    heights = [0.185 * max(bars[i : i + columns]) + 1.0 for i in range(0, len(bars), columns)]
    figure, axes = pyplot.subplots(
        len(heights),
        columns,
        figsize=(WIDTH, sum(heights) + 0.6),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    figure.suptitle(
        "Each rung of the ladder, fastest variant: naive loops at the top, threaded SIMD below; *: varied by over 5 %\n"
        f"{run.machine}; blue: one thread, orange: more, grey: other libraries",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    places = list(axes.flat)
    for axis, panel in zip(places, panels):
        draw_op_ladder(axis, *panel)
    if short:
        draw_short_ladders(places[len(panels)], short)
    for axis in places[len(bars) :]:
        axis.set_visible(False)
    return save(figure, folder, "ladder")


def curve_of(rows):
    """[(bytes, gbps)] by size: the fastest row of each problem, problems of nearly one size as one point.

    Sizes that differ by less than a marker is wide would make a curve go up and down at one place; their median stands
    for them."""
    tops = {}
    for row in rows:
        if row.bytes and (row.problem not in tops or row.seconds < tops[row.problem].seconds):
            tops[row.problem] = row
    groups = []
    for size, gbps in sorted((row.bytes, row.get("gbps")) for row in tops.values()):
        if groups and size <= NEARLY_ONE_SIZE * groups[-1][0][0]:
            groups[-1].append((size, gbps))
        else:
            groups.append([(size, gbps)])
    return [tuple(statistics.median(values) for values in zip(*group)) for group in groups]


def bandwidths(run, threads):
    """The curve of the fastest copy."""
    return curve_of([r for r in run.of("copy") if r.threads == threads and r.variant != "ref"])


def level_name(size, run):
    """Which cache a footprint fits in, by the caches of the context; 'memory' beyond them."""
    sizes = sorted(
        (c["level"], c["size"]) for c in run.context.get("caches", []) if c.get("type") != "Instruction"
    )
    for level, bytes_ in sizes:
        if size <= bytes_:
            return f"L{level}"
    return "memory" if sizes else f"{size / 2**20:.3g} MiB"


def draw_copies(axis, run, threads, low, floor, roof):
    """What the copy bandwidth of each cache level allows: a line each, one label for lines that lie close together."""
    lines = {}
    for size, gbps in bandwidths(run, threads):
        name = level_name(size, run)
        if name == "memory" or gbps > lines.get(name, 0):
            lines[name] = gbps
    labels = []
    for name, gbps in sorted(lines.items(), key=lambda line: line[1]):
        axis.plot([low, roof / gbps], [low * gbps, roof], color=GREY, linewidth=1)
        if labels and gbps < CLOSE_LINES * labels[-1][1][0]:
            labels[-1][0].append(name)
            labels[-1][1].append(gbps)
        else:
            labels.append(([name], [gbps]))
    for names, rates in labels:
        x = max(low, floor / rates[0]) * 1.15
        above = CLOSE_LINES if len(rates) > 1 else 1
        rate = f"{rates[0]:.0f}" + (f" to {rates[-1]:.0f}" if len(rates) > 1 else "")
        text = f"{', '.join(sorted(names))} copy, {rate} GB/s"
        axis.text(x, x * rates[-1] * above, text, color="#555555", fontsize=8, bbox=BLANK)


def draw_roofline(run, folder):
    """Dots of the fastest kernels, lines of what was measured as possible."""
    peaks = [r for r in run.of("peak_fma") if r.gflops_done and "bf16" not in r.variant]
    if not peaks:
        return None
    threads = max(r.threads for r in peaks)
    peaks = [r for r in peaks if r.threads == threads]
    top = max(peaks, key=lambda r: r.gflops_done)
    roof = top.gflops_done
    dots = []
    for op in run.ops:
        for group in by_problem(run.of(op)).values():
            row = best([r for r in group if "bf16" not in r.variant])  # under the roof of float32
            if row and row.get("gbps") and row.gflops_done:
                dots.append((op, row, row.gflops_done / row.get("gbps"), row.gflops_done))
    if not dots:
        return None
    low = min(min(x for _, _, x, _ in dots) / 2, 0.25)
    high = max(max(x for _, _, x, _ in dots) * 2, 100)
    floor = min(y for _, _, _, y in dots) / 2

    figure, axis = pyplot.subplots(figsize=(WIDTH, 5.4), layout="constrained")
    axis.set_xscale("log")
    axis.set_yscale("log")
    draw_copies(axis, run, threads, low, floor, roof)
    axis.axhline(roof, color="#000000", linewidth=1.2)
    axis.text(high, roof * 1.08, f"FMA peak ({top.variant}), {roof:.0f} GFLOP/s", ha="right", fontsize=8)
    for name in ("avx2", "sse2"):
        level = [r for r in peaks if name in r.variant and r is not top and r.variant.split("_")[0] == name]
        y = max((r.gflops_done for r in level), default=0)
        if y > floor:
            axis.axhline(y, color=GREY, linewidth=0.8, linestyle=":")
            place, side = (y / 1.08, "top") if y * CLOSE_LINES > roof else (y * 1.08, "baseline")
            axis.text(high, place, f"{name}, {y:.0f}", ha="right", va=side, color="#555555", fontsize=8)
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
        # What is small may be fastest on one thread.
        points = curve_of([r for r in ours(run.of(op)) if r.variant != "ref"])
        if points:
            curves.append((TITLES.get(op, op), points))
    copies = curve_of([r for r in run.of("copy") if r.threads <= threads and r.variant != "ref"])
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
            top = {"transform": axis.get_xaxis_transform(), "ha": "right", "va": "top"}
            axis.text(cache["size"], 1.0, f"L{cache['level']} ", fontsize=8, color="#555555", **top)
    axis.set_xlim(low, high)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_major_formatter(lambda x, _: f"{x / 2**20:g} MiB" if x >= 2**20 else f"{x / 2**10:g} KiB")
    axis.set_xlabel("working set: bytes that must be read and written once")
    axis.set_ylabel("GB/s of those bytes")
    axis.set_title(
        f"Batch normalization against a plain copy of the same size, fastest variant on up to {threads} threads\n"
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


def draw_comparison(names, folder):
    """The picture of two runs and more."""
    # It stands on SciPy, which a picture of one run does without.
    from comparison import compare_best, load_sides, means

    sides = load_sides(names)
    found = means(compare_best(sides))
    style()
    folder.mkdir(parents=True, exist_ok=True)
    path = draw_machines(sides, found, folder)
    return [path] if path else []


def main(argv=None):
    """Draws what the command line names; the program's own where it is None."""
    parser = Parser(description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="with bench.json; default: the newest run")
    parser.add_argument("--out", type=Path, help="where the pictures go; default: the folder, or build/comparison")
    arguments = parser.parse_args(argv)
    return ended("plots.py", lambda: carry_out(arguments))


def carry_out(arguments):
    """Draws, and says what; 1 where that is nothing."""
    missing = []
    if len(arguments.folders) > 1:
        paths = draw_comparison(arguments.folders, arguments.out or Path("build/comparison"))
    else:
        run = load(*arguments.folders)
        paths, missing = draw(run, arguments.out or run.folder)
    for path in paths:
        print(path)
    for line in missing:
        print(line, file=sys.stderr)
    if not paths:
        print("plots.py: too few rows for a picture", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
