"""Draws one picture for each claim, in the style of plots.py. Points are seeds, lines are their means."""

import math

from matplotlib import pyplot

import plot_style
from verdicts import (
    TARGET,
    discrepancies,
    layer_norms,
    looks_along,
    mean,
    ratios,
    roughness,
    saturated_share,
    slowdown,
    steps_to,
)

HEIGHT = 3.8
NAMES = {"plain": "without BN", "bn": "with BN"}


def panels(count, title, height=HEIGHT):
    """A figure with panels side by side."""
    figure, axes = pyplot.subplots(
        1, count, figsize=(plot_style.WIDTH, height), layout="constrained", squeeze=False
    )
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure, list(axes.flat)


ACCURACY = "test accuracy (%)"


def finish(axis, xlabel, ylabel=None, title=None, scale=None, ticks=None):
    """What each panel has: names of its axes, its title, the lines' names; scale: of x, log or a base."""
    if scale == "log":
        axis.set_xscale("log")
    elif scale:
        axis.set_xscale("log", base=scale)
        axis.xaxis.set_major_formatter("{x:g}")
    if ticks:
        axis.minorticks_off()
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlabel(xlabel)
    if ylabel:
        axis.set_ylabel(ylabel)
    if title:
        axis.set_title(title, loc="left", fontsize=9)
    axis.legend(fontsize=8)


def look_of(arm):
    """Colour and marker of an arm: blue with BN, orange without where those are the arms."""
    fixed = {
        "plain": (plot_style.ORANGE, "o"),
        "bn": (plot_style.BLUE, "s"),
        "plain, 0..1": (plot_style.ORANGE, "o"),
        "plain, centred 0..255": (plot_style.RED, "D"),
        "plain, inputs normalised": (plot_style.PURPLE, "v"),
        "bn before": (plot_style.BLUE, "s"),
        "bn after": (plot_style.GREEN, "^"),
    }
    colour, marker = fixed[arm]
    return {"color": colour, "marker": marker}


def curve(axis, points, label, look):
    """points: {x: [a value a seed]}. Seeds pale, their mean strong."""
    points = {x: [y for y in ys if y is not None and math.isfinite(y)] for x, ys in points.items()}
    points = {x: ys for x, ys in points.items() if ys}
    for x, ys in points.items():
        axis.plot([x] * len(ys), ys, linestyle="", markersize=3, alpha=0.35, **look)
    axis.plot(list(points), [mean(ys) for ys in points.values()], markersize=4, label=label, **look)


def by_rate(axis, table, title=None):
    """Final accuracy over the rate."""
    for arm in table.arms():
        points = {rate: [100 * r.accuracy for r in table.of(arm, None, rate)] for rate in table.rates(arm)}
        curve(axis, points, NAMES.get(arm, arm), look_of(arm))
    finish(axis, "learning rate", ACCURACY, title, "log", table.rates())


def side_by_side(axis, groups, series, title):
    """groups: names along the axis; series: {arm: [values of the seeds, one list a group]} side by side, means as lines."""
    width = 0.6 / max(len(series), 1)
    for i, (name, values) in enumerate(series.items()):
        look = look_of(name)
        places = [g + (i - (len(series) - 1) / 2) * width for g in range(len(groups))]
        axis.hlines([*map(mean, values)], [x - width / 3 for x in places], [x + width / 3 for x in places], color=look["color"])
        for number, (x, seeds) in enumerate(zip(places, values)):
            axis.plot([x] * len(seeds), seeds, linestyle="", markersize=4, label=None if number else NAMES[name], **look)
    axis.set_xticks(range(len(groups)), groups, fontsize=8)
    axis.grid(axis="x", visible=False)
    finish(axis, "", ACCURACY, title)


def draw_converges(tables):
    """Test accuracy over steps at each arm's best rate, and at one for both."""
    figure, axes = panels(2, "1. Accuracy while training: does BN get there in fewer steps?")
    for axis, net in zip(axes, ("lenet", "mlp")):
        table = tables[f"rates-{net}"]
        for how, found in table.both_ways(("plain", "bn")):
            dashes = "-" if how.startswith("tuned") else ":"
            for results in found:
                points = {}
                for r in results:
                    for e in r.events.get("test", []):
                        points.setdefault(e["step"], []).append(100 * e["test_accuracy"])
                arm, rate = results[0].arm, results[0].rate
                axis.plot(
                    list(points), [mean(v) for v in points.values()], dashes, color=look_of(arm)["color"],
                    label=f"{NAMES[arm]}, {how.split(' rate')[0]} rate {rate:g}",
                )
        found, title = [table.tuned(arm) for arm in ("plain", "bn")], None
        if all(found):
            target = TARGET * min(mean(r.accuracy for r in f) for f in found)
            steps = [mean(steps_to(r, target)[0] for r in f) for f in found]
            axis.axhline(100 * target, color=plot_style.GREY, linewidth=0.8)
            title = f"{net}: {steps[0]:.0f} steps without, {steps[1]:.0f} with BN to the line"
        finish(axis, "training step", ACCURACY, title)
    return figure


def draw_rates(tables):
    """Accuracy over the rate."""
    figure, axes = panels(2, "2. Accuracy over the learning rate (SGD, momentum 0.9): where does training break down?")
    for axis, net in zip(axes, ("lenet", "mlp")):
        by_rate(axis, tables[f"rates-{net}"], net)
    return figure


def draw_initialisation(tables):
    """Accuracy over the scale of the initial weights, rates tuned."""
    nets = [net for net in ("lenet", "mlp") if tables[f"scale-{net}"].results]
    title = "3. Accuracy over the scale of the initial weights, best rate of each: flat is insensitive"
    figure, axes = panels(max(len(nets), 1), title)
    for axis, net in zip(axes, nets):
        table = tables[f"scale-{net}"]
        for arm in table.arms():
            points = {v: [100 * r.accuracy for r in table.tuned(arm, v)] for v in table.values()}
            curve(axis, points, NAMES[arm], look_of(arm))
        finish(axis, "initial weights, times PyTorch's", ACCURACY, net, "log")
    return figure


def draw_vanishing(tables):
    """Gradient norms by layer at the first step, a panel a depth."""
    table = tables["depth"]
    depths = table.values()
    title = "4. Gradient of each layer's weights at the first step, sigmoid networks by depth"
    figure, axes = panels(max(len(depths), 1), title)
    for axis, depth in zip(axes, depths):
        for arm in table.arms():
            points = {}
            for r in table.of(arm, depth):
                for i, norm in enumerate(layer_norms(r), 1):
                    points.setdefault(i, []).append(norm)
            curve(axis, points, NAMES[arm], look_of(arm))
        axis.set_yscale("log")
        axis.xaxis.get_major_locator().set_params(integer=True)
        finish(axis, "layer, from the input", "gradient norm" if axis is axes[0] else None, f"{depth} hidden layers")
    return figure


def draw_saturation(tables):
    """Share saturated, and what was learnt, over the rate."""
    table = tables["saturation"]
    names = table.values()
    title = "5. Share of activations that are saturated, mean of four layers and all looks (whole), and test accuracy (dotted)"
    figure, axes = panels(max(len(names), 1), title)
    for axis, name in zip(axes, names):
        for arm in table.arms():
            rates, look = table.rates(arm, name), look_of(arm)
            shares = {rate: [100 * saturated_share(r, name) for r in table.of(arm, name, rate)] for rate in rates}
            curve(axis, shares, f"{NAMES[arm]}: saturated", look)
            accuracy = [100 * mean(r.accuracy for r in table.of(arm, name, rate)) for rate in rates]
            axis.plot(rates, accuracy, ":", color=look["color"], label=f"{NAMES[arm]}: test accuracy")
        finish(axis, "learning rate", "%", name, "log")
    return figure


def draw_regularises(tables):
    """Test accuracy by arm."""
    figure, axes = panels(2, "6. Small training sets: test accuracy by what regularises, best rate of each; lines are means")
    for axis, net in zip(axes, ("lenet", "mlp")):
        table = tables[f"overfit-{net}"]
        others = ("", " + dropout", " + decay")
        series = {arm: [[100 * r.accuracy for r in table.tuned(arm + o)] for o in others] for arm in ("plain", "bn")}
        side_by_side(axis, ("alone", "with dropout", "with decay"), series, net)
    return figure


def draw_batch(tables):
    """Accuracy over the batch, by both statistics."""
    table = tables["batch"]
    figure, axes = panels(2, "7. MNIST network over the batch size, one pass over the images")
    for axis, arms in zip(axes, (("plain", "bn"), ("plain as published", "bn as published"))):
        for arm in arms:
            points = {v: [100 * r.accuracy for r in table.tuned(arm, v)] for v in table.values()}
            base = arm.split(" ")[0]
            curve(axis, points, NAMES[base], look_of(base))
        if arms[1] == "bn":
            points = {
                v: [100 * r.events["epoch"][-1].get("test_batch_accuracy", math.nan) for r in table.tuned("bn", v)]
                for v in table.values()
            }
            curve(axis, points, "with BN, statistics of the batch", {"color": plot_style.GREEN, "marker": "^"})
        title = "best rate of each" if arms[1] == "bn" else "as published (stray softmax), rate 1e-3"
        finish(axis, "batch size (images)", ACCURACY, title, 2)
    return figure


def draw_discrepancy(tables):
    """Running less batch statistics over the batch."""
    figure, axes = panels(1, "8. The same weights tested by running and by batch statistics: above 0, running ones are better")
    for net, name, look in (
        ("lenet", "discrepancy", {"color": plot_style.BLUE, "marker": "s"}),
        ("mlp", "batch", {"color": plot_style.GREEN, "marker": "^"}),
    ):
        table = tables[name]
        points = {v: [100 * x for x in discrepancies(table, "bn", v)] for v in table.values()}
        curve(axes[0], points, net, look)
    axes[0].axhline(0, color="#000000", linewidth=0.8)
    finish(axes[0], "batch size in training and test (images)", "difference of test accuracy (points)", scale=2)
    return figure


def draw_robust(tables):
    """Accuracy under shifts."""
    table = tables["place"]
    figure, axes = panels(2, "9. Test images made brighter, darker, flatter or harsher, as none of the training was")
    arms = [arm for arm in ("plain, 0..1", "bn before", "bn after") if arm in table.arms()]
    for axis, kind in zip(axes, ("brightness", "contrast")):
        for arm in arms:
            points = {0.0 if kind == "brightness" else 1.0: [100 * r.accuracy for r in table.tuned(arm)]}
            for r in table.tuned(arm):
                for e in r.events.get("shifted", []):
                    if e["shift"] == kind:
                        points.setdefault(e["amount"], []).append(100 * e["test_accuracy"])
            curve(axis, dict(sorted(points.items())), arm, look_of(arm))
        amount = "added to pixels, of their range" if kind == "brightness" else "distance from mid-grey, times"
        finish(axis, amount, ACCURACY, kind)
    return figure


def draw_place(tables):
    """Accuracy over the rate by where BN stands."""
    figure, axes = panels(1, "10. LeNet with BN before or after each activation, and with its inputs scaled instead")
    by_rate(axes[0], tables["place"])
    return figure


def draw_cost(tables):
    """Time of a step with BN over that without, and BN's share."""
    panes = [(net, name, batch) for net, name in (("lenet", "cost"), ("mlp", "cost-mlp")) for batch in tables[name].values()]
    title = "11. Time of a training step with BN, by its kernels, and BN's share of it; dots are rounds, the line: without BN"
    figure, axes = panels(max(len(panes), 1), title)
    for axis, (net, name, batch) in zip(axes, panes):
        table = tables[name]
        arms = [arm for arm in table.arms() if not arm.endswith("plain")]
        times = [sum(ratios(table, arm, f"{net} plain", batch).values(), []) for arm in arms]
        shares = [mean(r.summary["share_bn"] for r in table.of(arm, batch)) for arm in arms]
        means = [slowdown(table, arm, f"{net} plain", batch) for arm in arms]
        axis.barh(range(len(arms)), means, color=plot_style.BLUE, height=0.6)
        for i, found in enumerate(times):
            axis.plot(found, [i] * len(found), "o", color="#000000", markersize=3)
        axis.axvline(1, color=plot_style.GREY)
        names = [f"{arm.split(' bn ')[-1]}\nBN: {100 * share:.0f} %" for arm, share in zip(arms, shares)]
        axis.set_yticks(range(len(arms)), names, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel("time, without BN = 1")
        axis.set_title(f"{net}, batch {batch}", loc="left", fontsize=9)
        axis.grid(axis="y", visible=False)
    return figure


def draw_landscape(tables):
    """Change of loss and gradient along the step, by its distance."""
    table = tables["landscape"]
    title = "12. Along the step that is taken, best rate of each: means over looks and seeds, at 1/4 to 4 times the step"
    figure, axes = panels(2, title)
    for arm in table.arms():
        looks = [look for r in table.tuned(arm) for look in looks_along(r)]
        looks = [look for look in looks if None not in (*look[0], *look[1], *look[2])]
        if not looks:
            continue
        places = [math.exp(mean(map(math.log, column))) for column in zip(*(look[0] for look in looks))]
        turns, losses = ([mean(map(abs, column)) for column in zip(*(look[i] for look in looks))] for i in (1, 2))
        found = [roughness(r) for r in table.tuned(arm)]
        turn, loss = (mean(x[what] for x in found if x) for what in ("turn", "loss"))
        axes[0].plot(places, [100 * t for t in turns], label=f"{NAMES[arm]}: {100 * turn:.0f} % at the step", **look_of(arm))
        axes[1].plot(places, losses, label=f"{NAMES[arm]}: {loss:.3f} at the step", **look_of(arm))
    for axis, label in zip(axes, ("change of the gradient (% of its norm)", "change of the loss (nats)")):
        axis.set_yscale("log")
        finish(axis, "distance (norm in weight space)", label, scale="log")
    return figure


DRAWERS = {
    "converges": draw_converges,
    "rates": draw_rates,
    "initialisation": draw_initialisation,
    "vanishing": draw_vanishing,
    "saturation": draw_saturation,
    "regularises": draw_regularises,
    "batch": draw_batch,
    "discrepancy": draw_discrepancy,
    "robust": draw_robust,
    "place": draw_place,
    "cost": draw_cost,
    "landscape": draw_landscape,
}


def draw(claim, tables, folder):
    """The picture of a claim, PNG and SVG; the path of the PNG."""
    plot_style.style()
    return plot_style.save(DRAWERS[claim.name](tables), folder, f"{claim.number:02d}-{claim.name}")
