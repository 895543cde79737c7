"""Judges the claims by the results of their runs.

Every claim has a function that turns results into parts (where, sign, what was seen): sign 1 supports the claim, -1
contradicts it, 0 is no clear difference. The verdict:

    holds          all parts support the claim
    depends        some parts support it; the sentence says which
    does not hold  no part supports it, and most contradict it clearly
    not shown      anything else: no significant support, which is not a refutation

A difference is clear if Welch's t test over the seeds gives p <= 0.05. With three seeds only large differences reach that;
no clear difference does not mean that both sides are equal. Diverged runs are results: they keep the accuracy they ended
with, and if they have no figure they count as the worst of either side.
"""

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field

from scipy import stats

HOLDS, FAILS, DEPENDS = "holds", "does not hold here", "depends"
UNSHOWN, UNKNOWN = "not shown", "not measured"
CHANCE = 0.1
# Of the accuracy that the worse arm comes to in the end: what "converged" means when steps are counted.
TARGET = 0.9
# What a claim's "slightly" may be: share of a training step's time.
SLIGHTLY = 0.1
# Fewer say nothing.
SEEDS = 3
# Chance of calling a difference clear that is none.
ALPHA = 0.05
# Differences of accuracy below this say nothing, however clear.
HARDLY = 0.005


@dataclass
class Result:
    """A finished run with what is asked of it most."""

    arm: str
    value: object
    rate: float
    seed: int
    events: dict = field(repr=False)
    round: int = 0

    @property
    def summary(self):
        """The last event."""
        return self.events["summary"][-1]

    @property
    def accuracy(self):
        """On the test set, at the end."""
        return self.summary["test_accuracy"]

    @property
    def diverged(self):
        """Did a loss or a weight leave the numbers?"""
        return "diverged_step" in self.summary or any(self.summary[name] is None for name in ("train_loss", "test_loss"))


@dataclass
class Part:
    """One observation that supports a claim (1), contradicts it (-1) or neither (0); or is only mentioned and not counted."""

    where: str
    sign: int
    seen: str
    counted: bool = True


@dataclass
class Verdict:
    """What a claim came to."""

    word: str
    short: str
    sentence: str
    figures: dict


def mean(values):
    """Of a sequence, or NaN of nothing."""
    values = list(values)
    return statistics.fmean(values) if values else math.nan


def is_number(value):
    """Not so what a diverged run has instead of figures."""
    return value is not None and math.isfinite(value)


def compare(ours, theirs, least=0.0, worst=min):
    """1 where ours are clearly larger, -1 smaller, 0 neither, or by less than `least`. What is no number takes the worst
    figure of either side, the smallest unless `worst` is max; a side without any number is worse than the other."""
    if min(len(ours), len(theirs)) < 2:
        return 0
    found = list(filter(is_number, [*ours, *theirs]))
    lost = [not any(map(is_number, side)) for side in (ours, theirs)]
    if any(lost):
        return 0 if all(lost) else 1 if lost[0] == (worst is max) else -1
    ours, theirs = ([v if is_number(v) else worst(found) for v in side] for side in (ours, theirs))
    difference = mean(ours) - mean(theirs)
    if abs(difference) <= least:
        return 0
    moments = [(mean(v), statistics.stdev(v), len(v)) for v in (ours, theirs)]
    # Without any spread there is no t, and no doubt.
    exact = max(deviation for _, deviation, _ in moments) < 1e-9
    clear = exact or stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False).pvalue <= ALPHA
    return int(math.copysign(1, difference)) if clear else 0


def unanimous(answers):
    """1 where all seeds say yes, -1 where all say no, else 0."""
    answers = set(answers)
    return 0 if len(answers) != 1 else 1 if answers.pop() else -1


def judge(parts, figures):
    """The verdict of some parts."""
    counted = [p for p in parts if p.counted]
    if not counted:
        return Verdict(UNKNOWN, UNKNOWN, f"{UNKNOWN}: too few runs are finished", figures)
    groups = {"yes": 1, "no clear difference": 0, "the contrary": -1}
    found = {name: [p for p in counted if p.sign == sign] for name, sign in groups.items()}
    ayes, noes = len(found["yes"]), len(found["the contrary"])
    if ayes:
        word = HOLDS if ayes == len(counted) else DEPENDS
    else:
        word = FAILS if 2 * noes > len(counted) else UNSHOWN
    full = [f"{name} for {told(some)}" for name, some in found.items() if some]
    beside = [p for p in parts if not p.counted]
    if beside:
        full.append(f"beside the claim, uncounted: {told(beside)}")
    brief = f"{word}: {ayes} of {len(counted)} comparisons for it, {noes} against"
    return Verdict(word, word if word == HOLDS else brief, f"{word}: {'; '.join(full)}", figures)


def told(parts):
    """Parts as text."""
    return ", ".join(f"{p.where} ({p.seen})" for p in parts)


class Table:
    """Results of a study."""

    def __init__(self, results):
        self.results = list(results)

    def of(self, arm=None, value=None, rate=None):
        """Those of an arm, value, rate; None: any."""
        return [
            r
            for r in self.results
            if arm in (None, r.arm) and value in (None, r.value) and rate in (None, r.rate)
        ]

    def values(self):
        """Those there are, in the order of the study."""
        return list(dict.fromkeys(r.value for r in self.results))

    def arms(self):
        """Those there are, in the order of the study."""
        return list(dict.fromkeys(r.arm for r in self.results))

    def rates(self, arm=None, value=None):
        """The rates with results of the most seeds, from low to high."""
        found = Counter(r.rate for r in self.of(arm, value))
        return sorted(rate for rate, count in found.items() if count == max(found.values()))

    def tuned(self, arm, value=None):
        """The results at the rate that suits the arm best, by mean accuracy."""
        rates = self.rates(arm, value)
        if not rates:
            return []
        return self.of(arm, value, max(rates, key=lambda rate: mean(r.accuracy for r in self.of(arm, value, rate))))

    def edges(self):
        """[(arm, value, rate, which end)] where the best of several rates is the least or the largest that was tried."""
        found = []
        for value in self.values():
            for arm in self.arms():
                rates, tuned = self.rates(arm, value), self.tuned(arm, value)
                if len(rates) > 1 and tuned[0].rate in (rates[0], rates[-1]):
                    found.append((arm, value, tuned[0].rate, "least" if tuned[0].rate == rates[0] else "largest"))
        return found

    def equal_rate(self, arms, value=None):
        """The rate that suits the arms together best, or None."""
        common = set.intersection(*(set(self.rates(arm, value)) for arm in arms))
        if not common:
            return None
        return max(sorted(common), key=lambda rate: sum(mean(r.accuracy for r in self.of(a, value, rate)) for a in arms))

    def both_ways(self, arms, value=None):
        """[(how, results of each arm)]: at the best rate of each arm, and at one rate for all; the two may be the same."""
        tuned, rate = [self.tuned(arm, value) for arm in arms], self.equal_rate(arms, value)
        equal = [self.of(arm, value, rate) for arm in arms] if rate is not None else []
        if not all(tuned):
            return []
        if equal == tuned:
            return [(f"tuned and equal rate {rate:g}", tuned)]
        return [("tuned rates", tuned), *([(f"equal rate {rate:g}", equal)] if all(equal) and equal else [])]


def steps_to(result, target):
    """The step where a line through the tests first reaches a test accuracy; if it never does, the last step and False."""
    before = None
    for event in result.events.get("test", []):
        if event["test_accuracy"] >= target:
            if before is None:
                return event["step"], True
            share = (target - before["test_accuracy"]) / (event["test_accuracy"] - before["test_accuracy"])
            return before["step"] + share * (event["step"] - before["step"]), True
        before = event
    return result.summary["steps"], False


def ratios(table, arm, base, value):
    """{seed: [ratio of each round]}: time of a step over that of another arm; both were timed one after the other."""
    seconds = [
        {(r.seed, r.round): r.summary["seconds"] / r.summary["steps"] for r in table.of(a, value)} for a in (arm, base)
    ]
    found = {}
    for place, time in seconds[0].items():
        if place in seconds[1]:
            found.setdefault(place[0], []).append(time / seconds[1][place])
    return found


def slowdowns(table, arm, base, value):
    """The median over the rounds, a seed each."""
    return [statistics.median(times) for times in ratios(table, arm, base, value).values()]


def slowdown(table, arm, base, value):
    """The median over rounds and seeds."""
    found = [time for times in ratios(table, arm, base, value).values() for time in times]
    return statistics.median(found) if found else math.nan


def converges(tables):
    """1. Converges faster."""
    parts, figures = [], {}
    for net, cost in (("lenet", "cost"), ("mlp", "cost-mlp")):
        table = tables[f"rates-{net}"]
        for how, found in table.both_ways(("plain", "bn")):
            target = TARGET * min(mean(r.accuracy for r in arm) for arm in found)
            steps = [[steps_to(r, target)[0] for r in arm] for arm in found]
            missed = [sum(not steps_to(r, target)[1] for r in arm) for arm in found]
            ratio = mean(steps[0]) / mean(steps[1])
            figures[f"{net}, {how}"] = {"target": target, "steps plain": steps[0], "steps bn": steps[1], "missed": missed}
            seen = f"{mean(steps[0]):.0f} to {mean(steps[1]):.0f} steps to {100 * target:.0f} %"
            parts.append(Part(f"{net} in steps at {how}", compare(steps[0], steps[1], worst=max), seen))
            slower = slowdown(tables[cost], f"{net} bn as planned", f"{net} plain", 64)
            if math.isfinite(slower):
                figures[f"{net}, {how}"]["a step takes"] = slower
                # As sure as the time of a step is: all that was measured of it must agree.
                found_slower = slowdowns(tables[cost], f"{net} bn as planned", f"{net} plain", 64)
                signs = {compare(steps[0], [time * s for s in steps[1]], worst=max) for time in found_slower}
                sign = signs.pop() if len(signs) == 1 else 0
                parts.append(Part(f"{net} in seconds at {how}", sign, f"{ratio / slower:.2f} times as fast"))
    return judge(parts, figures)


def trains(table, arm, rate, level):
    """Do most runs at a rate come to an accuracy?"""
    found = table.of(arm, None, rate)
    return 2 * sum(r.accuracy >= level for r in found) > len(found)


def rates(tables):
    """2. Allows higher learning rates."""
    parts, figures = [], {}
    for net in ("lenet", "mlp"):
        table = tables[f"rates-{net}"]
        if set(table.arms()) < {"plain", "bn"}:
            continue
        best = max(mean(r.accuracy for r in table.tuned(arm)) for arm in ("plain", "bn"))
        level = (CHANCE + best) / 2
        largest = {
            arm: max((rate for rate in table.rates(arm) if trains(table, arm, rate, level)), default=0)
            for arm in ("plain", "bn")
        }
        best_rates = {arm: table.tuned(arm)[0].rate for arm in largest}
        figures[net] = {"largest": largest, "best": best_rates, "trained means": level}
        sign = (largest["bn"] > largest["plain"]) - (largest["bn"] < largest["plain"])
        ours, theirs = (f"{largest[arm]:g}" if largest[arm] else "none of those tried" for arm in ("bn", "plain"))
        parts.append(Part(net, sign, f"largest rate that trains {ours}, without BN {theirs}"))
    return judge(parts, figures)


def lost_by_scale(table, arm, pick):
    """For each seed, how far the accuracy over all weight scales lies below that of the best one."""
    by_seed = {}
    for value in table.values():
        for r in pick(arm, value):
            by_seed.setdefault(r.seed, []).append(r.accuracy)
    return [max(found) - mean(found) for found in by_seed.values() if len(found) == len(table.values())]


def initialisation(tables):
    """3. Less sensitive to initialisation."""
    parts, figures = [], {}
    for net in ("lenet", "mlp"):
        table = tables[f"scale-{net}"]
        if set(table.arms()) < {"plain", "bn"}:
            continue
        rate = table.equal_rate(("plain", "bn"))
        ways = {"tuned rates": table.tuned, f"equal rate {rate:g}": lambda a, v, t=table, r=rate: t.of(a, v, r)}
        for how, pick in ways.items():
            lost = {arm: lost_by_scale(table, arm, pick) for arm in ("plain", "bn")}
            figures[f"{net}, {how}"] = lost
            seen = f"{100 * mean(lost['bn']):.1f} points lost over all scales, without BN {100 * mean(lost['plain']):.1f}"
            if lost["bn"] and lost["plain"]:
                parts.append(Part(f"{net} at {how}", compare(lost["plain"], lost["bn"], HARDLY, max), seen))
    return judge(parts, figures)


def layer_norms(result, which=0):
    """Gradient norms of the weights of conv and dense layers in a layers event."""
    layers = result.events["layers"][which]["layers"]
    return [layer["gradient_norm"] for layer in layers if layer["layer"].startswith(("conv", "dense"))]


def reach(result):
    """How much of the gradient of the last hidden layer is left in the first one, in decades, at the first step."""
    norms = layer_norms(result)
    if norms[0] is None or not norms[0] > 0 or not norms[-2]:
        return -45.0
    return math.log10(norms[0] / norms[-2])


def first_rate(table, arm, value=None):
    """The results at one rate, for what does not depend on it."""
    return [r for rate in table.rates(arm, value)[:1] for r in table.of(arm, value, rate)]


def vanishing(tables):
    """4. Mitigates vanishing gradients."""
    table, parts, figures = tables["depth"], [], {}
    for depth in table.values():
        # At the first step the rate has done nothing yet: a value a seed.
        left = {arm: [reach(r) for r in first_rate(table, arm, depth)] for arm in ("plain", "bn")}
        if not all(left.values()):
            continue
        accuracy = {arm: [r.accuracy for r in table.tuned(arm, depth)] for arm in left}
        figures[f"depth {depth}"] = {"decades": left, "accuracy": accuracy}
        seen = f"first layer's gradient 1e{mean(left['bn']):+.1f} of the last one's, without BN 1e{mean(left['plain']):+.1f}"
        parts.append(Part(f"gradients at depth {depth}", compare(left["bn"], left["plain"]), seen))
        seen = f"{100 * mean(accuracy['bn']):.0f} % and {100 * mean(accuracy['plain']):.0f} %"
        parts.append(Part(f"accuracy at depth {depth}", compare(accuracy["bn"], accuracy["plain"], HARDLY), seen))
    deep = tables["vgg"]
    for name in ("sigmoid", "relu"):
        left = [[reach(r) for r in first_rate(deep, arm)] for arm in (f"{name}-bn", name)]
        if all(left):
            figures[f"vgg-{name}"] = {"decades": {"bn": left[0], "plain": left[1]}}
            seen = f"1e{mean(left[0]):+.1f}, without BN 1e{mean(left[1]):+.1f}"
            parts.append(Part(f"gradients of vgg-{name}", compare(*left), seen))
    return judge(parts, figures)


def activations(result, name):
    """[(step, [statistics of each activation layer])]"""
    return [
        (e["step"], [layer for layer in e["layers"] if layer["layer"] == name]) for e in result.events.get("layers", [])
    ]


def saturated_share(result, name):
    """The mean over all layers of an activation and all looks; NaN if the run diverged, which is not saturation."""
    found = [layer for _, layers in activations(result, name) for layer in layers]
    if any(layer["mean"] is None for layer in found):
        return math.nan
    return mean(layer["saturated"] for layer in found)


def drift(result, name):
    """The mean change of a layer's mean and deviation from one look to the next; NaN as above."""
    looks = [layers for _, layers in activations(result, name)]
    if any(layer[what] is None for layers in looks for layer in layers for what in ("mean", "std")):
        return math.nan
    return mean(
        abs(now[what] - then[what])
        for before, after in zip(looks, looks[1:])
        for then, now in zip(before, after)
        for what in ("mean", "std")
    )


def learnt(results):
    """What came of training, for a sentence."""
    accuracy = mean(r.accuracy for r in results)
    return f"{100 * accuracy:.0f} % right" if accuracy > 1.5 * CHANCE else "nothing learnt"


def saturation(tables):
    """5. Keeps activations out of saturation, and their distribution stable."""
    table, parts, figures = tables["saturation"], [], {}
    for name in table.values():
        # At every rate: what is saturated where training suits neither is what the claim is about.
        for rate in table.rates(None, name):
            found = [table.of(arm, name, rate) for arm in ("plain", "bn")]
            if not all(found):
                continue
            share = [[saturated_share(r, name) for r in arm] for arm in found]
            moves = [[drift(r, name) for r in arm] for arm in found]
            accuracy = [[r.accuracy for r in arm] for arm in found]
            how = f"{name} at rate {rate:g}"
            figures[how] = {"saturated": share, "drift": moves, "accuracy": accuracy}
            seen = f"{100 * mean(share[1]):.1f} % saturated, {learnt(found[1])}, "
            seen += f"without BN {100 * mean(share[0]):.1f} %, {learnt(found[0])}"
            parts.append(Part(f"saturation of {how}", compare(*share, HARDLY, max), seen))
            seen = f"{mean(moves[1]):.4f} between looks, without BN {mean(moves[0]):.4f}"
            parts.append(Part(f"drift of {how}", compare(*moves, worst=max), seen))
    return judge(parts, figures)


def regularises(tables):
    """6. Regularises, and lessens the need for other regularisation. By the test set alone: the accuracy of training is
    a mean over steps in which BN uses the batch and dropout drops, and compares with nothing."""
    parts, figures = [], {}
    for net in ("lenet", "mlp"):
        table = tables[f"overfit-{net}"]
        for how, found in table.both_ways(("plain", "bn")):
            accuracy = [[r.accuracy for r in arm] for arm in found]
            figures[f"{net}, {how}"] = {"test accuracy plain": accuracy[0], "test accuracy bn": accuracy[1]}
            seen = f"{100 * mean(accuracy[1]):.1f} % of the test set, without BN {100 * mean(accuracy[0]):.1f}"
            parts.append(Part(f"{net}'s test accuracy at {how}", compare(accuracy[1], accuracy[0], HARDLY), seen))
        for other in ("dropout", "decay"):
            gains = {}
            for arm in ("plain", "bn"):
                added, alone = table.tuned(f"{arm} + {other}"), table.tuned(arm)
                base = {r.seed: r.accuracy for r in alone}
                gains[arm] = [r.accuracy - base[r.seed] for r in added if r.seed in base]
            if all(gains.values()):
                figures[f"{net}, gain by {other}"] = gains
                seen = f"{100 * mean(gains['bn']):+.1f} points in the test with BN, {100 * mean(gains['plain']):+.1f} without"
                sign = compare(gains["plain"], gains["bn"], HARDLY)
                parts.append(Part(f"{net} gaining less by {other}", sign, seen))
    return judge(parts, figures)


def batch_drop(table, arm, small):
    """What a small batch costs, for each seed: the accuracy at the best batch minus the accuracy at this one."""
    best = max(table.values(), key=lambda v: mean(r.accuracy for r in table.tuned(arm, v)))
    base = {r.seed: r.accuracy for r in table.tuned(arm, best)}
    return [base[r.seed] - r.accuracy for r in table.tuned(arm, small) if r.seed in base]


def small_batches(tables):
    """7. Degrades at very small batch."""
    table, parts, figures = tables["batch"], [], {}
    for label, plain, bn in (("", "plain", "bn"), (" as published", "plain as published", "bn as published")):
        for small in (2, 4, 8):
            if not table.of(plain, small) or not table.of(bn, small):
                continue
            lost = [batch_drop(table, arm, small) for arm in (plain, bn)]
            figures[f"batch {small}{label}"] = {"lost plain": lost[0], "lost bn": lost[1]}
            seen = f"{100 * mean(lost[1]):.1f} points below its best batch, without BN {100 * mean(lost[0]):.1f}"
            parts.append(Part(f"batch {small}{label}", compare(lost[1], lost[0], HARDLY, max), seen))
    return judge(parts, figures)


def discrepancies(table, arm, value):
    """Accuracy by running statistics minus accuracy by the statistics of the batch, for the same weights, at the tuned rate."""
    found = []
    for r in table.tuned(arm, value):
        last = r.events["epoch"][-1]
        if "test_batch_accuracy" in last:
            found.append(last["test_accuracy"] - last["test_batch_accuracy"])
    return found


def discrepancy(tables):
    """8. Training and inference differ: the same weights, tested by running statistics and by those of the batch."""
    parts, figures = [], {}
    for net, name in (("lenet", "discrepancy"), ("mlp", "batch")):
        table = tables[name]
        for value in table.values():
            found = discrepancies(table, "bn", value)
            if found:
                figures[f"{net}, batch {value}"] = found
                # Either way: the claim is that there is a difference, not which is better.
                sign = abs(compare(found, [0.0] * len(found), HARDLY))
                seen = f"running statistics test {100 * abs(mean(found)):.1f} points {'better' if mean(found) > 0 else 'worse'}"
                parts.append(Part(f"{net} at batch {value}", sign, seen))
    return judge(parts, figures)


def lost_by_shift(result, kind):
    """Share of the accuracy above chance that is lost on average by shifts of a kind."""
    above = result.accuracy - CHANCE
    if above < HARDLY:
        return 1.0  # nothing was learnt: nothing could be kept
    found = [e["test_accuracy"] for e in result.events.get("shifted", []) if e["shift"] == kind]
    return mean((result.accuracy - accuracy) / above for accuracy in found)


def robust(tables):
    """9. More robust to shifted inputs."""
    table, parts, figures = tables["place"], [], {}
    plain = "plain, 0..1"
    for arm in ("bn before", "bn after"):
        for how, found in table.both_ways((plain, arm)):
            for kind in ("brightness", "contrast"):
                lost = [[lost_by_shift(r, kind) for r in results] for results in found]
                figures[f"{arm}, {kind}, {how}"] = {"lost plain": lost[0], "lost bn": lost[1]}
                seen = f"{100 * mean(lost[1]):.0f} % of what was learnt is lost, without BN {100 * mean(lost[0]):.0f} %"
                parts.append(Part(f"{arm}, {kind}, {how}", compare(lost[0], lost[1], HARDLY, max), seen))
    return judge(parts, figures)


def place(tables):
    """10. Before the activation rather than after it, and rather than plain input scaling."""
    table, parts, figures = tables["place"], [], {}
    scalings = [a for a in table.arms() if a.startswith("plain")]
    pairs = [("before rather than after", "bn before", "bn after", True)]
    pairs += [(f"before rather than {a}", "bn before", a, True) for a in scalings]
    # The claim is of BN before activations alone; how BN after them compares is told beside it.
    pairs += [(f"after rather than {a}", "bn after", a, False) for a in scalings]
    for label, ours, theirs, counted in pairs:
        for how, found in table.both_ways((ours, theirs)):
            accuracy = [[r.accuracy for r in arm] for arm in found]
            figures[f"{label}, {how}"] = {ours: accuracy[0], theirs: accuracy[1]}
            sign = compare(*accuracy, HARDLY)
            seen = f"{100 * mean(accuracy[0]):.1f} % and {100 * mean(accuracy[1]):.1f} %"
            if not counted:
                seen += {1: ", clearly better", 0: ", no clear difference", -1: ", clearly worse"}[sign]
            parts.append(Part(f"{label} at {how}", sign, seen, counted))
    return judge(parts, figures)


def cost(tables):
    """11. Costs little time, and less when it is optimised."""
    parts, figures = [], {}
    for net, name in (("lenet", "cost"), ("mlp", "cost-mlp")):
        table = tables[name]
        for batch in table.values():
            times = {arm: slowdown(table, arm, f"{net} plain", batch) for arm in table.arms()}
            planned, naive = (times.get(f"{net} bn {a}", math.nan) for a in ("as planned", "naive"))
            if not math.isfinite(planned) or not math.isfinite(naive):
                continue
            shares = {arm: mean(r.summary["share_bn"] for r in table.of(arm, batch)) for arm in table.arms()}
            more, most = planned - 1, naive - 1
            plain = f"{net} plain"
            each, worst = (slowdowns(table, f"{net} bn {a}", plain, batch) for a in ("as planned", "naive"))
            rounds = [t for times in ratios(table, f"{net} bn as planned", plain, batch).values() for t in times]
            figures[f"{net}, batch {batch}"] = {
                "time of a step": times, "as planned, by seed": each, "as planned, by round": rounds, "share of BN": shares
            }
            sign = unanimous(time - 1 <= SLIGHTLY for time in each)
            seen = f"{100 * more:+.0f} % a step, seeds {100 * (min(each) - 1):+.0f} to {100 * (max(each) - 1):+.0f}, "
            seen += f"rounds {100 * (min(rounds) - 1):+.0f} to {100 * (max(rounds) - 1):+.0f}"
            parts.append(Part(f"{net} at batch {batch} costing slightly", sign, seen))
            sign = unanimous(time - 1 < (most_of - 1) / 2 for time, most_of in zip(each, worst))
            seen = f"{100 * most:+.0f} % by naive loops, {100 * more:+.0f} % as planned"
            parts.append(Part(f"{net} at batch {batch} mitigated by optimised kernels", sign, seen))
    return judge(parts, figures)


def looks_along(result):
    """Looks along the step that was taken: [(distances, changes of the gradient in shares of its norm, losses less that at
    the start, norm of the gradient)]; a look that left the numbers has None in it."""
    return [
        (
            [scale * e["step_norm"] for scale in e["scales"]],
            e["gradient_changes"],
            [None if loss is None or e["loss"] is None else loss - e["loss"] for loss in e["losses"]],
            e["gradient_norm"],
        )
        for e in result.events.get("direction", [])
        if e["step_norm"] is None or e["step_norm"] > 0
    ]


def at_distance(distances, values, distance):
    """By straight lines between the places looked at, from 0 at the start; None beyond the last one."""
    before = (0.0, 0.0)
    for here in zip(distances, values):
        if here[0] >= distance:
            return before[1] + (here[1] - before[1]) * (distance - before[0]) / (here[0] - before[0])
        before = here
    return None


def step_length(results):
    """The geometric mean of the steps looked at."""
    norms = [e["step_norm"] for r in results for e in r.events.get("direction", [])]
    return math.exp(mean(math.log(norm) for norm in norms if norm)) if any(norms) else math.nan


def roughness(result, distance=None):
    """{what: mean over the looks}, NaN where one left the numbers, None where none looked as far. Within the step, or over
    a distance from where it began: how far the gradient turns (shares of its norm) and the loss moves (nats); and the
    change of the gradient by distance, a decimal logarithm of nats by the square of the weights' unit."""
    found = {"turn": [], "loss": [], "by distance": []}
    for distances, changes, losses, gradient in looks_along(result):
        if not all(map(is_number, [*distances, *changes, *losses, gradient])):
            return dict.fromkeys(found, math.nan)
        length = distances[result.events["direction"][0]["scales"].index(1.0)] if distance is None else distance
        turn, loss = (at_distance(distances, values, length) for values in (changes, losses))
        if turn is not None:
            found["turn"].append(turn)
            found["loss"].append(abs(loss))
            found["by distance"].append(math.log10(max(turn * gradient / length, 1e-30)))
    return {what: mean(values) for what, values in found.items()} if found["turn"] else None


def landscape(tables):
    """12. Smooths the loss surface: gradient and loss change less from where a step begins."""
    table, parts, figures = tables["landscape"], [], {}
    for how, found in table.both_ways(("plain", "bn")):
        # A shorter step sees less of the surface: both arms also at one distance, between their own.
        same = math.sqrt(step_length(found[0]) * step_length(found[1]))
        for where, distance in ((f"the step at {how}", None), (f"{same:.2g} of weight space at {how}", same)):
            rough = [[roughness(r, distance) for r in arm] for arm in found]
            if None in [*rough[0], *rough[1]]:
                continue
            seen = {what: [[x[what] for x in arm] for arm in rough] for what in rough[0][0]}
            figures[where] = {f"{what} {arm}": seen[what][i] for what in seen for i, arm in enumerate(("plain", "bn"))}
            brief = {what: [mean(arm) for arm in arms] for what, arms in seen.items()}
            text = f"gradient changes by {100 * brief['turn'][1]:.0f} % of its norm, without BN {100 * brief['turn'][0]:.0f} %"
            parts.append(Part(f"gradient within {where}", compare(*seen["turn"], worst=max), text))
            text = f"loss changes by {brief['loss'][1]:.3f} nats, without BN {brief['loss'][0]:.3f}"
            parts.append(Part(f"loss within {where}", compare(*seen["loss"], worst=max), text))
            text = f"{10 ** brief['by distance'][1]:.2g} nats/weight², without BN {10 ** brief['by distance'][0]:.2g}"
            parts.append(Part(f"gradient by distance within {where}", compare(*seen["by distance"], worst=max), text))
    return judge(parts, figures)


@dataclass(frozen=True)
class Claim:
    """A claim, the studies it is judged by, and by what."""

    number: int
    name: str
    text: str
    studies: tuple
    judge: object


CLAIMS = (
    Claim(1, "converges", "converges faster", ("rates-lenet", "rates-mlp", "cost", "cost-mlp"), converges),
    Claim(2, "rates", "allows higher learning rates", ("rates-lenet", "rates-mlp"), rates),
    Claim(3, "initialisation", "less sensitive to initialisation", ("scale-lenet", "scale-mlp"), initialisation),
    Claim(4, "vanishing", "mitigates vanishing gradients", ("depth", "vgg"), vanishing),
    Claim(5, "saturation", "keeps activations unsaturated and stable", ("saturation",), saturation),
    Claim(6, "regularises", "regularises, less need of dropout and decay", ("overfit-lenet", "overfit-mlp"), regularises),
    Claim(7, "batch", "degrades at very small batch", ("batch",), small_batches),
    Claim(8, "discrepancy", "tests differently by running than by batch statistics", ("discrepancy", "batch"), discrepancy),
    Claim(9, "robust", "more robust to shifted inputs", ("place",), robust),
    Claim(10, "place", "better before the activation than after, and than input scaling", ("place",), place),
    Claim(11, "cost", "costs slightly more time, mitigated by optimised kernels", ("cost", "cost-mlp"), cost),
    Claim(12, "landscape", "smooths the loss surface", ("landscape",), landscape),
)
