"""Judges the claims by the results of their runs.

Every claim has a function that turns results into parts, (where, sign, what was seen): sign 1 speaks for the claim, -1
against it, 0 is no clear difference. All parts for it: it holds; none: it does not hold here; else it depends, and the
sentence says on what. A difference is clear where Welch's t test over the seeds gives p <= 0.05; with three seeds that asks
for much, and no clear difference is not sameness. Diverged runs are results: they keep the accuracy they ended with.
"""

import math
import statistics
from dataclasses import dataclass, field

from scipy import stats

HOLDS, FAILS, DEPENDS, UNKNOWN = "holds", "does not hold here", "depends", "not measured"
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
        """Did a loss leave the numbers?"""
        return any(self.summary[name] is None for name in ("train_loss", "test_loss"))


@dataclass
class Part:
    """One observation that speaks for a claim (1), against it (-1) or neither way (0)."""

    where: str
    sign: int
    seen: str


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


def compare(ours, theirs, least=0.0):
    """1 where ours are clearly larger, -1 smaller, 0 neither, or by less than `least`."""
    if min(len(ours), len(theirs)) < 2 or not all(map(math.isfinite, [*ours, *theirs])):
        return 0
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
    if not parts:
        return Verdict(UNKNOWN, UNKNOWN, f"{UNKNOWN}: too few runs are finished", figures)
    groups = {"yes": 1, "no clear difference": 0, "the contrary": -1}
    found = {name: [p for p in parts if p.sign == sign] for name, sign in groups.items()}
    word = HOLDS if len(found["yes"]) == len(parts) else DEPENDS if found["yes"] else FAILS
    full = "; ".join(f"{name} for {told(some)}" for name, some in found.items() if some)
    brief = f"{word}: {len(found['yes'])} of {len(parts)} comparisons for it, {len(found['the contrary'])} against"
    return Verdict(word, word if word == HOLDS else brief, f"{word}: {full}", figures)


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
        """Those there are, from low to high."""
        return sorted({r.rate for r in self.of(arm, value)})

    def tuned(self, arm, value=None):
        """The results at the rate that suits the arm best, by mean accuracy."""
        rates = self.rates(arm, value)
        if not rates:
            return []
        return self.of(arm, value, max(rates, key=lambda rate: mean(r.accuracy for r in self.of(arm, value, rate))))

    def equal_rate(self, arms, value=None):
        """The rate that suits the arms together best, or None."""
        common = set.intersection(*(set(self.rates(arm, value)) for arm in arms))
        if not common:
            return None
        return max(sorted(common), key=lambda rate: sum(mean(r.accuracy for r in self.of(a, value, rate)) for a in arms))

    def both_ways(self, arms, value=None):
        """[(how, results of each arm)]: the rate tuned for each, and one for all, which may be the same."""
        tuned, rate = [self.tuned(arm, value) for arm in arms], self.equal_rate(arms, value)
        equal = [self.of(arm, value, rate) for arm in arms] if rate is not None else []
        if not all(tuned):
            return []
        if equal == tuned:
            return [(f"tuned and equal rate {rate:g}", tuned)]
        return [("tuned rates", tuned), *([(f"equal rate {rate:g}", equal)] if all(equal) and equal else [])]


def steps_to(result, target):
    """Where a line through the tests first comes to a test accuracy; that never came to it: the last step, and False."""
    before = None
    for event in result.events.get("test", []):
        if event["test_accuracy"] >= target:
            if before is None:
                return event["step"], True
            share = (target - before["test_accuracy"]) / (event["test_accuracy"] - before["test_accuracy"])
            return before["step"] + share * (event["step"] - before["step"]), True
        before = event
    return result.summary["steps"], False


def slowdowns(table, arm, base, value):
    """Time of a step over that of another arm, a seed each: those of a seed were timed one after the other."""
    seconds = [{r.seed: r.summary["seconds"] / r.summary["steps"] for r in table.of(a, value)} for a in (arm, base)]
    return [time / seconds[1][seed] for seed, time in seconds[0].items() if seed in seconds[1]]


def slowdown(table, arm, base, value):
    """The median of them."""
    found = slowdowns(table, arm, base, value)
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
            parts.append(Part(f"{net} in steps at {how}", compare(steps[0], steps[1]), seen))
            slower = slowdown(tables[cost], f"{net} bn as planned", f"{net} plain", 64)
            if math.isfinite(slower):
                figures[f"{net}, {how}"]["a step takes"] = slower
                # As sure as the time of a step is: all that was measured of it must agree.
                found_slower = slowdowns(tables[cost], f"{net} bn as planned", f"{net} plain", 64)
                signs = {compare(steps[0], [time * s for s in steps[1]]) for time in found_slower}
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
                parts.append(Part(f"{net} at {how}", compare(lost["plain"], lost["bn"], HARDLY), seen))
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
    """Over all layers of an activation and all looks."""
    return mean(layer["saturated"] for _, layers in activations(result, name) for layer in layers)


def drift(result, name):
    """How far the mean and the deviation of layers move from one look to the next, on average."""
    looks = [layers for _, layers in activations(result, name)]
    moves = [
        abs(now[what] - then[what])
        for before, after in zip(looks, looks[1:])
        for then, now in zip(before, after)
        for what in ("mean", "std")
        if now[what] is not None and then[what] is not None
    ]
    return mean(moves)


def saturation(tables):
    """5. Keeps activations out of saturation, and their distribution stable."""
    table, parts, figures = tables["saturation"], [], {}
    for name in table.values():
        for how, found in table.both_ways(("plain", "bn"), name):
            share = [[saturated_share(r, name) for r in arm] for arm in found]
            moves = [[drift(r, name) for r in arm] for arm in found]
            figures[f"{name}, {how}"] = {"saturated": share, "drift": moves}
            seen = f"{100 * mean(share[1]):.1f} % saturated, without BN {100 * mean(share[0]):.1f}"
            parts.append(Part(f"saturation of {name} at {how}", compare(share[0], share[1], HARDLY), seen))
            seen = f"{mean(moves[1]):.4f} between looks, without BN {mean(moves[0]):.4f}"
            parts.append(Part(f"drift of {name} at {how}", compare(moves[0], moves[1]), seen))
    return judge(parts, figures)


def gap(result):
    """Accuracy in training less accuracy in the test."""
    return result.summary["train_accuracy"] - result.accuracy


def regularises(tables):
    """6. Regularises, and lessens the need for other regularisation."""
    parts, figures = [], {}
    for net in ("lenet", "mlp"):
        table = tables[f"overfit-{net}"]
        for how, found in table.both_ways(("plain", "bn")):
            gaps = [[gap(r) for r in arm] for arm in found]
            figures[f"{net}, {how}"] = {"gap plain": gaps[0], "gap bn": gaps[1]}
            tested = [mean(r.accuracy for r in arm) for arm in found]
            seen = f"train/test gap {100 * mean(gaps[1]):.1f} points at a test accuracy of {100 * tested[1]:.0f} %, "
            seen += f"without BN {100 * mean(gaps[0]):.1f} at {100 * tested[0]:.0f} %"
            parts.append(Part(f"{net}'s gap at {how}", compare(gaps[0], gaps[1], HARDLY), seen))
        for other in ("dropout", "decay"):
            gains = {}
            for arm in ("plain", "bn"):
                added, alone = table.tuned(f"{arm} + {other}"), table.tuned(arm)
                base = {r.seed: r.accuracy for r in alone}
                gains[arm] = [r.accuracy - base[r.seed] for r in added if r.seed in base]
            if all(gains.values()):
                figures[f"{net}, gain by {other}"] = gains
                seen = f"{100 * mean(gains['bn']):+.1f} points with BN, {100 * mean(gains['plain']):+.1f} without"
                sign = compare(gains["plain"], gains["bn"], HARDLY)
                parts.append(Part(f"{net}'s gain by {other}", sign, seen))
    return judge(parts, figures)


def batch_drop(table, arm, small):
    """What a small batch costs: accuracy at the batch that suits best less accuracy there, a seed each."""
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
            parts.append(Part(f"batch {small}{label}", compare(lost[1], lost[0], HARDLY), seen))
    return judge(parts, figures)


def discrepancies(table, arm, value):
    """Accuracy by running statistics less accuracy by those of the batch, for the same weights, at the tuned rate."""
    found = []
    for r in table.tuned(arm, value):
        last = r.events["epoch"][-1]
        if "test_batch_accuracy" in last:
            found.append(last["test_accuracy"] - last["test_batch_accuracy"])
    return found


def discrepancy(tables):
    """8. Training and inference differ."""
    parts, figures = [], {}
    for net, name in (("lenet", "discrepancy"), ("mlp", "batch")):
        table = tables[name]
        for value in table.values():
            found = discrepancies(table, "bn", value)
            if found:
                figures[f"{net}, batch {value}"] = found
                sign = abs(compare(found, [0.0] * len(found), HARDLY))
                seen = f"{100 * mean(found):+.1f} points by running statistics"
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
                parts.append(Part(f"{arm}, {kind}, {how}", compare(lost[0], lost[1], HARDLY), seen))
    return judge(parts, figures)


def place(tables):
    """10. Before the activation rather than after it, and rather than plain input scaling."""
    table, parts, figures = tables["place"], [], {}
    pairs = [("before rather than after", "bn before", "bn after")]
    scalings = [a for a in table.arms() if a.startswith("plain")]
    pairs += [(f"{bn} rather than {a}", bn, a) for bn in ("bn before", "bn after") for a in scalings]
    for label, ours, theirs in pairs:
        for how, found in table.both_ways((ours, theirs)):
            accuracy = [[r.accuracy for r in arm] for arm in found]
            figures[f"{label}, {how}"] = {ours: accuracy[0], theirs: accuracy[1]}
            seen = f"{100 * mean(accuracy[0]):.1f} % and {100 * mean(accuracy[1]):.1f} %"
            parts.append(Part(f"{label} at {how}", compare(*accuracy, HARDLY), seen))
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
            figures[f"{net}, batch {batch}"] = {"time of a step": times, "as planned, by seed": each, "share of BN": shares}
            sign = unanimous(time - 1 <= SLIGHTLY for time in each)
            seen = f"{100 * more:+.0f} % a step, seeds {100 * (min(each) - 1):+.0f} to {100 * (max(each) - 1):+.0f}"
            parts.append(Part(f"{net} at batch {batch} costing slightly", sign, seen))
            sign = unanimous(time - 1 < (most_of - 1) / 2 for time, most_of in zip(each, worst))
            seen = f"{100 * most:+.0f} % by naive loops, {100 * more:+.0f} % as planned"
            parts.append(Part(f"{net} at batch {batch} mitigated by optimised kernels", sign, seen))
    return judge(parts, figures)


def roughness(result):
    """(how far the gradient turns within a step, smoothness: that by the length), means over the looks."""
    turns, smooth = [], []
    for e in result.events.get("direction", []):
        at = e["scales"].index(1.0)
        if e["gradient_changes"][at] is not None and e["step_norm"] > 0:
            turns.append(e["gradient_changes"][at])
            smooth.append(math.log10(max(e["gradient_changes"][at] * e["gradient_norm"] / e["step_norm"], 1e-30)))
    return mean(turns), mean(smooth)


def landscape(tables):
    """12. Smooths the loss surface."""
    table, parts, figures = tables["landscape"], [], {}
    for how, found in table.both_ways(("plain", "bn")):
        rough = [[roughness(r) for r in arm] for arm in found]
        turns, smooth = ([[x[i] for x in arm] for arm in rough] for i in (0, 1))
        figures[how] = {"turn plain": turns[0], "turn bn": turns[1], "log10 plain": smooth[0], "log10 bn": smooth[1]}
        seen = f"gradient changes by {100 * mean(turns[1]):.0f} % within a step, without BN {100 * mean(turns[0]):.0f} %"
        parts.append(Part(f"change in a step at {how}", compare(turns[0], turns[1]), seen))
        seen = f"{10 ** mean(smooth[1]):.2g}, without BN {10 ** mean(smooth[0]):.2g}"
        parts.append(Part(f"change by distance at {how}", compare(smooth[0], smooth[1]), seen))
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
    Claim(8, "discrepancy", "training and inference differ", ("discrepancy", "batch"), discrepancy),
    Claim(9, "robust", "more robust to shifted inputs", ("place",), robust),
    Claim(10, "place", "better before the activation than after, and than input scaling", ("place",), place),
    Claim(11, "cost", "costs slightly more time, mitigated by optimised kernels", ("cost", "cost-mlp"), cost),
    Claim(12, "landscape", "smooths the loss surface", ("landscape",), landscape),
)
