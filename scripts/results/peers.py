#!/usr/bin/python3
"""Compares our variants with the peers of rung 9x in a run that timed both: who is ahead, and by how much.

    scripts/results/peers.py [FOLDER...]     folders with a bench.json; the newest under results/ where none is given

A ratio is the peer's median time over ours: above 1 we are faster. Prints one table an operation, then geometric means
(each distinct layer once) and the rows where we are slower, and writes the same as peers.md into the folder. A mark *
says that the repetitions of one side varied by more than 5 %. Both sides were timed in turn, so the ratio is more reliable
than either time.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

from conclusion import duration
from results import CEILINGS, PEER_RUNG, ResultsError, of_each_run
from tables import markdown_table, text_table

# Below this we are behind, above it level or ahead: what two equal sides measure on a quiet machine.
LEVEL = 0.95
PLAIN = "nchw"
ORDER = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights", "bn_fwd_train", "bn_bwd", "bn_fwd_infer")


def fastest(rows, wanted=lambda row: True):
    """The fastest row of those wanted, or None."""
    return min((r for r in rows if wanted(r)), key=lambda r: r.seconds, default=None)


def ratio(peer, ours):
    """The peer's time over ours; None where one of them is missing."""
    return peer.seconds / ours.seconds if peer and ours else None


def is_plain(row):
    """Does it take and give plain tensors?"""
    return row.layout == PLAIN


@dataclass
class Duel:
    """One layer of one operation: our rows and those of the peers."""

    op: str
    layer: str
    ours: list
    peers: list

    @property
    def best(self):
        """Our fastest."""
        return fastest(self.ours)

    @property
    def plain(self):
        """Our fastest on plain tensors."""
        return fastest(self.ours, is_plain)

    def peer(self, name=""):
        """The fastest of the peers whose name begins so, in whatever layout."""
        return fastest(self.peers, lambda row: row.variant.startswith(name))

    @property
    def plain_peer(self):
        """The fastest of the peers on plain tensors."""
        return fastest(self.peers, is_plain)


def duels(run):
    """{op: duels} of the operations that both sides were timed in: every variant with the most threads it was given."""
    groups = {}
    for row in run.rows:
        if row.op in CEILINGS or not row.rung or "bf16" in row.variant:
            continue
        # A conversion is another task in the other direction, a product with an operand transposed.
        own = row.op in ("reorder", "gemm")
        layer = f"{row.problem} {row.layout}" if own else row.problem
        group = groups.setdefault((row.op, layer + ("" if row.cache == "warm" else f" {row.cache}")), {})
        known = group.get((row.variant, row.layout))
        if not known or known.threads < row.threads:
            group[row.variant, row.layout] = row
    found = {}
    for (op, layer), group in groups.items():
        ours = [row for row in group.values() if row.rung < PEER_RUNG]
        peers = [row for row in group.values() if row.rung >= PEER_RUNG]
        if ours and peers:
            found.setdefault(op, []).append(Duel(op, layer, ours, peers))
    rank = {op: i for i, op in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0])))


def cell(row):
    """A time with what took it."""
    return f"{duration(row.seconds)}{'*' if row.unstable else ''}" if row else "-"


def named(row):
    """Variant and layout; a verdict that is not a pass stands beside it."""
    if not row:
        return "-"
    verdict = row.label.split()[0] if row.label else "pass"
    text = f"{row.variant} {row.layout}"
    return text if verdict == "pass" else f"{text} ({verdict})"


def figure(value):
    """A ratio with two digits, or -."""
    return "-" if value is None else f"{value:.2f}"


HEADER = ["layer", "ours", "time", "best peer", "time", "ratio", "ours nchw", "ratio", "peer nchw", "ratio"]
LEFT = [i for i, name in enumerate(HEADER) if name in ("layer", "ours", "best peer")]


def lines_of(group):
    """The rows of a table."""
    rows = []
    for duel in group:
        peer, best, plain, plain_peer = duel.peer(), duel.best, duel.plain, duel.plain_peer
        rows.append(
            [
                duel.layer,
                named(best),
                cell(best),
                named(peer),
                cell(peer),
                figure(ratio(peer, best)),
                cell(plain),
                figure(ratio(peer, plain)),
                cell(plain_peer),
                figure(ratio(plain_peer, plain)),
            ]
        )
    return rows


def means(group):
    """[(what, how many layers, geometric mean)] of one operation."""
    winograd = [d for d in group if d.peer("onednn_winograd")]
    others = [d for d in group if not d.peer("onednn_winograd")]
    convolution = group[0].op.startswith("conv")
    pairs = [("best against best peer", [ratio(d.peer(), d.best) for d in group])]
    if convolution:
        pairs += [
            ("best against the better of oneDNN", [ratio(d.peer("onednn"), d.best) for d in group]),
            ("best against oneDNN's Winograd where it applies", [ratio(d.peer("onednn_winograd"), d.best) for d in winograd]),
            ("best against oneDNN elsewhere", [ratio(d.peer("onednn"), d.best) for d in others]),
        ]
    pairs += [
        ("nchw against best peer in its best layout", [ratio(d.peer(), d.plain) for d in group]),
        ("nchw against best peer in nchw", [ratio(d.plain_peer, d.plain) for d in group]),
    ]
    kept = [(what, [v for v in values if v is not None]) for what, values in pairs]
    return [(what, len(values), geometric_mean(values)) for what, values in kept if values]


def behind(groups):
    """[(ratio, op, layer, our row, peer's row)] of the rows below LEVEL, worst first."""
    found = []
    for op, group in groups.items():
        for duel in group:
            value = ratio(duel.peer(), duel.best)
            if value is not None and value < LEVEL:
                found.append((value, op, duel.layer, duel.best, duel.peer()))
    return sorted(found, key=lambda item: item[0])


def context_lines(run):
    """What was compared, where."""
    context = run.context
    where = f"set {context['set']}" if context.get("set") else "problems of the command line"
    threads = max((row.threads for row in run.rows), default=0)
    return [
        f"{run.machine}, {threads} thread{'s' if threads != 1 else ''}, {where}",
        f"peers: {', '.join(context.get('peers') or ['unknown'])}",
        f"ours: commit {context.get('commit', 'unknown')}{' (modified)' if context.get('dirty') else ''}, "
        f"{context.get('compiler', 'unknown compiler')}, {context.get('openmp_runtime', 'unknown OpenMP runtime')}",
    ]


def closing(groups):
    """Geometric means and the rows where we are behind."""
    lines = ["geometric means of peer time / our time, each layer once (above 1 we are faster):"]
    for op, group in groups.items():
        lines += [f"  {op:17} {figure(mean):>5}  {what} ({count} layers)" for what, count, mean in means(group)]
    rows = behind(groups)
    total = sum(len(group) for group in groups.values())
    lines += ["", f"behind the best peer (ratio below {LEVEL}): {len(rows)} of {total} rows"]
    lines += [f"  {value:.2f}  {op} {layer}: {named(ours)} behind {named(peer)}" for value, op, layer, ours, peer in rows]
    return lines


def report(run):
    """The comparison as lines for a terminal."""
    groups = duels(run)
    if not groups:
        raise ResultsError(f"{run.folder}: no operation has rows of ours and of a peer; run make peers")
    lines = context_lines(run) + [""]
    for op, group in groups.items():
        lines += [op, *text_table(HEADER, lines_of(group), LEFT), ""]
    return lines + closing(groups)


def markdown(run):
    """The comparison as a page."""
    groups = duels(run)
    lines = ["# Beside the peers", "", *(f"* {line}" for line in context_lines(run)), ""]
    lines += ["Ratios are the peer's median time over ours: above 1 we are faster. Rows marked * varied by more than 5 %.", ""]
    for op, group in groups.items():
        lines += [f"## {op}", "", *markdown_table(HEADER, lines_of(group), LEFT), ""]
    return lines + ["## Summary", "", "```", *closing(groups), "```"]


def write(run):
    """peers.md beside the bench.json, whole or not at all."""
    path = Path(run.folder) / "peers.md"
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(markdown(run)) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def work(run):
    """Prints the comparison and writes it."""
    print("\n".join(report(run)))
    print(f"\n{write(run)}\n")


if __name__ == "__main__":
    sys.exit(of_each_run("peers.py", __doc__, work, "copy the run to where peers.md can be written"))
