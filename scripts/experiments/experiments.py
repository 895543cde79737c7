#!/usr/bin/python3
"""Measures what the seed texts claim about batch normalization (make experiments).

    scripts/experiments/experiments.py --data DIR [--size quick|full] [--only STUDY,...] [--jobs N]
        [--batchmark FILE] [--report]

Each claim has a set of trainings (claims.py), and a picture and a verdict computed from them (verdicts.py). Trainings are
single-threaded processes, one for each core at a time. Trainings that measure time come last, one at a time on all cores.
Every finished run is a file of its own under build/experiments/, named by its command. A run whose file exists is not
repeated, even if the program has changed since; the summary says so. Diverged runs are results like others. Results go to
results/<machine>/experiments/.
"""

import fcntl
import hashlib
import json
import math
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import claims
from claim_plots import draw
from command import Mistake, Parser, ended
from verdicts import CLAIMS, SEEDS, UNKNOWN, Result, Table, Verdict

ROOT = Path(__file__).resolve().parents[2]
# Where a set's files lie below the folder of `make data`, and one of them.
PLACES = {
    "mnist": ("MNIST/raw", "train-images-idx3-ubyte*"),
    "cifar-10": ("cifar-10-batches-bin", "data_batch_1.bin"),
    "cifar-100": ("cifar-100-binary", "train.bin"),
}
PART = ".part"  # what the name of a file ends with while it is written


class ExperimentError(Mistake):
    """One line: what is missing or went wrong, and what to do."""


def find_data(folder, name):
    """The folder with the files of a set: the one given, or the one its archive unpacks to in it."""
    below, file = PLACES[name]
    for place in (Path(folder) / below, Path(folder)):
        if any(place.glob(file)):
            return place
    raise ExperimentError(
        f"{folder}: no files of {name}; fetch them with: make data, or name their folder with DATA=folder "
        "(DATA=synthetic trains on made-up images, which says nothing of real ones)"
    )


def key_of(run, data):
    """The name of a run's file: a hash of its command, without the data folder and the choice to verify kernels."""
    said = [run.data if data != "synthetic" else "synthetic", run.full_team, *run.arguments]
    if run.round:
        said.insert(0, run.round)
    said = json.dumps(said)
    return hashlib.sha256(said.encode()).hexdigest()[:20]


class Store:
    """Finished runs, a file each."""

    def __init__(self, folder, data):
        self.folder = Path(folder)
        self.data = data
        self.held = None
        self.folder.mkdir(parents=True, exist_ok=True)

    def hold(self):
        """Locks the run against other processes until this one ends in any way; removes what a killed process left."""
        self.held = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExperimentError(f"{self.folder}: other experiments are at work there; wait for their end") from None
        except OSError:
            return  # a file system that knows no locks
        for part in self.folder.glob("*" + PART):
            part.unlink()

    def path(self, run):
        """Of a run's file."""
        return self.folder / f"{key_of(run, self.data)}.json"

    def has(self, run):
        """Has it been run?"""
        return self.path(run).is_file()

    def write(self, run, result):
        """Whole or not at all."""
        path = self.path(run)
        part = path.with_suffix(f".{threading.get_ident()}{PART}")
        part.write_text(json.dumps({"study": run.study, "arguments": run.arguments, **result}) + "\n", encoding="utf-8")
        part.replace(path)

    def read(self, run):
        """What was written."""
        return json.loads(self.path(run).read_text(encoding="utf-8"))


def train(program, run, data, verify):
    """Trains, and returns the events by kind."""
    place = "synthetic" if data == "synthetic" else str(find_data(data, run.data).resolve())
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        command = [str(Path(program).resolve()), "train", *run.arguments, "--data", place, "--json", str(log), "--log", "20"]
        # A diverged run is a result like others.
        command += ["--keep-going"]
        if not run.full_team:
            command += ["--threads", "1"]
        if not verify:
            command += ["--verify", "off"]
        # There it leaves what it leaves when it is interrupted.
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            raise ExperimentError(f"{' '.join(command)}: {done.stderr.strip()}")
        events = {}
        for line in log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            events.setdefault(event.pop("event"), []).append(event)
    return {"events": events}


def clock(seconds):
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """A line a finished run, with the time that is left."""

    def __init__(self, runs, done):
        self.total = sum(run.cost for run in runs)
        self.count = len(runs)
        self.kept = done
        self.start = time.monotonic()
        self.finished = self.cost = 0
        self.lock = threading.Lock()

    def add(self, run, result):
        """Says what a run came to."""
        with self.lock:
            self.finished += 1
            self.cost += run.cost
            elapsed = time.monotonic() - self.start
            left = elapsed / self.cost * (self.total - self.cost)
            accuracy = result["events"]["summary"][-1]["test_accuracy"]
            value = "" if run.value is None else f" at {run.value}"
            print(
                f"[{self.finished + self.kept}/{self.count + self.kept}] {run.study}: {run.arm}{value}, rate "
                f"{run.rate:g}, seed {run.seed}: test accuracy {accuracy:.3f}; {clock(left)} left",
                flush=True,
            )


def work(todo, program, data, store, progress, proven, cpu, failures):
    """One worker: runs until nothing is left, on a core of its own, which its processes inherit."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    while not failures:
        try:
            run = todo.get_nowait()
        except queue.Empty:
            return
        try:
            if store.has(run):
                continue
            verify = run.proof not in proven
            result = train(program, run, data, verify)
            proven.add(run.proof)
            store.write(run, result)
            progress.add(run, result)
        # Whatever it is: a worker that ends in silence would leave runs undone.
        except Exception as error:
            failures.append(error)


def carry_out(runs, program, data, store, jobs):
    """Runs what does not exist yet. The first run of each network and batch verifies the kernels; later ones skip that."""
    missing = [run for run in runs if not store.has(run)]
    progress = Progress(missing, len(runs) - len(missing))
    proven, failures = {run.proof for run in runs if store.has(run)}, []
    cpus = sorted(os.sched_getaffinity(0))[:jobs]
    for alone in (False, True):
        todo = queue.Queue()
        for run in missing:
            if run.alone == alone:
                todo.put(run)
        arguments = (todo, program, data, store, progress, proven)
        workers = [
            threading.Thread(target=work, args=(*arguments, None if alone else cpu, failures), daemon=True)
            for cpu in (cpus[:1] if alone else cpus)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if failures:
        error = failures[0]
        raise error if isinstance(error, ExperimentError) else ExperimentError(f"{type(error).__name__}: {error}")


def gather(runs, store):
    """The results that are there, a table a study; also studies without any."""
    found = {run.study: [] for run in runs} | {name: [] for claim in CLAIMS for name in claim.studies}
    for run in runs:
        if store.has(run):
            events = store.read(run)["events"]
            found[run.study].append(Result(run.arm, run.value, run.rate, run.seed, events, run.round))
    return {name: Table(results) for name, results in found.items()}


def edge_text(study, arm, value, rate, end):
    """Says that a better rate may lie beyond those tried."""
    return f"{study}, {arm}{'' if value is None else f' at {value}'}: {rate:g} is the {end}"


def judged(claim, tables, planned):
    """A claim as it goes to summary.json."""
    verdict = claim.judge(tables)
    results = [r for name in claim.studies for r in tables[name].results]
    seeds = min((len({r.seed for r in tables[name].results}) for name in claim.studies if planned[name]), default=0)
    if seeds < SEEDS:
        text = f"{UNKNOWN}: {seeds} of at least {SEEDS} seeds are finished"
        verdict = Verdict(UNKNOWN, UNKNOWN, text, verdict.figures)
    return {
        "claim": claim.number,
        "name": claim.name,
        "text": claim.text,
        "verdict": verdict.word,
        "short": verdict.short,
        "sentence": verdict.sentence,
        "runs": len(results),
        "planned": sum(planned[name] for name in claim.studies),
        "seeds": seeds,
        "diverged": sum(r.diverged for r in results),
        "edges": [edge_text(name, *edge) for name in claim.studies for edge in tables[name].edges()],
        "figure": f"{claim.number:02d}-{claim.name}.png",
        "figures": verdict.figures,
    }


def plain_numbers(value):
    """For JSON, which has no NaN: None instead."""
    if isinstance(value, dict):
        return {str(key): plain_numbers(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_numbers(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def commits_text(commits):
    """Whose kernels trained."""
    return "trained by " + " and ".join(f"commit {name} ({count} runs)" for name, count in commits.items())


def markdown(summary):
    """summary.md: the table, then a sentence and a picture a claim."""
    kind = "made-up images" if summary["data"] == "synthetic" else "real data"
    lines = [
        f"# What the claims about batch normalization came to on {summary['machine']}",
        "",
        f"{summary['runs']} of {summary['planned']} trainings on {kind}, size {summary['size']}, "
        f"{commits_text(summary['commits'])}. Nothing that diverged is left out. A difference is clear where Welch's t test "
        "over the seeds gives p <= 0.05, each comparison by itself; no clear difference does not mean that there is none, "
        "and a claim without any clear one for it is not shown unless most are against it. Rates are tuned on the test images "
        "that judge them, for both arms alike: what they come to is a little better than new images would say.",
        "",
        "| claim: BN ... | verdict | runs | seeds | diverged |",
        "|---|---|---|---|---|",
    ]
    for c in summary["claims"]:
        runs = str(c["runs"]) if c["runs"] == c["planned"] else f"{c['runs']} of {c['planned']}"
        told = f"{c['short']} ([picture]({c['figure']}))"
        lines.append(f"| {c['claim']}. {c['text']} | {told} | {runs} | {c['seeds']} | {c['diverged']} |")
    for c in summary["claims"]:
        word, seen = c["sentence"].split(": ", 1)
        lines += ["", f"## {c['claim']}. {c['text'].capitalize()}", "", word.capitalize() + ":", ""]
        lines += [f"* {group}" for group in seen.split("; ")]
        if c["edges"]:
            beyond = "The best rate is the last one tried, and a better one may lie beyond, for "
            lines += ["", beyond + "; ".join(c["edges"]) + "."]
        lines += ["", f"![]({c['figure']})"]
    return "\n".join(lines) + "\n"


def machine_of(program):
    """The name of this machine. Trainings on one core name a machine with one core."""
    done = subprocess.run([str(program), "info", "--quick", "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExperimentError(f"{program} info: {done.stderr.strip()}")
    return json.loads(done.stdout)["slug"]


def report(runs, store, arguments):
    """Judges, draws, and writes summary.json and summary.md; returns their folder."""
    tables = gather(runs, store)
    everything = [r for table in tables.values() for r in table.results]
    if not everything:
        raise ExperimentError("no run is finished: nothing to report")
    planned = {name: 0 for name in tables}
    for run in runs:
        planned[run.study] += 1
    # Finished runs are kept over changes of the program.
    commits = Counter(r.summary["commit"] for r in everything)
    machine = machine_of(arguments.batchmark)
    folder = Path(arguments.out) if arguments.out else ROOT / "results" / machine / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [c for c in CLAIMS if any(tables[name].results for name in c.studies)]
    summary = {
        "machine": machine,
        "commits": dict(commits),
        "size": arguments.size,
        "data": "synthetic" if arguments.data == "synthetic" else "real",
        "runs": len(everything),
        "planned": len(runs),
        "diverged": sum(r.diverged for r in everything),
        "claims": [judged(c, tables, planned) for c in chosen],
    }
    for claim in chosen:
        draw(claim, tables, folder)
    text = json.dumps(plain_numbers(summary), indent=1) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    (folder / "summary.md").write_text(markdown(summary), encoding="utf-8")
    return folder, summary


def parse():
    """The command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data", default=str(ROOT / "build" / "data"), help="folder, or synthetic")
    parser.add_argument("--size", choices=("quick", "full"), default="quick")
    parser.add_argument("--only", help="studies, separated by commas: " + ", ".join(claims.studies("full")))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trainings side by side")
    parser.add_argument("--batchmark", default=str(ROOT / "build" / "batchmark"), help="the program")
    parser.add_argument("--runs", help="folder of finished runs (default: build/experiments/SIZE)")
    parser.add_argument("--out", help="where results go (default: results/MACHINE/experiments)")
    parser.add_argument("--report", action="store_true", help="run nothing: judge and draw what is there")
    return parser.parse_args()


def carry_all_out(arguments):
    """Runs, judges, draws."""
    only = arguments.only.split(",") if arguments.only else None
    unknown = set(only or ()) - set(claims.studies(arguments.size))
    if unknown:
        raise ExperimentError(f"--only {','.join(sorted(unknown))}: no such study; --help lists them")
    runs = claims.plan(arguments.size, only)
    if arguments.data != "synthetic" and not arguments.report:
        for name in sorted({run.data for run in runs}):
            find_data(arguments.data, name)
    place = arguments.runs or ROOT / "build" / "experiments" / arguments.size
    store = Store(place, arguments.data)
    if not arguments.report:
        store.hold()
        carry_out(runs, arguments.batchmark, arguments.data, store, max(1, arguments.jobs))
    folder, summary = report(runs, store, arguments)
    for claim in summary["claims"]:
        print(f"{claim['claim']}. BN {claim['text']}: {claim['sentence']}")
    if len(summary["commits"]) > 1:
        kept = commits_text(summary["commits"])
        print(f"runs are kept over changes of the kernels: {kept}; delete {place} to run all anew")
    print(folder)


def main():
    """What the command line asks for."""
    arguments = parse()
    stopped = "stopped; the same command goes on where it was"
    return ended("experiments.py", lambda: carry_all_out(arguments), stopped=stopped)


if __name__ == "__main__":
    sys.exit(main())
