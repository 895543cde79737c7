"""The verdict of a run in at most twelve lines: what batch normalization and convolution cost here, which variants to use,
what bounds them, and what was disturbed. make bench ends with it, and the report begins with it.

    conclude(run)            a Conclusion
    conclude(run).text()     the same as lines
    layer_name(problem)      "3x3, 60 channels, 16x16" for mb4ic60ih16oc60kh3ph1
    grouped(warnings)        warnings; those of one kind are one line with their number and the worst of them
"""

import os.path
import re
import statistics
from dataclasses import dataclass, field

from results import SHARES, UNSTABLE_CV, best, by_problem, is_bfloat16, ours

# What a layer of a network asks for, and what the column of its fastest variant is called.
CONV = (("conv_fwd", "forward"), ("conv_bwd_data", "gradient of data"), ("conv_bwd_weights", "gradient of weights"))
BN = (("bn_fwd_train", "forward"), ("bn_bwd", "backward"))
# The networks whose steps are told: name, without and with batch normalization.
STEPS = (("LeNet", "lenet", "lenet-bn"), ("VGG", "vgg-relu", "vgg-relu-bn"))
# The fused kernels of batch normalization do the ReLU behind it too.
PARTS = (("share_conv", "convolution"), ("share_bn", "BN and its ReLU"))
# Layers shown: convolutions, batch normalizations.
MOST_CONV, MOST_BN = 3, 1
# Logged paces that a median is worth taking of.
STEPS_LEAST = 3
# From here on another precision is worth a line.
CLEARLY = 1.1
# Warnings of the run that belong to what was disturbed, and what is said of them.
TOLD = (
    (r"(\d+) rows were not timed", "{} rows were not timed"),
    (r"the hypervisor took (\d+) %", "the hypervisor took {} % of the time"),
)
# Above it something else was running when the run began.
BUSY = 0.5
NEXT = (
    ("make report", "every row in one HTML file that sorts and filters"),
    ("build/batchmark bench 'conv_*' --problem mb64ic64ih56oc64kh3ph1", "a layer of your own"),
)


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


def span(values, unit=""):
    """The least and the largest of some figures: "12 to 34 %"."""
    texts = list(dict.fromkeys(f"{number(v, 2)}" for v in (min(values), max(values))))
    return " to ".join(texts) + unit


def sizes_of(problem):
    """{"mb": 4, "ic": 60, ...} of a problem of convolution or batch normalization, what is implied filled in."""
    sizes = {name: int(value) for name, value in re.findall(r"(mb|g|[io][chw]|[ksdp][hw])(\d+)", problem)}
    for kind in "iks":
        high, wide = sizes.get(kind + "h"), sizes.get(kind + "w")
        default = 1 if kind in "ks" or wide else None
        sizes[kind + "h"] = high or default
        sizes[kind + "w"] = wide or high or default
    return sizes


def layer_name(problem):
    """A problem in words, or as it is where it is of no kind that is known here."""
    product = re.fullmatch(r"(\d+)x(\d+):\d+x(\d+)", problem)
    if product:
        return f"{product[2]} to {product[3]} values, {product[1]} rows"
    if not re.match(r"(g\d+)?mb\d+ic\d+", problem):
        return problem
    s = sizes_of(problem)
    image = f", {s['ih']}x{s['iw']}" if s["ih"] else ""
    if "oc" not in s:
        return f"BN, {s['ic']} channels{image}"
    channels = f"{s['ic']} channels" if s["ic"] == s["oc"] else f"{s['ic']} to {s['oc']} channels"
    stride = f", stride {max(s['sh'], s['sw'])}" if max(s["sh"], s["sw"]) > 1 else ""
    groups = f", {s['g']} groups" if s.get("g", 1) > 1 else ""
    return f"{s['kh']}x{s['kw']}, {channels}{image}{stride}{groups}"


def named(problem):
    """A layer in words, with the problem to type."""
    name = layer_name(problem)
    return name if name == problem else f"{name} ({problem})"


def candidates(rows):
    """What a user of float32 may take: ours, verified, no reference."""
    return [r for r in ours(rows) if "fail" not in r.label and not is_bfloat16(r)]


def winners(run, op):
    """{problem: the fastest float32 row}, of those problems on which an operation was timed."""
    found = {problem: best(candidates(group)) for problem, group in by_problem(run.of(op)).items()}
    return {problem: row for problem, row in found.items() if row}


@dataclass
class Layer:
    """A layer, and the fastest variant of each of its operations."""

    problem: str
    rows: list  # as the operations of its kind; None where one was not timed


def layers(run, ops, most):
    """The layers to show: of each different answer the one that takes the longest, in the order of their time."""
    by_op = [winners(run, op) for op, _ in ops]
    found = [Layer(problem, [of.get(problem) for of in by_op]) for problem in dict.fromkeys(p for of in by_op for p in of)]
    found = [layer for layer in found if None not in layer.rows] or found
    found.sort(key=lambda layer: -sum(r.seconds for r in layer.rows if r))
    different = {}
    for layer in found:
        different.setdefault(tuple(r and (r.variant, r.layout) for r in layer.rows), layer)
    return list(different.values())[:most]


def paces(training):
    """Images a second of each of a training's turns, the median of what it logged: [(images a second, did they vary)].
    A log without such steps has one turn, that of its summary."""
    turns = []
    for turn in training["turns"]:
        # The first pays for pages and caches.
        rates = [step["images_per_second"] for step in turn if "images_per_second" in step][1:]
        if len(rates) >= STEPS_LEAST:
            low, middle, high = statistics.quantiles(rates, n=4)
            turns.append((middle, high - low > 2 * UNSTABLE_CV * middle))
    whole = training["summary"].get("images_per_second")
    return turns or ([(whole, False)] if whole else [])


def price(plain, with_bn):
    """What batch normalization adds to a step: (ratio, images a second without, with, is it to be doubted), of two
    networks' paces. Those that took turns are compared turn by turn, and the turn of the median ratio is told."""
    turns = sorted((fast / slow, fast, slow) for (fast, _), (slow, _) in zip(plain, with_bn))
    ratios = [turn[0] for turn in turns]
    if len(turns) > 1:
        low, _, high = statistics.quantiles(ratios, n=4)
        doubted = high - low > 2 * UNSTABLE_CV * statistics.median(ratios)
    else:
        doubted = plain[0][1] or with_bn[0][1]
    return *turns[len(turns) // 2], doubted


def step_line(run, name, plain, with_bn):
    """What a training step of a network spends its time on, and what batch normalization adds to it."""
    found = {training["preset"]: training for training in run.training if paces(training)}
    told = found.get(with_bn) or found.get(plain)
    if not told:
        return None
    parts = [f"{100 * told['summary'][key]:.0f} % {what}" for key, what in PARTS if told["summary"].get(key)]
    text = f"{name} step{' with BN' if with_bn in found else ''}: {', '.join(parts) or 'shares not measured'}; "
    if plain not in found or with_bn not in found:
        return text + f"{number(statistics.median(rate for rate, _ in paces(told)), 4)} images/s"
    ratio, fast, slow, doubted = price(paces(found[plain]), paces(found[with_bn]))
    adds = f"BN adds {100 * (ratio - 1):.0f} %" if ratio >= 1.01 else "BN adds nothing that shows"
    return f"{text}{adds}{'*' if doubted else ''} ({number(slow, 4)} images/s, {number(fast, 4)} without)"


def bound_line(run, what, shown):
    """Which ceiling the layers shown come nearest to, and how near; None where no ceiling was measured."""
    rows = [r for layer in shown for r in layer.rows if r]
    near = {share: [value for r in rows if (value := r.get(share))] for share in SHARES}
    nearest = max(SHARES, key=lambda share: sum(near[share]))
    if not near[nearest]:
        return None
    rates = span([r.rate for r in rows if r.rate], f" {rows[0].rate_unit}")
    if nearest == "pct_copy":
        return f"{what} is bound by memory: {rates}, {span(near[nearest])} % of what a copy as large moves"
    peak = max((p for r in run.of("peak_fma") if not is_bfloat16(r) and (p := r.get("gflops_actual"))), default=None)
    peak = f" of {number(peak)} GFLOP/s" if peak else ""
    return f"{what} is bound by arithmetic: {rates}; the operations done are {span(near[nearest])} % of the FMA peak{peak}"


def bfloat16_line(run):
    """Where rounding the inputs to bfloat16 would be faster, and that it is another precision."""
    gains = []
    for op, _ in CONV:
        fastest = winners(run, op)
        for problem, group in by_problem(run.of(op)).items():
            row = best([r for r in group if is_bfloat16(r) and "fail" not in r.label])
            if row and problem in fastest and fastest[problem].seconds > CLEARLY * row.seconds:
                gains.append((fastest[problem].seconds / row.seconds, row))
    if not gains:
        return None
    gain, row = max(gains, key=lambda pair: pair[0])
    rounds = f"{row.variant} rounds its inputs to bfloat16"
    return f"Not float32: {rounds} and is up to {number(gain, 2)} times as fast ({row.problem})"


def disturbed_line(run):
    """What was disturbed, and what is not to be quoted."""
    unstable = [r for r in run.rows if r.unstable]
    parts = []
    if unstable:
        worst = max(unstable, key=lambda r: r.get("cv") or 0)
        worst_cv = f"worst {worst.op}/{worst.variant}, {100 * (worst.get('cv') or 0):.0f} %"
        parts.append(f"{len(unstable)} of {len(run.rows)} rows varied by over 5 % (*; {worst_cv})")
    beyond = sum(r.beyond for r in run.rows)
    if beyond:
        parts.append(f"{beyond} rows beat their measured ceiling, whose shares are left out")
    for said, told in TOLD:
        parts += [told.format(found[1]) for warning in run.context["warnings"] if (found := re.match(said, warning))]
    load = run.context["machine"].get("load") or 0
    if load >= BUSY:
        parts.append(f"load {load:.2g}")
    if parts:
        return f"Disturbed: {'; '.join(parts)}: run again when it is quiet"
    return f"Disturbed: nothing; all {len(run.rows)} rows repeated within 5 %"


@dataclass
class Conclusion:
    """The answers, in their order."""

    head: str
    costs: list  # lines
    columns: list  # of the table: the head of each
    table: list  # lines of cells
    bounds: list  # lines
    disturbed: str
    commands: tuple = field(default=NEXT)

    def text(self):
        """For a terminal."""
        lines = [self.head, *self.costs]
        if self.table:
            rows = [self.columns, *self.table]
            widths = [max(len(row[i]) for row in rows) for i in range(len(self.columns))]
            lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        lines += [*self.bounds, self.disturbed]
        return lines + [f"Next: {command}   # {why}" for command, why in self.commands]


def table_of(conv, norm):
    """(columns, lines): a layer each, the fastest variant of each of its operations."""
    shown = [r for layer in conv + norm for r in layer.rows if r]
    # What all names end in is said once: _avx512_omp.
    ending = os.path.commonprefix([r.variant[::-1] for r in shown])[::-1] if len(shown) > 1 else ""
    ending = ending[ending.index("_") :] if "_" in ending else ""

    def cell(row):
        if not row:
            return "-"
        name = row.variant.removesuffix(ending)
        return name + ("" if row.layout in ("nchw", "nn") else f" in {row.layout}") + ("*" if row.unstable else "")

    columns = ["fastest float32 variant" + (f" (each ...{ending})" if ending else ""), *(head for _, head in CONV)]
    lines = [[named(layer.problem), *map(cell, layer.rows)] for layer in conv]
    # One backward pass of batch normalization has the gradients of the data and of its parameters.
    lines += [[named(layer.problem), *map(cell, layer.rows), "same pass"] for layer in norm]
    return columns, lines


def conclude(run):
    """The run, concluded."""
    threads = max((r.threads for r in run.rows), default=0)
    conv, norm = layers(run, CONV, MOST_CONV), layers(run, BN, MOST_BN)
    columns, table = table_of(conv, norm)
    costs = [line for names in STEPS if (line := step_line(run, *names))]
    bounds = [bound_line(run, "Convolution", conv), bound_line(run, "Batch normalization", norm), bfloat16_line(run)]
    return Conclusion(
        head=f"{run.machine}, {threads} thread{'s' if threads != 1 else ''}",
        costs=costs,
        columns=columns,
        table=table,
        bounds=[line for line in bounds if line],
        disturbed=disturbed_line(run),
    )


def kind_of(warning):
    """A warning without the row and the figures it is about."""
    return re.sub(r"[\d.]+", "0", re.sub(r"\S+/\S+/\S+", "ROW", warning))


def grouped(warnings):
    """Those of one kind as one line: the one of the largest figure, and how many there are."""
    kinds = {}
    for warning in dict.fromkeys(warnings):
        kinds.setdefault(kind_of(warning), []).append(warning)

    def largest(warning):
        return max(map(float, re.findall(r"\d+(?:\.\d+)?", re.sub(r"\S+/\S+/\S+", "", warning))), default=0)

    return [
        max(group, key=largest) + (f" (the worst of {len(group)} like it; bench.json has all)" if len(group) > 1 else "")
        for group in kinds.values()
    ]
