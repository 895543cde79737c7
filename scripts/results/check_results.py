#!/usr/bin/python3
"""Checks every run under results/ against results/schema.json, and by rules that a schema cannot state.

    scripts/results/check_results.py [FOLDER...]     runs and experiments; all of results/*/* where none is given

The other rules: medians agree with their repetitions, pictures exist, the folder is where the run says it belongs, and no
file names a host, a person or a person's folder. Each finding is one line. Exit status 1 if there is any.
"""

import lzma
import re
import sys
from pathlib import Path

from command import Parser, ended
from results import ROOT, ResultsError, faults, parse, read_document, read_text, rows_of

# Folders of people, names of hosts, numbers of machines.
PRIVATE = re.compile(r"/home/\w|/root/|/Users/\w|~\w+/|HostName|DMI\w*Serial|DMI\w*UUID|AssetTag|[\w.]+@[\w-]+\.\w")
TEXTS = (".json", ".jsonl", ".xml", ".txt", ".md", ".csv", ".svg", ".log")
# The most that is said about one file.
SHOWN = 5


def check_bench(folder):
    """The rows: schema, and medians that are medians. Returns (findings, context)."""
    document = read_document(folder / "bench.json")
    found = list(faults(document, "bench"))
    if found:
        return found, None
    context = document["context"]
    if "planted_slowdown" in context:
        found.append("planted_slowdown: a test of the comparison and not a measurement")
    for row in rows_of(folder / "bench.json", document):
        written = row.get("median_time")
        if written is not None and abs(written * 1e-9 / row.seconds - 1) > 1e-6:
            found.append(f"{row.name}: the median is not that of the repetitions: edited?")
    slug = context["machine"]["slug"]
    if folder.parent.parent == ROOT / "results" and folder.parent.name != slug:
        found.append(f"a run of {slug} in the folder of another machine")
    return found, context


def check_system(folder, context):
    """system.json, which runs have since results carry a schema version."""
    path = folder / "system.json"
    if not path.exists():
        return ["no system.json beside it"] if "schema_version" in context else []
    system = parse(read_text(path))
    found = list(faults(system, "system"))
    if not found and any(system.get(what) != context.get(what) for what in ("host_name", "command")):
        found.append("system.json is of another run than bench.json")
    return found


def check_training(path):
    """Each line of a training log."""
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        found += [f"line {number}: {text}" for text in faults(parse(line), "train")]
    return found


def check_private(path):
    """Words that say whose machine it was."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode("utf-8", "replace")
    return [f"names {m[0]!r}: private, take it out" for m in PRIVATE.finditer(text)]


def check_experiments(folder):
    """summary.json of the claims about BN: schema, sums, pictures and machine."""
    summary = parse(read_text(folder / "summary.json"))
    found = list(faults(summary, "experiments"))
    if found:
        return found
    if sum(summary["commits"].values()) != summary["runs"]:
        found.append("the runs of all commits are not as many as the runs")
    for claim in summary["claims"]:
        if not (folder / claim["figure"]).is_file():
            found.append(f"claim {claim['claim']}: no {claim['figure']}")
        if not claim["sentence"].startswith(f"{claim['verdict']}: "):
            found.append(f"claim {claim['claim']}: the sentence does not say its verdict: edited?")
    if folder.parent.parent == ROOT / "results" and folder.parent.name != summary["machine"]:
        found.append(f"experiments of {summary['machine']} in the folder of another machine")
    return found


def check_run(folder):
    """{file name: findings} of one run, or of experiments."""
    found = {}
    if (folder / "summary.json").exists():
        found["summary.json"] = check_experiments(folder)
    else:
        found["bench.json"], context = check_bench(folder)
        if context:
            found["system.json"] = check_system(folder, context)
    for path in sorted(folder.glob("train*.jsonl")):
        found[path.name] = check_training(path)
    for path in sorted(folder.iterdir()):
        if path.is_file() and (path.suffix in TEXTS or path.name.endswith(".json.xz")):
            found.setdefault(path.name, []).extend(check_private(path))
    return found


def runs():
    """All runs and experiments under results/, links left out."""
    found = (path for name in ("*/*/bench.json*", "*/*/summary.json") for path in (ROOT / "results").glob(name))
    folders = sorted({path.parent for path in found})
    return [f for f in folders if not f.is_symlink()]


def main(argv=None):
    """Checks what the command line names; the program's own where it is None."""
    parser = Parser(description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="FOLDER", type=Path)
    named = parser.parse_args(argv).folders
    return ended("check_results.py", lambda: check([f.absolute() for f in named] or runs()))


def check(folders):
    """Prints what is wrong in those folders; 1 where anything is."""
    count = 0
    for folder in folders:
        try:
            found = check_run(folder)
        except (ResultsError, OSError, ValueError, lzma.LZMAError) as error:
            found = {"": [str(error)]}
        for name, lines in found.items():
            for line in lines[:SHOWN]:
                print(f"{folder.parent.name}/{folder.name}/{name}: {line}")
            if len(lines) > SHOWN:
                print(f"{folder.parent.name}/{folder.name}/{name}: and {len(lines) - SHOWN} more")
            count += len(lines)
    print(f"check-results: {len(folders)} runs, {count} findings")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
