"""Pictures of many rows: the fastest variants, what threads gain, error against speed, one machine against another."""

import math
from statistics import geometric_mean

from matplotlib import pyplot
from matplotlib.colors import LinearSegmentedColormap

from plot_style import BLUE, CYCLE, GREY, MARKERS, ORANGE, TITLES, WIDTH, plain, save
from results import best, by_problem, ours, telling_problem
from scaling import efficiency, pairs, speedup, waits_for_memory

# Of the heat map: more would not be read at the width of a README.
MOST_VARIANTS = 9
MOST_PROBLEMS = 9
# Fewer variants than these on a problem are no contest.
LEAST_VARIANTS = 3
HEATMAP_OPS = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights", "bn_fwd_train", "bn_bwd")
PALE_TO_BLUE = LinearSegmentedColormap.from_list("speed", ["#f7f7f7", "#9ecae1", BLUE])
ISA_WORDS = ("scalar", "sse2", "avx2", "avx512", "avx512bf16", "neon", "omp")


def heatmap_of(rows):
    """(variants, problems, {(variant, problem): fastest row}) worth drawing: what wins somewhere comes first."""
    rows = [r for r in ours(rows) if r.variant != "ref"]
    counts = {problem: len({r.variant for r in group}) for problem, group in by_problem(rows).items()}
    problems = [item for item in by_problem(rows).items() if counts[item[0]] >= LEAST_VARIANTS]
    problems = sorted(problems, key=lambda item: -counts[item[0]])[:MOST_PROBLEMS]
    cells, score = {}, {}
    for problem, group in problems:
        top = best(group)
        for row in group:
            key = (row.variant, problem)
            if key not in cells or row.seconds < cells[key].seconds:
                cells[key] = row
        for variant in {r.variant for r in group}:
            wins, speed = score.get(variant, (0, 0))
            ratio = top.seconds / cells[variant, problem].seconds
            score[variant] = (wins + (variant == top.variant), speed + ratio)
    variants = sorted(score, key=lambda v: score[v], reverse=True)[:MOST_VARIANTS]
    return variants, [problem for problem, _ in problems], cells


def draw_heatmap(run, folder):
    """How near each variant comes to the fastest, problem by problem; a frame marks the fastest."""
    panels = [(op, *heatmap_of(run.of(op))) for op in HEATMAP_OPS if op in run.ops]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return None
    heights = [0.24 * len(variants) + 1.5 for _, variants, _, _ in panels]
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(WIDTH, sum(heights) + 0.5), squeeze=False, layout="constrained", height_ratios=heights
    )
    figure.suptitle(
        "Which variant for which problem: speed in % of the fastest, which is framed\n"
        f"{run.machine}; fastest layout and thread count of each; white: not timed",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    for axis, (op, variants, problems, cells) in zip(axes.flat, panels):
        fastest = {p: min(row.seconds for (_, other), row in cells.items() if other == p) for p in problems}
        speeds = [
            [100 * fastest[p] / cells[v, p].seconds if (v, p) in cells else math.nan for p in problems] for v in variants
        ]
        axis.imshow(speeds, cmap=PALE_TO_BLUE, vmin=0, vmax=100, aspect="auto")
        for i, line in enumerate(speeds):
            for j, speed in enumerate(line):
                if math.isnan(speed):
                    continue
                colour = "white" if speed > 65 else "black"
                axis.text(j, i, f"{speed:.0f}" if speed >= 1 else "<1", ha="center", va="center", fontsize=8, color=colour)
                if cells[variants[i], problems[j]].seconds == fastest[problems[j]]:
                    axis.add_patch(pyplot.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5))
        axis.set_xticks(range(len(problems)), problems, rotation=12, ha="right", fontsize=8)
        axis.set_yticks(range(len(variants)), variants, fontsize=8)
        axis.set_title(TITLES.get(op, op), loc="left", fontsize=9)
        axis.grid(visible=False)
    return save(figure, folder, "heatmap")


def scatter_gains(axis, found, threads):
    """A dot a row that was timed on one thread and on so many."""
    for i, (op, rows) in enumerate(found.items()):
        rows = [pair for pair in rows if pair[1].threads == threads]
        look = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[(i + i // len(CYCLE)) % len(MARKERS)], "s": 28}
        for bound in (False, True):
            mine = [(one.seconds * 1e3, speedup(one, many)) for one, many in rows if waits_for_memory(many) == bound]
            label = None if bound and len(mine) < len(rows) else TITLES.get(op, op)
            if mine:
                axis.scatter(*zip(*mine), facecolor="none" if bound else look["color"], edgecolor=look["color"],
                             marker=look["marker"], s=look["s"], label=label, zorder=3)  # fmt: skip
    axis.axhline(threads, color="black", linewidth=1)
    edge = {"transform": axis.get_yaxis_transform(), "ha": "right", "va": "bottom", "fontsize": 8}
    axis.text(1, threads, f"{threads} times: efficiency 100 % ", **edge)
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.text(1, 1, f"no gain: {100 / threads:.0f} % ", **edge)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.set_ylim(0, threads * 1.12)
    axis.set_xlabel("time on one thread (ms)")
    axis.set_ylabel(f"time on one thread over time on {threads}")


def curve_gains(axis, found, counts):
    """The efficiency of each operation over the number of threads: geometric means of its rows."""
    for i, (op, rows) in enumerate(found.items()):
        by_count = {n: [efficiency(one, many) for one, many in rows if many.threads == n] for n in counts}
        points = [(1, 100)] + [(n, 100 * geometric_mean(values)) for n, values in by_count.items() if values]
        axis.plot(
            *zip(*points), color=CYCLE[i % len(CYCLE)], marker=MARKERS[(i + i // len(CYCLE)) % len(MARKERS)], markersize=4
        )
    axis.set_xscale("log", base=2)
    axis.set_xticks([1, *counts], [str(n) for n in (1, *counts)])
    axis.minorticks_off()
    axis.set_ylim(0, 112)
    axis.set_xlabel("threads")
    axis.set_ylabel("efficiency (%): speed-up over threads")


def draw_scaling(run, folder):
    """What more threads gain, row by row for the most threads; where there are several counts, over their number too."""
    found = pairs(run)
    if not found:
        return None
    counts = sorted({many.threads for rows in found.values() for _, many in rows})
    columns = 2 if len(counts) > 1 else 1
    figure, axes = pyplot.subplots(1, columns, figsize=(WIDTH, 4.4), layout="constrained", squeeze=False)
    scatter_gains(axes[0][-1], found, counts[-1])
    if columns > 1:
        curve_gains(axes[0][0], found, counts)
    figure.suptitle(
        f"What {counts[-1]} threads gain; hollow: the bytes alone take half of the time, so memory is what is shared\n"
        f"{run.machine}",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    axes[0][-1].legend(fontsize=8, loc="lower right", ncols=3 - columns)
    return save(figure, folder, "scaling")


def family(variant):
    """A variant's algorithm: its name without the words for compile flags."""
    return "_".join(word for word in variant.split("_") if word not in ISA_WORDS)


def draw_error(run, folder):
    """Error against speed on one problem of forward convolution: are fast variants less accurate?"""
    rows = [r for r in ours(run.of("conv_fwd")) if r.rate and r.get("err_over_limit") and r.variant != "ref"]
    problem = telling_problem(rows)
    groups = {}
    for row in rows:
        if row.problem == problem:
            groups.setdefault(family(row.variant), []).append(row)
    if len(groups) < 2:
        return None
    figure, axis = pyplot.subplots(figsize=(WIDTH, 4.6), layout="constrained")
    for i, (name, group) in enumerate(groups.items()):
        look = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[(i + i // len(CYCLE)) % len(MARKERS)]}
        axis.scatter([r.rate for r in group], [r.get("err_over_limit") for r in group], s=30, label=name, zorder=3, **look)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:.2g}")
    axis.axhline(1, color="black", linewidth=1)
    axis.text(0, 1, " the limit the reference computes", transform=axis.get_yaxis_transform(), va="bottom", fontsize=8)
    axis.set_xlabel("useful GFLOP/s")
    axis.set_ylabel("largest error over its limit")
    axis.set_title(
        f"Error against speed, forward convolution {problem}: right is faster, down is more accurate\n"
        f"{run.machine}; a dot a variant, layout and thread count",
        loc="left",
    )
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return save(figure, folder, "error")


def title_of(op):
    """An operation in words, of a comparison with what it allows."""
    name, allowed, precision = op.partition(" or ")
    return TITLES.get(name, name) + allowed + precision


def draw_machines(sides, found, folder):
    """Sides of a comparison, an operation a group of bars: how much faster than the first; found: its geometric means."""
    if not found:
        return None
    others = sides[1:]
    figure, axis = pyplot.subplots(
        figsize=(WIDTH, 0.22 * len(found) * (len(others) + 1) + 1.3), layout="constrained"
    )
    width = 0.8 / len(others)
    for i, side in enumerate(others):
        speeds = [1 / mean.ratios[i + 1] for mean in found]
        places = [j + (i - (len(others) - 1) / 2) * width for j in range(len(found))]
        axis.barh(places, [s - 1 for s in speeds], left=1, height=width * 0.9, color=CYCLE[i % len(CYCLE)], label=side.label)
        for place, speed in zip(places, speeds):
            side_of = "left" if speed >= 1 else "right"
            axis.text(speed, place, f" {plain(speed)} ", va="center", ha=side_of, fontsize=8)
    axis.axvline(1, color="black", linewidth=1)
    axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.set_yticks(range(len(found)), [f"{title_of(m.op)} ({m.problems})" for m in found], fontsize=8)
    axis.set_ylim(len(found) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(
        f"times as fast as {sides[0].label}, by the best variants\n(geometric mean over the problems; in brackets: how many)"
    )
    who = others[0].label if len(others) == 1 else "a side"
    title = f"Right of the line {who} is faster than {sides[0].label}"
    axis.set_title(title if len(title) < 90 else title.replace(" than ", "\nthan "), loc="left")
    if len(others) > 1:
        axis.legend(fontsize=8)
    return save(figure, folder, "machines")
